import { AVERROR_EIO, AVERROR_ENOMEM } from 'node-av/constants';
import { FFmpegError } from 'node-av/lib';
import { TaskFailure } from '../../task-context.ts';

/**
 * What an error code of FFmpeg means for the task, in words. `doing` says what was being done: "reading the file". What
 * lies in the file is to blame, except where memory ran out or bytes could not be had.
 */
export function failureOf(code: number, doing: string): TaskFailure {
  const reason = FFmpegError.strerror(code);
  if (code === AVERROR_ENOMEM)
    return new TaskFailure('failed', `There was not enough memory for ${doing}.`, { retryable: true });
  if (code === AVERROR_EIO)
    return new TaskFailure('failed', `Bytes could not be had while ${doing}.`, { retryable: true });
  return new TaskFailure('failed', `FFmpeg failed while ${doing}: ${reason}.`);
}

/** Throws unless the code says that it went well; returns it then. */
export function check(code: number, doing: string): number {
  if (code < 0) throw failureOf(code, doing);
  return code;
}
