import { useSignal } from '@preact/signals';
import { ask } from '../../api/client.ts';
import { Problem } from '../../api/problem.ts';
import type { Role, User, UserChanges } from '../../api/types.ts';
import { say, sayProblem } from '../../app/toasts.ts';
import { t } from '../../i18n/translate.ts';
import { Button } from '../../parts/button.tsx';
import { Confirm, Dialog } from '../../parts/dialog.tsx';
import { SelectField, TextField } from '../../parts/field.tsx';
import { useAction } from '../../parts/use-action.ts';

const GB = 1e9;

interface NewUserProps {
  readonly onClose: () => void;
  readonly onCreated: () => void;
}

export function NewUser({ onClose, onCreated }: NewUserProps) {
  const fields = useSignal({ name: '', email: '', password: '', role: 'uploader' as Role });
  const problem = useSignal<unknown>(undefined);
  const { isBusy, run } = useAction((error) => {
    problem.value = error;
    sayProblem(error);
  });
  const set = (name: 'name' | 'email' | 'password') => (event: { currentTarget: HTMLInputElement }) => {
    fields.value = { ...fields.value, [name]: event.currentTarget.value };
  };
  const create = () =>
    run(async () => {
      const { name, ...rest } = fields.value;
      const json = { ...rest, ...(name.trim() !== '' && { name: name.trim() }) };
      const { email } = await ask<User>('POST', '/users', { json });
      say(t('userCreated', { name: email }), { kind: 'good' });
      onCreated();
    });
  const wrong = fieldProblems(problem.value);
  return (
    <Dialog title={t('newUser')} onClose={onClose}>
      <form
        class="form"
        onSubmit={(event) => {
          event.preventDefault();
          void create();
        }}
      >
        <TextField
          label={t('email')}
          type="email"
          required
          autocomplete="off"
          value={fields.value.email}
          onInput={set('email')}
          problem={wrong('email')}
        />
        <TextField
          label={t('nameOptional')}
          autocomplete="off"
          value={fields.value.name}
          onInput={set('name')}
          problem={wrong('name')}
        />
        <TextField
          label={t('password')}
          type="password"
          required
          minLength={10}
          autocomplete="new-password"
          value={fields.value.password}
          onInput={set('password')}
          hint={t('passwordHint', { count: 10 })}
          problem={wrong('password')}
        />
        <RoleChoice
          role={fields.value.role}
          onChoose={(role) => {
            fields.value = { ...fields.value, role };
          }}
        />
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

function RoleChoice({ role, onChoose }: { readonly role: Role; readonly onChoose: (role: Role) => void }) {
  return (
    <SelectField
      label={t('role')}
      value={role}
      options={(['viewer', 'uploader', 'admin'] as const).map((name) => [name, t(name)] as const)}
      onChoose={onChoose}
    />
  );
}

interface EditUserProps {
  readonly user: User;
  readonly onClose: () => void;
  readonly onChanged: (user: User) => void;
}

export function EditUser({ user, onClose, onChanged }: EditUserProps) {
  const name = useSignal(user.name);
  const password = useSignal('');
  const gigabytes = useSignal(user.quotaBytes === null ? '' : String(user.quotaBytes / GB));
  const videos = useSignal(user.quotaVideos === null ? '' : String(user.quotaVideos));
  const problem = useSignal<unknown>(undefined);
  const { isBusy, run } = useAction((error) => {
    problem.value = error;
    sayProblem(error);
  });
  const wrong = fieldProblems(problem.value);
  const save = () =>
    run(async () => {
      const number = (text: string) => (text.trim() === '' ? null : Number(text.replace(',', '.')));
      const bytes = number(gigabytes.value);
      const json: UserChanges = {
        name: name.value.trim(),
        quotaBytes: bytes === null ? null : Math.round(bytes * GB),
        quotaVideos: number(videos.value),
        ...(password.value !== '' && { password: password.value }),
      };
      onChanged(await ask<User>('PATCH', `/users/${user.id}`, { json }));
      say(t('saved'), { kind: 'good' });
    });
  return (
    <Dialog title={user.email} onClose={onClose}>
      <form
        class="form"
        onSubmit={(event) => {
          event.preventDefault();
          void save();
        }}
      >
        <TextField
          label={t('name')}
          required
          value={name.value}
          problem={wrong('name')}
          onInput={(event) => {
            name.value = event.currentTarget.value;
          }}
        />
        <div class="form-row">
          <TextField
            label={t('quotaGigabytes')}
            type="number"
            min={0}
            step="any"
            value={gigabytes.value}
            hint={t('quotaHint')}
            problem={wrong('quotaBytes')}
            onInput={(event) => {
              gigabytes.value = event.currentTarget.value;
            }}
          />
          <TextField
            label={t('quotaVideos')}
            type="number"
            min={0}
            value={videos.value}
            hint={t('quotaHint')}
            problem={wrong('quotaVideos')}
            onInput={(event) => {
              videos.value = event.currentTarget.value;
            }}
          />
        </div>
        <TextField
          label={t('newPassword')}
          type="password"
          autocomplete="new-password"
          value={password.value}
          hint={t('newPasswordHint')}
          problem={wrong('password')}
          onInput={(event) => {
            password.value = event.currentTarget.value;
          }}
        />
        <div class="form-foot">
          <Button onClick={onClose}>{t('cancel')}</Button>
          <Button look="main" type="submit" isBusy={isBusy}>
            {t('save')}
          </Button>
        </div>
      </form>
    </Dialog>
  );
}

interface DeleteUserProps {
  readonly user: User;
  readonly onClose: () => void;
  readonly onDeleted: () => void;
}

export function DeleteUser({ user: { id, name, email }, onClose, onDeleted }: DeleteUserProps) {
  const { isBusy, run } = useAction();
  const remove = () =>
    run(async () => {
      await ask('DELETE', `/users/${id}`);
      say(t('userDeleted', { name: email }), { kind: 'good' });
      onDeleted();
    });
  return (
    <Confirm
      title={t('deleteUser')}
      text={<p>{t('deleteUserText', { name: `${name} (${email})` })}</p>}
      action={t('delete')}
      isDanger
      isBusy={isBusy}
      onConfirm={() => void remove()}
      onClose={onClose}
    />
  );
}

function fieldProblems(error: unknown): (name: string) => string | undefined {
  return (name) =>
    error instanceof Problem ? error.fields.find(({ field }) => field === name)?.message : undefined;
}
