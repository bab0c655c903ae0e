import { AppError } from '../../lib/errors/app-error.ts';
import { mayChange, mayRead, type Principal } from '../auth/principal.ts';
import type { ErrorCode } from '../errors.ts';
import { type Permission, videoNotFound } from './service.ts';

/** To change a video. What may not even be read is not there. */
export function permissionOf(principal: Principal): Permission {
  return (video) => {
    if (!mayRead(principal, video)) throw videoNotFound(video.id);
    if (!mayChange(principal, video)) throw notYours();
  };
}

export function notYours(): AppError {
  return new AppError<ErrorCode>('forbidden', 'Only its owner and administrators may do that.');
}
