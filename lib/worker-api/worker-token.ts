import { deriveKey } from '../signing/signed-url.ts';

/**
 * What workers show to coordinators unless another token is set: follows from the cluster's secret, so that workers which know
 * that need nothing else, and says nothing about it.
 */
export function deriveWorkerToken(clusterSecret: string): string {
  return `orbitvids_worker_${deriveKey(clusterSecret, 'worker-token').export().toString('base64url')}`;
}
