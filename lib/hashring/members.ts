import { MEMBERS_MAX, NAME_BYTES_MAX, WEIGHT_MAX } from './limits.ts';
import { RingError } from './ring-error.ts';

/** A storage node as the ring sees it. Weight 0 is a member that shall own nothing. */
export interface Member {
  readonly id: string;
  /** Share of the slots relative to the other members: an integer from 0 to 2^32 - 1. */
  readonly weight: number;
  /** What fails together: a machine, a rack, a site. */
  readonly zone: string;
}

const encoder = new TextEncoder();

function checkName(name: unknown, what: string): void {
  if (typeof name !== 'string') throw new RingError('invalid_members', `${what} is not a string`);
  if (!name.isWellFormed()) throw new RingError('invalid_members', `${what} is not well-formed Unicode`);
  if (encoder.encode(name).length > NAME_BYTES_MAX) {
    throw new RingError('invalid_members', `${what} is longer than ${NAME_BYTES_MAX} bytes`);
  }
}

/** Validated, frozen copies of the members, sorted by id. Throws `invalid_members`. */
export function sortMembers(members: readonly Member[]): readonly Member[] {
  if (members.length > MEMBERS_MAX) {
    throw new RingError('invalid_members', `${members.length} members; at most ${MEMBERS_MAX} are possible`);
  }
  for (const { id, weight, zone } of members) {
    checkName(id, `member id ${String(id)}`);
    checkName(zone, `zone of member ${id}`);
    if (id === '') throw new RingError('invalid_members', 'a member has an empty id');
    if (!Number.isInteger(weight) || weight < 0 || weight > WEIGHT_MAX) {
      throw new RingError(
        'invalid_members',
        `weight ${weight} of member ${id} is not an integer in 0..2^32-1`,
      );
    }
  }
  // Compared by UTF-16 code units, never by locale: every process must sort alike.
  const sorted = members
    .map(({ id, weight, zone }) => Object.freeze({ id, weight, zone }))
    .sort((a, b) => (a.id < b.id ? -1 : Number(a.id > b.id)));
  for (let index = 1; index < sorted.length; index++) {
    if (sorted[index]!.id === sorted[index - 1]!.id) {
      throw new RingError('invalid_members', `member id ${sorted[index]!.id} appears twice`);
    }
  }
  return Object.freeze(sorted);
}
