import { useSignal } from '@preact/signals';
import { ask } from '../../../api/client.ts';
import { Problem } from '../../../api/problem.ts';
import { say, sayProblem } from '../../../app/toasts.ts';
import { t } from '../../../i18n/translate.ts';
import { Button } from '../../../parts/button.tsx';
import { Dialog } from '../../../parts/dialog.tsx';
import { TextField } from '../../../parts/field.tsx';
import { useAction } from '../../../parts/use-action.ts';
import { nodeName } from './node-name.ts';
import type { WantedChange } from './plan-dialog.tsx';

interface AddNodeProps {
  readonly onClose: () => void;
  /** What it would own is planned next. */
  readonly onRegistered: (change: WantedChange | undefined) => void;
}

/** Registers a node that runs already. It gets nothing before its plan has been looked at. */
export function AddNode({ onClose, onRegistered }: AddNodeProps) {
  const fields = useSignal({ url: 'http://', zone: '', weight: '' });
  const problem = useSignal<unknown>(undefined);
  const { isBusy, run } = useAction((error) => {
    problem.value = error;
    sayProblem(error);
  });
  const register = () =>
    run(async () => {
      const { url, zone, weight } = fields.value;
      const json = {
        url: url.trim(),
        activate: false,
        ...(zone.trim() !== '' && { zone: zone.trim() }),
        ...(weight !== '' && { weight: Number(weight) }),
      };
      const node = await ask<{ id: string; url: string; state: string }>('POST', '/admin/nodes', { json });
      say(t('nodeRegistered', { name: nodeName(node.url) }), { kind: 'good' });
      onRegistered(node.state === 'active' ? undefined : { nodeId: node.id, kind: 'active' });
    });
  const props = (name: keyof typeof fields.value) => ({
    value: fields.value[name],
    problem:
      problem.value instanceof Problem
        ? problem.value.fields.find(({ field }) => field === name)?.message
        : undefined,
    onInput: (event: { currentTarget: HTMLInputElement }) => {
      fields.value = { ...fields.value, [name]: event.currentTarget.value };
    },
  });
  return (
    <Dialog title={t('addNode')} onClose={onClose}>
      <form
        class="form"
        onSubmit={(event) => {
          event.preventDefault();
          void register();
        }}
      >
        <p class="quiet">{t('addNodeText')}</p>
        <TextField {...props('url')} label={t('nodeAddress')} type="url" required />
        <div class="form-row">
          <TextField {...props('zone')} label={t('zone')} maxLength={64} placeholder="default" />
          <TextField {...props('weight')} label={t('weight')} type="number" min={0} placeholder="1" />
        </div>
        <div class="form-foot">
          <Button onClick={onClose}>{t('cancel')}</Button>
          <Button look="main" type="submit" isBusy={isBusy}>
            {t('registerNode')}
          </Button>
        </div>
      </form>
    </Dialog>
  );
}
