import { Problem } from '../api/problem.ts';
import type { MessageName } from './messages.ts';
import { t } from './translate.ts';

/** What people are told of the API's codes; of the rest they are told what the server says. */
const WORDS: Readonly<Record<string, MessageName>> = {
  unreachable: 'problemUnreachable',
  unauthorized: 'problemSignedOut',
  login_failed: 'problemLogin',
  account_disabled: 'problemDisabled',
  registration_closed: 'problemRegistrationClosed',
  email_taken: 'problemEmailTaken',
  forbidden: 'problemForbidden',
  precondition_failed: 'problemChangedMeanwhile',
  body_too_large: 'problemTooLarge',
  quota_exceeded: 'problemQuota',
  upload_too_long: 'problemTooLarge',
  insufficient_storage: 'problemFull',
  insufficient_room: 'problemNoRoom',
  too_many_requests: 'problemTooMany',
  too_busy: 'problemBusy',
  write_quorum_unavailable: 'problemNodesAway',
  chunk_unavailable: 'problemNodesAway',
  database_unavailable: 'problemBusy',
  cluster_not_ready: 'problemNotReady',
  unsupported_media_type: 'problemType',
  invalid_captions: 'problemCaptions',
  internal: 'problemInternal',
};

/** In the page's language, in a sentence or two. */
export function explain(error: unknown): string {
  if (!(error instanceof Problem)) {
    const fromOutside = error as { code?: unknown; message?: unknown };
    const known = typeof fromOutside?.code === 'string' ? WORDS[fromOutside.code] : undefined;
    return known === undefined ? t('problemUnknown') : t(known);
  }
  const name = WORDS[error.code];
  if (name !== undefined) return t(name);
  const [first] = error.fields;
  if (first !== undefined) return first.field === '' ? first.message : `${first.field}: ${first.message}`;
  return error.message;
}
