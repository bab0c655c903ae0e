import { type Signal, useSignal } from '@preact/signals';
import { ask } from '../../../api/client.ts';
import type { ClusterNode } from '../../../api/types.ts';
import { say } from '../../../app/toasts.ts';
import { formatBytes, formatNumber, formatShare } from '../../../i18n/format.ts';
import { type MessageName, t } from '../../../i18n/translate.ts';
import { Button } from '../../../parts/button.tsx';
import { Dialog } from '../../../parts/dialog.tsx';
import { TextField } from '../../../parts/field.tsx';
import { Icon } from '../../../parts/icon.tsx';
import { Menu, MenuItem } from '../../../parts/menu.tsx';
import { Progress } from '../../../parts/progress.tsx';
import { useAction } from '../../../parts/use-action.ts';
import { nodeName } from './node-name.ts';
import type { WantedChange } from './plan-dialog.tsx';

const STATES: Readonly<Record<ClusterNode['state'], MessageName>> = {
  joined: 'nodeJoined',
  active: 'nodeActive',
  draining: 'nodeDraining',
  drained: 'nodeDrained',
  lost: 'nodeLost',
  removed: 'nodeRemoved',
};
const HEALTHS: Readonly<Record<ClusterNode['health'], MessageName>> = {
  up: 'nodeUp',
  suspect: 'nodeSuspect',
  down: 'nodeDown',
};

interface NodeListProps {
  readonly nodes: readonly ClusterNode[];
  readonly classes: ReadonlyMap<string, string>;
  readonly chosen: Signal<string | undefined>;
  readonly onWanted: (change: WantedChange) => void;
  readonly onChanged: () => void;
}

export function NodeList({ nodes, classes, ...rest }: NodeListProps) {
  const shown = nodes.filter(({ state }) => state !== 'removed');
  return (
    <ul class="nodes" aria-label={t('nodes')}>
      {shown
        .toSorted((a, b) => nodeName(a.url).localeCompare(nodeName(b.url), 'en', { numeric: true }))
        .map((node) => (
          <NodeCard key={node.id} node={node} colour={classes.get(node.id) ?? ''} {...rest} />
        ))}
    </ul>
  );
}

interface NodeCardProps extends Omit<NodeListProps, 'nodes' | 'classes'> {
  readonly node: ClusterNode;
  readonly colour: string;
}

function NodeCard({ node, colour, chosen, onWanted, onChanged }: NodeCardProps) {
  const { id, url, zone, weight, state, health, healthReason, ranges, targetRanges, disk } = node;
  const { usedBytes, capacityBytes, chunkCount, quarantinedCount } = node;
  const isEditing = useSignal(false);
  const share = usedBytes === null || capacityBytes === 0 ? null : usedBytes / capacityBytes;
  const name = nodeName(url);
  return (
    <li
      class={`node ${colour} ${chosen.value === id ? 'node-chosen' : ''}`}
      onPointerEnter={() => {
        chosen.value = id;
      }}
      onPointerLeave={() => {
        chosen.value = undefined;
      }}
    >
      <div class="node-head">
        <span class="node-swatch" aria-hidden="true" />
        <strong>{name}</strong>
        <span class={`state state-${health}`} title={healthReason ?? undefined}>
          {t(HEALTHS[health])}
        </span>
        {state !== 'active' && <span class={`state state-${state}`}>{t(STATES[state])}</span>}
        {(disk === 'full' || disk === 'failing') && (
          <span class="state state-failed">{t(disk === 'full' ? 'diskFull' : 'diskFailing')}</span>
        )}
        <NodeMenu
          node={node}
          onWanted={onWanted}
          onChanged={onChanged}
          onEdit={() => {
            isEditing.value = true;
          }}
        />
      </div>
      <Progress
        share={share ?? 0}
        label={t('usedOf', { name })}
        tone={share !== null && share > 0.9 ? 'waiting' : 'main'}
      />
      <p class="facts">
        <span>
          {usedBytes === null ? '–' : formatBytes(usedBytes)} / {formatBytes(capacityBytes)}
          {share !== null && ` (${formatShare(share, 1)})`}
        </span>
        <span>
          {formatNumber(ranges)}
          {targetRanges !== null && targetRanges !== ranges && ` → ${formatNumber(targetRanges)}`}{' '}
          {t('ranges')}
        </span>
        {chunkCount !== null && <span>{t('chunkCount', { count: chunkCount })}</span>}
        <span>{t('zoneAndWeight', { zone, weight })}</span>
        {(quarantinedCount ?? 0) > 0 && (
          <span class="bad">{t('quarantinedCount', { count: quarantinedCount! })}</span>
        )}
      </p>
      {isEditing.value && (
        <WeightDialog
          node={node}
          onClose={() => {
            isEditing.value = false;
          }}
          onWanted={(change) => {
            isEditing.value = false;
            onWanted(change);
          }}
        />
      )}
    </li>
  );
}

