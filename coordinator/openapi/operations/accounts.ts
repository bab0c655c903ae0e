import {
  apiKeyListSchema,
  auditListJsonSchema,
  auditListSchema,
  createdApiKeySchema,
  loginAnswerSchema,
  loginSchema,
  logoutSchema,
  meSchema,
  newApiKeySchema,
  newUserSchema,
  passwordChangeSchema,
  refreshSchema,
  registrationSchema,
  userChangesSchema,
  userListJsonSchema,
  userListSchema,
  userSchema,
} from '../../auth/schema.ts';
import { group } from '../description.ts';
import { ACCESS_TOKEN, CREATED_AT, LATER, PASSWORD, REFRESH_TOKEN, USER, USER_ID } from '../examples.ts';

const LOGIN = {
  accessToken: ACCESS_TOKEN,
  tokenType: 'Bearer',
  refreshToken: REFRESH_TOKEN,
  expiresIn: 900,
  user: USER,
};
const KEY_ID = '019bcb4c-5d32-7b80-9f16-0a4e7c8d2b61';
const KEY = {
  id: KEY_ID,
  name: 'nightly upload',
  scopes: ['videos:read', 'videos:write'],
  createdAt: CREATED_AT,
  expiresAt: '2026-04-17T09:30:00.000Z',
  lastUsedAt: null,
};

const USAGE = {
  bytes: 10_000_000,
  videos: 1,
  reservedBytes: 0,
  reservedVideos: 0,
  bytesMax: null,
  videosMax: null,
};

export const ACCOUNTS = group({
  tag: 'Accounts',
  description:
    'What people do with their own accounts. Access tokens are JWTs that are good for 15 minutes; refresh tokens are good once.',
  operations: {
    'POST /api/v1/auth/register': {
      summary: 'Make an account',
      details: 'Whoever registers is a viewer until an administrator says otherwise.',
      body: registrationSchema,
      bodyExample: { email: USER.email, password: PASSWORD, name: USER.name },
      status: 201,
      answer: userSchema,
      answerExample: { ...USER, role: 'viewer', updatedAt: CREATED_AT, lastLoginAt: null },
      errors: ['registration_closed', 'email_taken', 'too_many_requests', 'too_busy'],
    },
    'POST /api/v1/auth/login': {
      summary: 'Log in',
      details:
        'Web pages log in with `"session": "cookie"`: the tokens then travel in cookies that scripts cannot read, and are not in the answer.',
      body: loginSchema,
      bodyExample: { email: USER.email, password: PASSWORD },
      status: 200,
      answer: loginAnswerSchema,
      answerExample: LOGIN,
      answerHeaders: ['Set-Cookie'],
      errors: ['login_failed', 'account_disabled', 'cross_site_request', 'too_many_requests', 'too_busy'],
    },
    'POST /api/v1/auth/refresh': {
      summary: 'Exchange a refresh token for the next one and an access token',
      details:
        'Without a token in the body the one of the cookie counts. A used one that is shown again ends the whole login, except within ten seconds, when an answer may have been lost.',
      body: refreshSchema,
      bodyExample: { refreshToken: REFRESH_TOKEN },
      status: 200,
      answer: loginAnswerSchema,
      answerExample: LOGIN,
      answerHeaders: ['Set-Cookie'],
      errors: ['unauthorized', 'account_disabled', 'cross_site_request', 'too_many_requests'],
    },
    'POST /api/v1/auth/logout': {
      summary: 'End a login, or all',
      details: 'Access tokens of the login are void at once, on all coordinators.',
      body: logoutSchema,
      bodyExample: { refreshToken: REFRESH_TOKEN, everywhere: false },
      status: 204,
      answerHeaders: ['Set-Cookie'],
      errors: ['cross_site_request'],
    },
    'GET /api/v1/auth/me': {
      summary: 'Who makes the request',
      details: 'The user is null for the admin token; the scopes are null but for API keys.',
      status: 200,
      answer: meSchema,
      answerExample: { role: USER.role, scopes: null, user: USER, usage: USAGE },
      errors: ['user_not_found'],
    },
    'POST /api/v1/auth/password': {
      summary: 'Change one’s own password',
      details: 'Every other login of the user ends.',
      body: passwordChangeSchema,
      bodyExample: { currentPassword: PASSWORD, newPassword: 'vivid-otter-stapler' },
      status: 204,
      errors: ['login_failed', 'too_many_requests', 'too_busy'],
    },
    'GET /api/v1/api-keys': {
      summary: 'One’s own API keys',
      status: 200,
      answer: apiKeyListSchema,
      answerExample: { items: [KEY], nextCursor: null },
    },
    'POST /api/v1/api-keys': {
      summary: 'Make an API key',
      details: 'The key is shown this once. It is never good for more than its user may do.',
      body: newApiKeySchema,
      bodyExample: { name: KEY.name, scopes: KEY.scopes, expiresInDays: 90 },
      status: 201,
      answer: createdApiKeySchema,
      answerExample: { ...KEY, key: 'ovk_T3JiaXRWaWRzQXBpS2V5RXhhbXBsZQ' },
      errors: ['conflict'],
    },
    'DELETE /api/v1/api-keys/{id}': {
      pathExample: { id: KEY_ID },
      summary: 'Delete an API key',
      details: 'It is good for nothing from then on.',
      status: 204,
      errors: ['invalid_request', 'api_key_not_found'],
    },
  },
});

