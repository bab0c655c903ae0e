import type { Signal } from '@preact/signals';
import { useMemo } from 'preact/hooks';
import type { ClusterNode, RingReport } from '../../../api/types.ts';
import { formatNumber } from '../../../i18n/format.ts';
import { t } from '../../../i18n/translate.ts';
import { nodeName } from './node-name.ts';
import { type Band, drawOwners, drawPhases, type RingOrder } from './ring-geometry.ts';

interface RingViewProps {
  readonly ring: RingReport;
  readonly nodes: readonly ClusterNode[];
  readonly classes: ReadonlyMap<string, string>;
  readonly order: RingOrder;
  /** The node that is looked at. */
  readonly chosen: Signal<string | undefined>;
  readonly isComplete: boolean | undefined;
}

const OUTER = 178;
const FIRST_WIDTH = 34;
const PHASE_BAND: Band = { radius: 194, width: 8 };

/** The hash space as a circle: outside the first owner of each range, then those who have the further copies. */
export function RingView({ ring, nodes, classes, order, chosen, isComplete }: RingViewProps) {
  const arcs = ring.arcs ?? [];
  const bands = useMemo(() => bandsOf(ring.replicas), [ring.replicas]);
  const nodeIds = useMemo(() => [...classes.keys()], [classes]);
  const owners = useMemo(() => drawOwners(arcs, bands, order, nodeIds), [arcs, order, nodeIds]);
  const phases = useMemo(() => drawPhases(arcs, PHASE_BAND, order, nodeIds), [arcs, order, nodeIds]);
  const node = nodes.find(({ id }) => id === chosen.value);
  return (
    <svg
      class={`ring ${chosen.value === undefined ? '' : 'ring-chosen'}`}
      viewBox="-204 -204 408 408"
      role="img"
      aria-label={t('ringOf', { nodes: ring.nodes.length, copies: ring.replicas })}
    >
      {owners.map(({ band, key, path }) => (
        <path
          key={`${band} ${key}`}
          class={`ring-arc ${classes.get(key) ?? ''} ${key === chosen.value ? 'ring-arc-chosen' : ''}`}
          d={path}
          stroke-width={bands[band]!.width}
          onPointerEnter={() => {
            chosen.value = key;
          }}
          onPointerLeave={() => {
            chosen.value = undefined;
          }}
        />
      ))}
      {phases.map(({ key, path }) => (
        <path key={key} class={`ring-phase phase-${key}`} d={path} stroke-width={PHASE_BAND.width} />
      ))}
      <g class="ring-text" text-anchor="middle">
        {node === undefined ? (
          <>
            <text class="ring-figure" y={-6}>
              {formatNumber(ring.rangeCount)}
            </text>
            <text y={16}>{t('ranges')}</text>
            {isComplete !== undefined && (
              <text class={isComplete ? 'ring-good' : 'ring-waiting'} y={40}>
                {isComplete ? `✓ ${t('allThere')}` : t('notAllThere')}
              </text>
            )}
          </>
        ) : (
          <>
            <text class="ring-name" y={-8}>
              {nodeName(node.url)}
            </text>
            <text y={14}>
              {formatNumber(node.ranges)} {t('ranges')}
            </text>
            <text y={34}>
              {formatNumber(node.primaryRanges)} {t('first')}
            </text>
          </>
        )}
      </g>
    </svg>
  );
}

function bandsOf(copies: number): Band[] {
  const bands: Band[] = [];
  let outer = OUTER;
  for (let copy = 0; copy < copies; copy++) {
    const width = copy === 0 ? FIRST_WIDTH : Math.max(8, 40 / copies);
    bands.push({ radius: outer - width / 2, width });
    outer -= width + 4;
  }
  return bands;
}
