import { useSignal } from '@preact/signals';
import { ask } from '../../api/client.ts';
import { Problem } from '../../api/problem.ts';
import { isAdmin, me, signIn, signOut, usage, user } from '../../api/session.ts';
import { navigate } from '../../app/navigation.ts';
import { say, sayProblem } from '../../app/toasts.ts';
import { formatBytes, formatNumber } from '../../i18n/format.ts';
import { t } from '../../i18n/translate.ts';
import { Button } from '../../parts/button.tsx';
import { TextField } from '../../parts/field.tsx';
import { useAction } from '../../parts/use-action.ts';
import { useTitle } from '../../parts/use-title.ts';
import { ApiKeys } from './api-keys.tsx';

export function AccountPage() {
  useTitle(t('account'));
  const who = user.value;
  const used = usage.value;
  const { isBusy, run } = useAction();
  const leaveAll = () =>
    run(async () => {
      await signOut(true);
      navigate('/');
    });
  if (who === null) return null;
  return (
    <div class="panels">
      <h1>{t('account')}</h1>
      <section class="panel">
        <dl class="figures">
          <div>
            <dt>{t('name')}</dt>
            <dd dir="auto">{who.name}</dd>
          </div>
          <div>
            <dt>{t('email')}</dt>
            <dd>{who.email}</dd>
          </div>
          <div>
            <dt>{t('role')}</dt>
            <dd>{t(me.value?.role ?? 'viewer')}</dd>
          </div>
          {used !== null && (
            <div>
              <dt>{t('stored')}</dt>
              <dd>
                {formatBytes(used.bytes)}
                {used.bytesMax !== null && ` / ${formatBytes(used.bytesMax)}`}
                {' · '}
                {t('videoCount', { count: used.videos })}
                {used.videosMax !== null && ` / ${formatNumber(used.videosMax)}`}
              </dd>
            </div>
          )}
        </dl>
        <Button icon="door" isBusy={isBusy} onClick={() => void leaveAll().catch(sayProblem)}>
          {t('signOutEverywhere')}
        </Button>
      </section>
      <PasswordForm email={who.email} />
      <ApiKeys mayAdmin={isAdmin.value} />
    </div>
  );
}

function PasswordForm({ email }: { readonly email: string }) {
  const current = useSignal('');
  const next = useSignal('');
  const problem = useSignal<string | undefined>(undefined);
  const { isBusy, run } = useAction((error) => {
    problem.value = error instanceof Problem ? error.fields[0]?.message : undefined;
    if (problem.value === undefined) sayProblem(error);
  });
  const submit = () =>
    run(async () => {
      problem.value = undefined;
      const json = { currentPassword: current.value, newPassword: next.value };
      await ask('POST', '/auth/password', { json });
      // Another password ends what was begun with the old one.
      await signIn(email, next.value);
      current.value = '';
      next.value = '';
      say(t('passwordChanged'), { kind: 'good' });
    });
  return (
    <form
      class="panel form"
      onSubmit={(event) => {
        event.preventDefault();
        void submit();
      }}
    >
      <h2>{t('changePassword')}</h2>
      <input type="email" autocomplete="username" value={email} readOnly hidden />
      <div class="form-row">
        <TextField
          label={t('currentPassword')}
          type="password"
          autocomplete="current-password"
          required
          value={current.value}
          onInput={(event) => {
            current.value = event.currentTarget.value;
          }}
        />
        <TextField
          label={t('newPassword')}
          type="password"
          autocomplete="new-password"
          required
          minLength={10}
          value={next.value}
          problem={problem.value}
          onInput={(event) => {
            next.value = event.currentTarget.value;
          }}
        />
      </div>
      <Button type="submit" isBusy={isBusy}>
        {t('changePassword')}
      </Button>
    </form>
  );
}