interface NodeMenuProps {
  readonly node: ClusterNode;
  readonly onWanted: (change: WantedChange) => void;
  readonly onChanged: () => void;
  readonly onEdit: () => void;
}

function NodeMenu({ node, onWanted, onChanged, onEdit }: NodeMenuProps) {
  const { id, url, state, health } = node;
  const { run } = useAction();
  const name = nodeName(url);
  const ownsRanges = state === 'active' || state === 'draining';
  const removeIdle = () =>
    run(async () => {
      await ask('DELETE', `/admin/nodes/${id}`);
      say(t('nodeIsRemoved', { name }), { kind: 'good' });
      onChanged();
    });
  return (
    <Menu label={t('moreFor', { title: name })} face={<Icon name="more" />}>
      {(close) => {
        const choose = (action: () => void) => () => {
          close();
          action();
        };
        const want = (kind: WantedChange['kind']) => choose(() => onWanted({ nodeId: id, kind }));
        return (
          <>
            {state !== 'active' && state !== 'lost' && (
              <MenuItem onChoose={want('active')}>
                {t(state === 'draining' ? 'stopDrain' : 'useNode')}
              </MenuItem>
            )}
            {state === 'active' && <MenuItem onChoose={want('draining')}>{t('drainNode')}</MenuItem>}
            {ownsRanges && <MenuItem onChoose={choose(onEdit)}>{t('changeWeight')}</MenuItem>}
            {!ownsRanges && (
              <MenuItem isDanger onChoose={choose(() => void removeIdle())}>
                {t('removeNode')}
              </MenuItem>
            )}
            {ownsRanges && health === 'down' && (
              <MenuItem isDanger onChoose={want('lost')}>
                {t('giveUpNode')}
              </MenuItem>
            )}
          </>
        );
      }}
    </Menu>
  );
}

interface WeightDialogProps {
  readonly node: ClusterNode;
  readonly onClose: () => void;
  readonly onWanted: (change: WantedChange) => void;
}

function WeightDialog({ node: { id, url, weight, zone }, onClose, onWanted }: WeightDialogProps) {
  const newWeight = useSignal(String(weight));
  const newZone = useSignal(zone);
  return (
    <Dialog title={nodeName(url)} onClose={onClose}>
      <form
        class="form"
        onSubmit={(event) => {
          event.preventDefault();
          onWanted({
            ...{ nodeId: id, kind: 'edit' },
            ...(Number(newWeight.value) !== weight && { weight: Number(newWeight.value) }),
            ...(newZone.value.trim() !== zone && { zone: newZone.value.trim() }),
          });
        }}
      >
        <TextField
          label={t('weight')}
          hint={t('weightHint')}
          type="number"
          min={0}
          required
          value={newWeight.value}
          onInput={(event) => {
            newWeight.value = event.currentTarget.value;
          }}
        />
        <TextField
          label={t('zone')}
          hint={t('zoneHint')}
          required
          maxLength={64}
          value={newZone.value}
          onInput={(event) => {
            newZone.value = event.currentTarget.value;
          }}
        />
        <div class="form-foot">
          <Button onClick={onClose}>{t('cancel')}</Button>
          <Button
            look="main"
            type="submit"
            disabled={Number(newWeight.value) === weight && newZone.value.trim() === zone}
          >
            {t('showPlan')}
          </Button>
        </div>
      </form>
    </Dialog>
  );
}
