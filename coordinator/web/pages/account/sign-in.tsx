import { useSignal } from '@preact/signals';
import { Problem } from '../../api/problem.ts';
import { signIn } from '../../api/session.ts';
import { Link } from '../../app/link.tsx';
import { navigate, query } from '../../app/navigation.ts';
import { pathOf } from '../../app/paths.ts';
import { explain } from '../../i18n/explain.ts';
import { t } from '../../i18n/translate.ts';
import { Button } from '../../parts/button.tsx';
import { TextField } from '../../parts/field.tsx';
import { Logo } from '../../parts/logo.tsx';
import { useAction } from '../../parts/use-action.ts';
import { useTitle } from '../../parts/use-title.ts';
import { placeAfterLogin } from './next-place.ts';

export function SignInPage() {
  const email = useSignal('');
  const password = useSignal('');
  const problem = useSignal<string | undefined>(undefined);
  const { isBusy, run } = useAction((error) => {
    problem.value = explain(error);
    if (error instanceof Problem && error.code === 'login_failed') password.value = '';
  });
  useTitle(t('signIn'));
  const submit = () =>
    run(async () => {
      problem.value = undefined;
      await signIn(email.value, password.value);
      navigate(placeAfterLogin(query.peek()), { replace: true });
    });
  return (
    <div class="sheet">
      <div class="sheet-head">
        <Logo size={44} />
        <h1>{t('signIn')}</h1>
      </div>
      <form
        class="form"
        onSubmit={(event) => {
          event.preventDefault();
          void submit();
        }}
      >
        {problem.value !== undefined && (
          <p class="notice notice-bad" role="alert">
            {problem.value}
          </p>
        )}
        <TextField
          label={t('email')}
          type="email"
          name="email"
          autocomplete="username"
          required
          value={email.value}
          onInput={(event) => {
            email.value = event.currentTarget.value;
          }}
        />
        <TextField
          label={t('password')}
          type="password"
          name="password"
          autocomplete="current-password"
          required
          value={password.value}
          onInput={(event) => {
            password.value = event.currentTarget.value;
          }}
        />
        <Button look="main" type="submit" isBusy={isBusy}>
          {t('signIn')}
        </Button>
      </form>
      <p class="sheet-foot">
        {t('noAccount')} <Link href={`${pathOf('register')}${location.search}`}>{t('register')}</Link>
      </p>
    </div>
  );
}
