import type { DeliveryRepository } from './delivery-repository.ts';
import type { EndpointRepository } from './endpoint-repository.ts';
import { EVENT_MEMORY_MS, ROWS_AT_ONCE } from './limits.ts';

/** Does it again and again, others in between, until less than a whole portion is left or the signal aborts. */
export async function inPortions(work: () => Promise<number>, signal?: AbortSignal): Promise<void> {
  while ((await work()) >= ROWS_AT_ONCE && !signal?.aborted);
}

/**
 * Removes what is old, and what others left: deliveries to endpoints that are gone, those that slipped in while an endpoint was
 * being disabled, secrets that sign no more. Any coordinator may, and all do.
 */
export async function tidyWebhooks(
  deliveries: DeliveryRepository,
  endpoints: Pick<EndpointRepository, 'forgetSecrets'>,
  signal: AbortSignal,
): Promise<void> {
  await inPortions(() => deliveries.forgetEvents(EVENT_MEMORY_MS), signal);
  const { gone, disabled } = await deliveries.untidy();
  for (const id of gone) await inPortions(() => deliveries.forgetEndpoint(id), signal);
  for (const id of disabled) await inPortions(() => deliveries.hold(id), signal);
  await endpoints.forgetSecrets();
}
