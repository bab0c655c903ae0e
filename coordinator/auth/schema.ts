import { z } from 'zod';
import { pageLimitSchema } from '../page-limit.ts';
import {
  API_KEY_DAYS_DEFAULT,
  API_KEY_DAYS_MAX,
  API_KEY_NAME_LENGTH_MAX,
  AUDIT_LENGTH_DEFAULT,
  AUDIT_LENGTH_MAX,
  EMAIL_LENGTH_MAX,
  NAME_LENGTH_MAX,
  PASSWORD_LENGTH_MAX,
  PASSWORD_LENGTH_MIN,
  USERS_LENGTH_DEFAULT,
  USERS_LENGTH_MAX,
} from './limits.ts';
import { SCOPES } from './principal.ts';

const CONTROLS = /\p{Cc}/u;
const isLine = (text: string) => text.isWellFormed() && !CONTROLS.test(text);

/** One account, however its address is written: trimmed, composed, in lower case. */
export const emailSchema = z
  .string()
  .max(EMAIL_LENGTH_MAX * 2)
  .transform((text) => text.trim().normalize('NFKC').toLowerCase())
  .refine((text) => text.length <= EMAIL_LENGTH_MAX, `must have at most ${EMAIL_LENGTH_MAX} characters`)
  .refine((text) => isLine(text) && /^[^\s@"<>(),;:\\[\]]+@[^\s@"<>(),;:\\[\]]+$/.test(text), {
    message: 'expected an e-mail address',
  });

/** As it is compared, whatever keyboard it comes from (RFC 8265's comparison rests on NFC; NFKC as NIST advises). */
const anyPasswordSchema = z
  .string()
  .max(PASSWORD_LENGTH_MAX * 2, `must have at most ${PASSWORD_LENGTH_MAX} characters`)
  .refine((text) => text.isWellFormed(), 'is not text')
  .transform((text) => text.normalize('NFKC'))
  .refine((text) => [...text].length <= PASSWORD_LENGTH_MAX, {
    message: `must have at most ${PASSWORD_LENGTH_MAX} characters`,
  });
export const newPasswordSchema = anyPasswordSchema.refine((text) => [...text].length >= PASSWORD_LENGTH_MIN, {
  message: `must have at least ${PASSWORD_LENGTH_MIN} characters`,
});

const nameSchema = z
  .string()
  .trim()
  .min(1)
  .max(NAME_LENGTH_MAX)
  .refine(isLine, 'control characters are not allowed');

export const roleSchema = z.enum(['admin', 'uploader', 'viewer']);

const transportSchema = z
  .enum(['token', 'cookie'])
  .default('token')
  .describe('How the tokens travel: in the answer, or in cookies that scripts cannot read.');

/** `POST /auth/register`. */
export const registrationSchema = z.strictObject({
  email: emailSchema,
  password: newPasswordSchema,
  name: nameSchema.optional().describe('The part before the @ when it is absent.'),
});

/** `POST /auth/login`. */
export const loginSchema = z.strictObject({
  email: emailSchema,
  password: anyPasswordSchema,
  session: transportSchema,
});

const refreshTokenSchema = z.string().min(1).max(200);

/** `POST /auth/refresh`; without a token the one of the cookie counts. */
export const refreshSchema = z.strictObject({ refreshToken: refreshTokenSchema.optional() });

/** `POST /auth/logout`. */
export const logoutSchema = z.strictObject({
  refreshToken: refreshTokenSchema.optional(),
  everywhere: z.boolean().default(false).describe('Ends every login of the user.'),
});

/** `POST /auth/password`. */
export const passwordChangeSchema = z.strictObject({
  currentPassword: anyPasswordSchema,
  newPassword: newPasswordSchema,
});

/** `POST /users`. */
export const newUserSchema = registrationSchema.extend({ role: roleSchema.default('viewer') });

/** `PATCH /users/{id}`. */
export const userChangesSchema = z.strictObject({
  name: nameSchema.optional(),
  role: roleSchema.optional(),
  disabled: z.boolean().optional(),
  password: newPasswordSchema.optional().describe('Ends every login of the user, like `disabled`.'),
  quotaBytes: z
    .int()
    .min(0)
    .nullable()
    .optional()
    .describe('Bytes that the user may store; 0 for no limit, null for what the configuration says.'),
  quotaVideos: z
    .int()
    .min(0)
    .max(2_147_483_647)
    .nullable()
    .optional()
    .describe('The same for the number of videos.'),
});

export const idSchema = z.object({ id: z.uuid().toLowerCase() });

const flagSchema = z.enum(['true', 'false']).transform((text) => text === 'true');

