import { useSignal } from '@preact/signals';
import { useEffect, useRef } from 'preact/hooks';
import { ask } from '../../api/client.ts';
import { type PagedList, usePagedList } from '../../api/paged.ts';
import { user as self } from '../../api/session.ts';
import type { Role, User, UserChanges } from '../../api/types.ts';
import { say } from '../../app/toasts.ts';
import { formatAgo, formatBytes } from '../../i18n/format.ts';
import { t } from '../../i18n/translate.ts';
import { Button } from '../../parts/button.tsx';
import { SelectField, TextField } from '../../parts/field.tsx';
import { Icon } from '../../parts/icon.tsx';
import { Listing } from '../../parts/listing.tsx';
import { Menu, MenuItem } from '../../parts/menu.tsx';
import { Empty } from '../../parts/states.tsx';
import { useAction } from '../../parts/use-action.ts';
import { useTitle } from '../../parts/use-title.ts';
import { DeleteUser, EditUser, NewUser } from './user-dialogs.tsx';

const ROLES: readonly Role[] = ['viewer', 'uploader', 'admin'];
const TYPING_MS = 200;

export function UsersPage() {
  const text = useSignal('');
  const wanted = useSignal('');
  const role = useSignal<Role | ''>('');
  const isAdding = useSignal(false);
  const timer = useRef<ReturnType<typeof setTimeout>>(undefined);
  const list = usePagedList<User>('/users', { q: wanted.value, role: role.value, limit: 50 });
  useTitle(t('users'));
  useEffect(() => () => clearTimeout(timer.current), []);
  return (
    <>
      <div class="page-head">
        <h1>{t('users')}</h1>
        <Button
          look="main"
          icon="plus"
          onClick={() => {
            isAdding.value = true;
          }}
        >
          {t('newUser')}
        </Button>
      </div>
      <div class="form-row filters">
        <TextField
          label={t('nameOrAddress')}
          type="search"
          value={text.value}
          onInput={(event) => {
            text.value = event.currentTarget.value;
            clearTimeout(timer.current);
            timer.current = setTimeout(() => {
              wanted.value = text.value.trim();
            }, TYPING_MS);
          }}
        />
        <SelectField
          label={t('role')}
          value={role.value}
          options={[['', t('all')], ...ROLES.map((name) => [name, t(name)] as const)]}
          onChoose={(chosen) => {
            role.value = chosen;
          }}
        />
      </div>
      <Listing list={list} empty={<Empty icon="users" title={t('nothingFound')} />}>
        {(users) => (
          <ul class="rows">
            {users.map((user) => (
              <UserRow key={user.id} user={user} list={list} />
            ))}
          </ul>
        )}
      </Listing>
      {isAdding.value && (
        <NewUser
          onClose={() => {
            isAdding.value = false;
          }}
          onCreated={() => {
            isAdding.value = false;
            void list.refresh();
          }}
        />
      )}
    </>
  );
}

interface UserRowProps {
  readonly user: User;
  readonly list: PagedList<User>;
}

function UserRow({ user, list }: UserRowProps) {
  const { id, name, email, role, disabled, quotaBytes, lastLoginAt } = user;
  const dialog = useSignal<'edit' | 'delete' | undefined>(undefined);
  const { isBusy, run } = useAction();
  const isSelf = self.value?.id === id;
  const change = (changes: UserChanges) =>
    run(async () => {
      list.replace(await ask<User>('PATCH', `/users/${id}`, { json: changes }));
      say(t('saved'), { kind: 'good' });
    });
  const closeDialog = () => {
    dialog.value = undefined;
  };
  return (
    <li class="row">
      <span class="avatar" aria-hidden="true">
        {[...name][0]?.toUpperCase() ?? '?'}
      </span>
      <div class="row-text">
        <strong dir="auto">{name}</strong>
        <p class="facts">
          <span>{email}</span>
          <span>
            {lastLoginAt === null ? t('neverSignedIn') : t('signedInAgo', { time: formatAgo(lastLoginAt) })}
          </span>
          {quotaBytes !== null && quotaBytes > 0 && (
            <span>{t('upTo', { size: formatBytes(quotaBytes) })}</span>
          )}
          {disabled && <span class="state state-failed">{t('disabled')}</span>}
        </p>
      </div>
      <SelectField
        label={t('roleOf', { name })}
        isCompact
        value={role}
        disabled={isBusy || isSelf}
        options={ROLES.map((one) => [one, t(one)] as const)}
        onChoose={(chosen) => void change({ role: chosen })}
      />
      <Menu label={t('moreFor', { title: name })} face={<Icon name="more" />}>
        {(close) => {
          const choose = (action: () => void) => () => {
            close();
            action();
          };
          return (
            <>
              <MenuItem
                onChoose={choose(() => {
                  dialog.value = 'edit';
                })}
              >
                <Icon name="edit" size={18} /> {t('edit')}
              </MenuItem>
              {!isSelf && (
                <MenuItem onChoose={choose(() => void change({ disabled: !disabled }))}>
                  <Icon name="lock" size={18} /> {t(disabled ? 'enable' : 'disable')}
                </MenuItem>
              )}
              {!isSelf && (
                <MenuItem
                  isDanger
                  onChoose={choose(() => {
                    dialog.value = 'delete';
                  })}
                >
                  <Icon name="trash" size={18} /> {t('delete')}
                </MenuItem>
              )}
            </>
          );
        }}
      </Menu>
      {dialog.value === 'edit' && (
        <EditUser
          user={user}
          onClose={closeDialog}
          onChanged={(changed) => {
            closeDialog();
            list.replace(changed);
          }}
        />
      )}
      {dialog.value === 'delete' && (
        <DeleteUser
          user={user}
          onClose={closeDialog}
          onDeleted={() => {
            closeDialog();
            list.remove(id);
          }}
        />
      )}
    </li>
  );
}
