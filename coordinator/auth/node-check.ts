import type { SignatureVerdict } from '../../lib/signing/signed-url.ts';
import { type Authenticator, invalidToken } from './gate.ts';

/** Knows storage nodes by the cluster's secret, with which they sign method and target of a request. */
export function createNodeCheck(
  verify: (method: string, target: string) => SignatureVerdict,
): NonNullable<Authenticator['identifyNode']> {
  return (method, target) => {
    const verdict = verify(method, target);
    if (verdict.ok) return true;
    if (verdict.reason === 'missing') return undefined;
    const why =
      verdict.reason === 'expired'
        ? 'it has expired, so the clocks of node and coordinator differ'
        : 'it does not fit, so the node has another CLUSTER_SECRET';
    throw invalidToken(`The request's signature is not valid: ${why}.`);
  };
}
