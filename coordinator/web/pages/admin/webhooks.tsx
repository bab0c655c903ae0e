import { useSignal } from '@preact/signals';
import { ask, isNotFound } from '../../api/client.ts';
import { type PagedList, usePagedList } from '../../api/paged.ts';
import type { Delivery, Webhook, WebhookWithSecret } from '../../api/webhooks.ts';
import { say } from '../../app/toasts.ts';
import { formatAgo, formatDateTime } from '../../i18n/format.ts';
import { type MessageName, t } from '../../i18n/translate.ts';
import { Button } from '../../parts/button.tsx';
import { CopyField } from '../../parts/copy-field.tsx';
import { Confirm, Dialog } from '../../parts/dialog.tsx';
import { Icon } from '../../parts/icon.tsx';
import { Listing } from '../../parts/listing.tsx';
import { Menu, MenuItem } from '../../parts/menu.tsx';
import { Empty } from '../../parts/states.tsx';
import { useAction } from '../../parts/use-action.ts';
import { usePoll } from '../../parts/use-poll.ts';
import { useTitle } from '../../parts/use-title.ts';
import { WebhookForm } from './webhook-form.tsx';

export function WebhooksPage() {
  const list = usePagedList<Webhook>('/webhooks', { limit: 30 });
  const isAdding = useSignal(false);
  const secret = useSignal<WebhookWithSecret | undefined>(undefined);
  useTitle(t('webhooks'));
  if (isNotFound(list.error.value)) {
    return <Empty icon="bell" title={t('noWebhooksHere')} text={t('noTranscodingText')} />;
  }
  const onSecret = (webhook: WebhookWithSecret) => {
    isAdding.value = false;
    secret.value = webhook;
    void list.refresh();
  };
  return (
    <>
      <div class="page-head">
        <h1>{t('webhooks')}</h1>
        <Button
          look="main"
          icon="plus"
          onClick={() => {
            isAdding.value = true;
          }}
        >
          {t('newWebhook')}
        </Button>
      </div>
      <Listing list={list} empty={<Empty icon="bell" title={t('noWebhooks')} text={t('noWebhooksText')} />}>
        {(webhooks) => (
          <ul class="rows">
            {webhooks.map((webhook) => (
              <WebhookRow key={webhook.id} webhook={webhook} list={list} onSecret={onSecret} />
            ))}
          </ul>
        )}
      </Listing>
      {isAdding.value && (
        <WebhookForm
          onClose={() => {
            isAdding.value = false;
          }}
          onCreated={onSecret}
        />
      )}
      {secret.value !== undefined && (
        <Dialog
          title={t('webhookSecret')}
          onClose={() => {
            secret.value = undefined;
          }}
        >
          <div class="form">
            <p class="notice">{t('keyShownOnce')}</p>
            <CopyField label={secret.value.url} value={secret.value.secret} />
          </div>
        </Dialog>
      )}
    </>
  );
}

const DISABLED: Readonly<Record<NonNullable<Webhook['disabledReason']>, MessageName>> = {
  switchedOff: 'webhookOff',
  gone: 'webhookGone',
  failing: 'webhookFailing',
};

interface WebhookRowProps {
  readonly webhook: Webhook;
  readonly list: PagedList<Webhook>;
  readonly onSecret: (webhook: WebhookWithSecret) => void;
}

