import { useSignal } from '@preact/signals';
import { ask } from '../../api/client.ts';
import type { ApiKey, CreatedApiKey, Page } from '../../api/types.ts';
import { say } from '../../app/toasts.ts';
import { formatAgo, formatDate } from '../../i18n/format.ts';
import { type MessageName, t } from '../../i18n/translate.ts';
import { Button, IconButton } from '../../parts/button.tsx';
import { CopyField } from '../../parts/copy-field.tsx';
import { Dialog } from '../../parts/dialog.tsx';
import { TextField } from '../../parts/field.tsx';
import { Failed, Loading } from '../../parts/states.tsx';
import { useAction } from '../../parts/use-action.ts';
import { useResource } from '../../parts/use-resource.ts';

const SCOPES = ['videos:read', 'videos:write', 'admin'] as const;
const SCOPE_TEXTS: Readonly<Record<(typeof SCOPES)[number], MessageName>> = {
  'videos:read': 'scopeRead',
  'videos:write': 'scopeWrite',
  admin: 'scopeAdmin',
};

/** Keys for scripts, in the name of the user. */
export function ApiKeys({ mayAdmin }: { readonly mayAdmin: boolean }) {
  const { value, error, reload } = useResource('api-keys', (signal) =>
    ask<Page<ApiKey>>('GET', '/api-keys', { signal }),
  );
  const isAdding = useSignal(false);
  const created = useSignal<CreatedApiKey | undefined>(undefined);
  const { isBusy, run } = useAction();
  const revoke = ({ id, name }: ApiKey) =>
    run(async () => {
      await ask('DELETE', `/api-keys/${id}`);
      say(t('keyRevoked', { name }), { kind: 'good' });
      reload();
    });
  return (
    <section class="panel" aria-labelledby="keys-title">
      <div class="panel-head">
        <h2 id="keys-title">{t('apiKeys')}</h2>
        <Button
          icon="plus"
          onClick={() => {
            isAdding.value = true;
          }}
        >
          {t('newKey')}
        </Button>
      </div>
      <p class="quiet">{t('apiKeysText')}</p>
      {value === undefined && (error === undefined ? <Loading /> : <Failed error={error} onRetry={reload} />)}
      <ul class="rows">
        {value?.items.map((key) => (
          <li class="row" key={key.id}>
            <div class="row-text">
              <strong dir="auto">{key.name}</strong>
              <p class="facts">
                <span>{key.scopes.join(', ')}</span>
                <span>{t('validUntil', { time: formatDate(key.expiresAt) })}</span>
                <span>
                  {key.lastUsedAt === null
                    ? t('neverUsed')
                    : t('lastUsed', { time: formatAgo(key.lastUsedAt) })}
                </span>
              </p>
            </div>
            <IconButton
              icon="trash"
              label={t('deleteNamed', { name: key.name })}
              disabled={isBusy}
              onClick={() => void revoke(key)}
            />
          </li>
        ))}
      </ul>
      {isAdding.value && (
        <NewKeyDialog
          mayAdmin={mayAdmin}
          onClose={() => {
            isAdding.value = false;
          }}
          onCreated={(key) => {
            isAdding.value = false;
            created.value = key;
            reload();
          }}
        />
      )}
      {created.value !== undefined && (
        <Dialog
          title={t('newKey')}
          onClose={() => {
            created.value = undefined;
          }}
        >
          <div class="form">
            <p class="notice">{t('keyShownOnce')}</p>
            <CopyField label={created.value.name} value={created.value.key} />
          </div>
        </Dialog>
      )}
    </section>
  );
}

interface NewKeyDialogProps {
  readonly mayAdmin: boolean;
  readonly onClose: () => void;
  readonly onCreated: (key: CreatedApiKey) => void;
}

function NewKeyDialog({ mayAdmin, onClose, onCreated }: NewKeyDialogProps) {
  const name = useSignal('');
  const days = useSignal('90');
  const scopes = useSignal<readonly string[]>(['videos:read']);
  const { isBusy, run } = useAction();
  const create = () =>
    run(async () => {
      const json = { name: name.value, scopes: scopes.value, expiresInDays: Number(days.value) };
      onCreated(await ask<CreatedApiKey>('POST', '/api-keys', { json }));
    });
  return (
    <Dialog title={t('newKey')} onClose={onClose}>
      <form
        class="form"
        onSubmit={(event) => {
          event.preventDefault();
          void create();
        }}
      >
        <TextField
          label={t('name')}
          required
          maxLength={100}
          value={name.value}
          onInput={(event) => {
            name.value = event.currentTarget.value;
          }}
        />
        <fieldset class="choices">
          <legend class="label">{t('mayDo')}</legend>
          {SCOPES.filter((scope) => scope !== 'admin' || mayAdmin).map((scope) => (
            <label key={scope} class="check">
              <input
                type="checkbox"
                checked={scopes.value.includes(scope)}
                onChange={(event) => {
                  const rest = scopes.value.filter((one) => one !== scope);
                  scopes.value = event.currentTarget.checked ? [...rest, scope] : rest;
                }}
              />
              {t(SCOPE_TEXTS[scope])}
            </label>
          ))}
        </fieldset>
        <TextField
          label={t('daysValid')}
          type="number"
          min={1}
          max={366}
          required
          value={days.value}
          onInput={(event) => {
            days.value = event.currentTarget.value;
          }}
        />
        <div class="form-foot">
          <Button onClick={onClose}>{t('cancel')}</Button>
          <Button look="main" type="submit" isBusy={isBusy} disabled={scopes.value.length === 0}>
            {t('create')}
          </Button>
        </div>
      </form>
    </Dialog>
  );
}
