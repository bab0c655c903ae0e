import { TaskFailure } from '../../task-context.ts';
import { PIXELS_MAX } from './limits.ts';

/** Throws a TaskFailure `unplayable` where no decoder here would take pictures of this size. */
export function refuseLargePictures(
  pictures: { readonly width: number; readonly height: number } | null,
): void {
  if (pictures === null || pictures.width * pictures.height <= PIXELS_MAX) return;
  throw new TaskFailure(
    'unplayable',
    `The pictures of this file are too large: ${pictures.width} x ${pictures.height} pixels.`,
  );
}