function WebhookRow({ webhook, list, onSecret }: WebhookRowProps) {
  const { id, url, description, enabled, disabledReason, failingSince, eventTypes } = webhook;
  const isOpen = useSignal(false);
  const isDeleting = useSignal(false);
  const round = useSignal(0);
  const { isBusy, run } = useAction();
  const change = (json: object) =>
    run(async () => list.replace(await ask<Webhook>('PATCH', `/webhooks/${id}`, { json })));
  const test = () =>
    run(async () => {
      await ask('POST', `/webhooks/${id}/test`, { json: {} });
      isOpen.value = true;
      round.value++;
      say(t('webhookTested'), { kind: 'good' });
    });
  const rotate = () =>
    run(async () =>
      onSecret(await ask<WebhookWithSecret>('POST', `/webhooks/${id}/rotate-secret`, { json: {} })),
    );
  const remove = () =>
    run(async () => {
      await ask('DELETE', `/webhooks/${id}`);
      list.remove(id);
    });
  return (
    <li class="row">
      <div class="row-text">
        <strong>{url}</strong>
        {description !== '' && <p dir="auto">{description}</p>}
        <p class="facts">
          <span class={`state state-${enabled ? (failingSince === null ? 'up' : 'suspect') : 'down'}`}>
            {enabled
              ? t(failingSince === null ? 'webhookOn' : 'webhookStumbling')
              : t(DISABLED[disabledReason ?? 'switchedOff'])}
          </span>
          <span>{eventTypes === null ? t('everything') : eventTypes.join(', ')}</span>
          {failingSince !== null && <span>{t('failingSince', { time: formatAgo(failingSince) })}</span>}
        </p>
        <details
          open={isOpen.value}
          onToggle={(event) => {
            isOpen.value = event.currentTarget.open;
          }}
        >
          <summary>{t('deliveries')}</summary>
          {isOpen.value && <Deliveries key={round.value} webhookId={id} />}
        </details>
      </div>
      <Menu label={t('moreFor', { title: url })} face={<Icon name="more" />}>
        {(close) => {
          const choose = (action: () => void) => () => {
            close();
            action();
          };
          return (
            <>
              <MenuItem onChoose={choose(() => void test())}>{t('testWebhook')}</MenuItem>
              <MenuItem onChoose={choose(() => void change({ enabled: !enabled }))}>
                {t(enabled ? 'disable' : 'enable')}
              </MenuItem>
              <MenuItem onChoose={choose(() => void rotate())}>{t('newSecret')}</MenuItem>
              <MenuItem
                isDanger
                onChoose={choose(() => {
                  isDeleting.value = true;
                })}
              >
                {t('delete')}
              </MenuItem>
            </>
          );
        }}
      </Menu>
      {isDeleting.value && (
        <Confirm
          title={t('deleteWebhook')}
          text={<p>{url}</p>}
          action={t('delete')}
          isDanger
          isBusy={isBusy}
          onConfirm={() => void remove()}
          onClose={() => {
            isDeleting.value = false;
          }}
        />
      )}
    </li>
  );
}

const DELIVERY_STATES: Readonly<Record<Delivery['state'], MessageName>> = {
  pending: 'deliveryPending',
  delivered: 'deliveryDelivered',
  failed: 'jobFailed',
  held: 'deliveryHeld',
};

/** How often deliveries that are on their way are asked about. */
const REFRESH_MS = 1500;

function Deliveries({ webhookId }: { readonly webhookId: string }) {
  const path = `/webhooks/${webhookId}/deliveries`;
  const list = usePagedList<Delivery>(path, { limit: 20 });
  const { isBusy, run } = useAction();
  usePoll(REFRESH_MS, () => {
    if (list.items.peek().some(({ state }) => state === 'pending')) void list.refresh().catch(() => {});
  });
  const replay = (id: string) =>
    run(async () => {
      list.replace(await ask<Delivery>('POST', `${path}/${id}/replay`));
    });
  return (
    <Listing list={list} empty={<p class="quiet">{t('noDeliveries')}</p>}>
      {(deliveries) => (
        <div class="table-frame">
          <table class="table">
            <thead>
              <tr>
                <th scope="col">{t('what')}</th>
                <th scope="col">{t('state')}</th>
                <th scope="col">{t('answer')}</th>
                <th scope="col">{t('when')}</th>
                <th scope="col">
                  <span class="for-readers">{t('sendAgain')}</span>
                </th>
              </tr>
            </thead>
            <tbody>
              {deliveries.map(({ id, eventType, state, attempts, lastAttempt, createdAt }) => (
                <tr key={id}>
                  <td>{eventType}</td>
                  <td>
                    <span class={`state state-${state}`}>{t(DELIVERY_STATES[state])}</span> {attempts}×
                  </td>
                  <td class="small">
                    {lastAttempt === null
                      ? '–'
                      : `${lastAttempt.statusCode ?? ''} ${lastAttempt.error ?? ''} (${lastAttempt.durationMs} ms)`}
                  </td>
                  <td class="nowrap">{formatDateTime(lastAttempt?.at ?? createdAt)}</td>
                  <td>
                    <Button look="quiet" isBusy={isBusy} onClick={() => void replay(id)}>
                      {t('sendAgain')}
                    </Button>
                  </td>
                </tr>
              ))}
            </tbody>
          </table>
        </div>
      )}
    </Listing>
  );
}