export const USERS = group({
  tag: 'Users',
  description: 'Everybody’s accounts, for administrators, and what happened to them.',
  operations: {
    'GET /api/v1/users': {
      summary: 'Find users',
      query: userListSchema,
      queryExample: { q: 'vera', role: 'uploader', limit: '20' },
      status: 200,
      answer: userListJsonSchema,
      answerExample: { items: [USER], nextCursor: null },
    },
    'POST /api/v1/users': {
      summary: 'Make a user',
      body: newUserSchema,
      bodyExample: { email: USER.email, password: PASSWORD, name: USER.name, role: 'uploader' },
      status: 201,
      answer: userSchema,
      answerExample: { ...USER, lastLoginAt: null },
      errors: ['email_taken', 'too_busy'],
    },
    'GET /api/v1/users/{id}': {
      pathExample: { id: USER_ID },
      summary: 'A user',
      status: 200,
      answer: userSchema,
      answerExample: USER,
      errors: ['invalid_request', 'user_not_found'],
    },
    'PATCH /api/v1/users/{id}': {
      pathExample: { id: USER_ID },
      summary: 'Change a user',
      details: 'Another role, another password and `disabled` make every token of the user void at once.',
      body: userChangesSchema,
      bodyExample: { role: 'uploader', disabled: false },
      status: 200,
      answer: userSchema,
      answerExample: USER,
      errors: ['user_not_found', 'last_admin', 'too_busy'],
    },
    'DELETE /api/v1/users/{id}': {
      pathExample: { id: USER_ID },
      summary: 'Delete a user',
      details: 'The user’s videos stay, and are the administrators’ from then on.',
      status: 204,
      errors: ['invalid_request', 'user_not_found', 'last_admin'],
    },
    'GET /api/v1/admin/audit': {
      summary: 'What happened to accounts, newest first',
      query: auditListSchema,
      queryExample: { user: USER_ID, kind: 'login', limit: '20' },
      status: 200,
      answer: auditListJsonSchema,
      answerExample: {
        items: [
          {
            id: 42,
            at: LATER,
            kind: 'login',
            actor: 'user',
            actorId: USER_ID,
            subjectId: USER_ID,
            address: '203.0.113.7',
            requestId: 'b0c6a6a1-5c8e-4d0d-a0f0-0f7e3a5c2d11',
            details: {},
          },
        ],
        nextCursor: null,
      },
    },
    'POST /api/v1/admin/signing-keys/revoke': {
      summary: 'Void every access token and signed address',
      details: 'A new key signs from then on. Refresh tokens, API keys and the admin token stay good.',
      status: 204,
    },
  },
});
