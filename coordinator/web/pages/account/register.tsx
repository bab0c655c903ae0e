import { useSignal } from '@preact/signals';
import { Problem } from '../../api/problem.ts';
import { register } from '../../api/session.ts';
import { Link } from '../../app/link.tsx';
import { navigate, query } from '../../app/navigation.ts';
import { pathOf } from '../../app/paths.ts';
import { say } from '../../app/toasts.ts';
import { explain } from '../../i18n/explain.ts';
import { t } from '../../i18n/translate.ts';
import { Button } from '../../parts/button.tsx';
import { TextField } from '../../parts/field.tsx';
import { Logo } from '../../parts/logo.tsx';
import { useAction } from '../../parts/use-action.ts';
import { useTitle } from '../../parts/use-title.ts';
import { placeAfterLogin } from './next-place.ts';

const PASSWORD_LENGTH_MIN = 10;

export function RegisterPage() {
  const fields = useSignal({ name: '', email: '', password: '' });
  const problem = useSignal<unknown>(undefined);
  const { isBusy, run } = useAction((error) => {
    problem.value = error;
  });
  useTitle(t('register'));
  const set = (name: keyof typeof fields.value) => (event: { currentTarget: HTMLInputElement }) => {
    fields.value = { ...fields.value, [name]: event.currentTarget.value };
  };
  const submit = () =>
    run(async () => {
      problem.value = undefined;
      const { name, email, password } = fields.value;
      await register({ email, password, ...(name.trim() !== '' && { name: name.trim() }) });
      say(t('welcome'), { kind: 'good' });
      navigate(placeAfterLogin(query.peek()), { replace: true });
    });
  const wrong = (name: string) => {
    const error = problem.value;
    return error instanceof Problem ? error.fields.find(({ field }) => field === name)?.message : undefined;
  };
  const hasField = ['name', 'email', 'password'].some((name) => wrong(name) !== undefined);
  const { name, email, password } = fields.value;
  return (
    <div class="sheet">
      <div class="sheet-head">
        <Logo size={44} />
        <h1>{t('register')}</h1>
      </div>
      <form
        class="form"
        onSubmit={(event) => {
          event.preventDefault();
          void submit();
        }}
      >
        {problem.value !== undefined && !hasField && (
          <p class="notice notice-bad" role="alert">
            {explain(problem.value)}
          </p>
        )}
        <TextField
          label={t('nameOptional')}
          autocomplete="name"
          maxLength={100}
          value={name}
          onInput={set('name')}
          problem={wrong('name')}
        />
        <TextField
          label={t('email')}
          type="email"
          autocomplete="username"
          required
          value={email}
          onInput={set('email')}
          problem={wrong('email')}
        />
        <TextField
          label={t('password')}
          type="password"
          autocomplete="new-password"
          required
          minLength={PASSWORD_LENGTH_MIN}
          value={password}
          onInput={set('password')}
          hint={t('passwordHint', { count: PASSWORD_LENGTH_MIN })}
          problem={wrong('password')}
        />
        <Button look="main" type="submit" isBusy={isBusy}>
          {t('createAccount')}
        </Button>
      </form>
      <p class="sheet-foot">
        {t('haveAccount')} <Link href={`${pathOf('signIn')}${location.search}`}>{t('signIn')}</Link>
      </p>
    </div>
  );
}