/** `GET /users`. */
export const userListSchema = z.object({
  q: z
    .string()
    .max(100)
    .refine(isLine, 'control characters are not allowed')
    .optional()
    .describe('Part of the address or name.'),
  role: roleSchema.optional().describe('Only users with this role.'),
  disabled: flagSchema
    .optional()
    .meta({ description: 'Only those who may not log in, or who may.', wire: { type: 'boolean' } }),
  limit: pageLimitSchema(USERS_LENGTH_DEFAULT, USERS_LENGTH_MAX),
  cursor: z.uuid().toLowerCase().optional().describe('The `nextCursor` of the page before.'),
});

/** `POST /api-keys`. */
export const newApiKeySchema = z.strictObject({
  name: z
    .string()
    .trim()
    .min(1)
    .max(API_KEY_NAME_LENGTH_MAX)
    .refine(isLine, 'control characters are not allowed'),
  scopes: z
    .array(z.enum(SCOPES))
    .min(1)
    .max(SCOPES.length)
    .transform((scopes) => [...new Set(scopes)]),
  expiresInDays: z.int().min(1).max(API_KEY_DAYS_MAX).default(API_KEY_DAYS_DEFAULT),
});

/** `GET /admin/audit`. */
export const auditListSchema = z.object({
  user: z.uuid().toLowerCase().optional().describe('Only what concerns this user.'),
  kind: z
    .string()
    .regex(/^[a-z_]{1,50}$/, 'expected the kind of an event')
    .optional()
    .describe('Only events of this kind.'),
  limit: pageLimitSchema(AUDIT_LENGTH_DEFAULT, AUDIT_LENGTH_MAX),
  cursor: z
    .string()
    .regex(/^\d{1,15}$/, 'expected the id of an event')
    .transform(Number)
    .optional()
    .describe('The `nextCursor` of the page before.'),
});

// What the API answers with.

export const userSchema = z.object({
  id: z.uuid(),
  email: z.string(),
  name: z.string(),
  role: roleSchema,
  disabled: z.boolean(),
  /** What an administrator set for the user; null: what the configuration says. */
  quotaBytes: z.int().nullable(),
  quotaVideos: z.int().nullable(),
  createdAt: z.iso.datetime(),
  updatedAt: z.iso.datetime(),
  lastLoginAt: z.iso.datetime().nullable(),
});
export type UserJson = z.infer<typeof userSchema>;

export const userListJsonSchema = z.object({ items: z.array(userSchema), nextCursor: z.string().nullable() });

/** The tokens are absent when they travel in cookies. */
export const loginAnswerSchema = z.object({
  accessToken: z.string().optional(),
  tokenType: z.literal('Bearer').optional(),
  refreshToken: z.string().optional(),
  expiresIn: z.int().describe('Seconds that the access token is good.'),
  user: userSchema,
});
export type LoginJson = z.infer<typeof loginAnswerSchema>;

/** What a user has stored, what uploads under way have reserved, and how much it may be; null is no limit. */
export const usageSchema = z.object({
  bytes: z.int(),
  videos: z.int(),
  reservedBytes: z.int(),
  reservedVideos: z.int(),
  bytesMax: z.int().nullable(),
  videosMax: z.int().nullable(),
});
export type UsageJson = z.infer<typeof usageSchema>;

/** Who makes the request; the user is null for the admin token. */
export const meSchema = z.object({
  role: roleSchema,
  scopes: z.array(z.enum(SCOPES)).nullable(),
  user: userSchema.nullable(),
  usage: usageSchema.nullable(),
});
export type MeJson = z.infer<typeof meSchema>;

export const apiKeySchema = z.object({
  id: z.uuid(),
  name: z.string(),
  scopes: z.array(z.string()),
  createdAt: z.iso.datetime(),
  expiresAt: z.iso.datetime(),
  lastUsedAt: z.iso.datetime().nullable(),
});
export type ApiKeyJson = z.infer<typeof apiKeySchema>;
/** The key itself is shown this once. */
export const createdApiKeySchema = apiKeySchema.extend({ key: z.string() });
export const apiKeyListSchema = z.object({ items: z.array(apiKeySchema), nextCursor: z.null() });

export const auditEventSchema = z.object({
  id: z.int(),
  at: z.iso.datetime(),
  kind: z.string(),
  actor: z.string(),
  actorId: z.uuid().nullable(),
  subjectId: z.uuid().nullable(),
  address: z.string().nullable(),
  requestId: z.string().nullable(),
  details: z.record(z.string(), z.unknown()),
});
export type AuditEventJson = z.infer<typeof auditEventSchema>;
export const auditListJsonSchema = z.object({
  items: z.array(auditEventSchema),
  nextCursor: z.string().nullable(),
});

/** `GET /.well-known/jwks.json` (RFC 7517). */
export const keySetSchema = z.object({
  keys: z.array(
    z.object({
      kid: z.string(),
      kty: z.literal('RSA'),
      use: z.literal('sig'),
      alg: z.literal('RS256'),
      n: z.string(),
      e: z.string(),
    }),
  ),
});
