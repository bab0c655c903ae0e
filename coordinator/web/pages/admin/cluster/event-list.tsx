import type { ClusterNode } from '../../../api/types.ts';
import { formatAgo } from '../../../i18n/format.ts';
import { t } from '../../../i18n/translate.ts';
import { nodeName } from './node-name.ts';
import type { ClusterEvent } from './use-cluster.ts';

interface EventListProps {
  readonly events: readonly ClusterEvent[];
  readonly nodes: readonly ClusterNode[];
}

/** What has happened since the page was opened. */
export function EventList({ events, nodes }: EventListProps) {
  return (
    <section class="panel" aria-labelledby="events-title">
      <h2 id="events-title">{t('events')}</h2>
      {events.length === 0 ? (
        <p class="quiet">{t('noEvents')}</p>
      ) : (
        <ul class="log">
          {events.map(({ key, kind, nodeId, at, details }) => (
            <li key={key}>
              <strong>{kind.replaceAll('_', ' ')}</strong>
              {nodeId !== null && (
                <span>{nodeName(nodes.find(({ id }) => id === nodeId)?.url ?? nodeId)}</span>
              )}
              {typeof details.reason === 'string' && <span class="quiet">{details.reason}</span>}
              <span class="quiet">{formatAgo(at)}</span>
            </li>
          ))}
        </ul>
      )}
    </section>
  );
}
