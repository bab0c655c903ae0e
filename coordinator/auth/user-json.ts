import type { UserJson } from './schema.ts';
import type { User } from './user-repository.ts';

/** A user as the API shows it, to the user and to administrators. */
export function toUserJson(user: User): UserJson {
  return {
    id: user.id,
    email: user.email,
    name: user.name,
    role: user.role,
    disabled: user.disabled,
    quotaBytes: user.quotaBytes,
    quotaVideos: user.quotaVideos,
    createdAt: user.createdAt.toISOString(),
    updatedAt: user.updatedAt.toISOString(),
    lastLoginAt: user.lastLoginAt?.toISOString() ?? null,
  };
}
