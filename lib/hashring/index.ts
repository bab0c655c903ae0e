export { type AssignOptions, assign, movementBound } from './assign.ts';
export { decodeLayout, encodeLayout } from './codec.ts';
export { diff, type RangeChange } from './diff.ts';
export { type Layout, ownersOf, ownersOfRange, preferenceOf, primaryOf, splitRanges } from './layout.ts';
export type { Member } from './members.ts';
export { mixLayouts } from './mix.ts';
export { positionOf, rangeBounds, rangeOf } from './position.ts';
export { RingError, type RingErrorCode } from './ring-error.ts';
