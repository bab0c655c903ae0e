import { createHmac } from 'node:crypto';

const SECRET_PREFIX = 'whsec_';

/** A secret as its owner gets it. */
export function formatSecret(secret: Uint8Array): string {
  return SECRET_PREFIX + Buffer.from(secret).toString('base64');
}

export interface SignedMessage {
  /** Without a full stop, which divides what is signed. */
  readonly id: string;
  /** Of this attempt. */
  readonly timestampS: number;
  readonly body: string;
}

/**
 * The headers that prove a delivery, by the specification of Standard Webhooks 1.0.0: one signature (HMAC-SHA256) for each
 * secret, so that whoever verifies may know any of them.
 */
export function signatureHeaders(
  secrets: readonly Uint8Array[],
  { id, timestampS, body }: SignedMessage,
): Record<'webhook-id' | 'webhook-timestamp' | 'webhook-signature', string> {
  const signed = `${id}.${timestampS}.${body}`;
  const signatures = secrets.map(
    (secret) => `v1,${createHmac('sha256', secret).update(signed).digest('base64')}`,
  );
  return {
    'webhook-id': id,
    'webhook-timestamp': String(timestampS),
    'webhook-signature': signatures.join(' '),
  };
}
