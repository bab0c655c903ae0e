import { useSignal } from '@preact/signals';
import { ask } from '../../api/client.ts';
import { Problem } from '../../api/problem.ts';
import { EVENT_TYPES, type WebhookWithSecret } from '../../api/webhooks.ts';
import { sayProblem } from '../../app/toasts.ts';
import { t } from '../../i18n/translate.ts';
import { Button } from '../../parts/button.tsx';
import { Dialog } from '../../parts/dialog.tsx';
import { TextField } from '../../parts/field.tsx';
import { useAction } from '../../parts/use-action.ts';

interface WebhookFormProps {
  readonly onClose: () => void;
  readonly onCreated: (webhook: WebhookWithSecret) => void;
}

export function WebhookForm({ onClose, onCreated }: WebhookFormProps) {
  const url = useSignal('https://');
  const description = useSignal('');
  const types = useSignal<readonly string[]>([]);
  const problem = useSignal<unknown>(undefined);
  const { isBusy, run } = useAction((error) => {
    problem.value = error;
    sayProblem(error);
  });
  const create = () =>
    run(async () => {
      const json = {
        url: url.value.trim(),
        description: description.value.trim(),
        eventTypes: types.value.length === 0 ? null : types.value,
      };
      onCreated(await ask<WebhookWithSecret>('POST', '/webhooks', { json }));
    });
  const wrong = (name: string) =>
    problem.value instanceof Problem
      ? problem.value.fields.find(({ field }) => field === name)?.message
      : undefined;
  return (
    <Dialog title={t('newWebhook')} onClose={onClose}>
      <form
        class="form"
        onSubmit={(event) => {
          event.preventDefault();
          void create();
        }}
      >
        <TextField
          label={t('address')}
          type="url"
          required
          value={url.value}
          problem={wrong('url')}
          onInput={(event) => {
            url.value = event.currentTarget.value;
          }}
        />
        <TextField
          label={t('description')}
          value={description.value}
          maxLength={200}
          problem={wrong('description')}
          onInput={(event) => {
            description.value = event.currentTarget.value;
          }}
        />
        <fieldset class="choices choices-columns">
          <legend class="label">{t('tellOf')}</legend>
          {EVENT_TYPES.map((type) => (
            <label key={type} class="check">
              <input
                type="checkbox"
                checked={types.value.includes(type)}
                onChange={(event) => {
                  const rest = types.value.filter((one) => one !== type);
                  types.value = event.currentTarget.checked ? [...rest, type] : rest;
                }}
              />
              {type}
            </label>
          ))}
        </fieldset>
        <p class="quiet">{t('tellOfHint')}</p>
        <div class="form-foot">
          <Button onClick={onClose}>{t('cancel')}</Button>
          <Button look="main" type="submit" isBusy={isBusy}>
            {t('create')}
          </Button>
        </div>
      </form>
    </Dialog>
  );
}
