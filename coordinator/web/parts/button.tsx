import type { ComponentChildren, JSX } from 'preact';
import { Icon, type IconName } from './icon.tsx';
import { Spinner } from './spinner.tsx';

type ButtonProps = Omit<JSX.IntrinsicElements['button'], 'icon' | 'children'> & {
  readonly look?: 'main' | 'plain' | 'quiet' | 'danger';
  readonly icon?: IconName;
  readonly isBusy?: boolean;
  readonly children?: ComponentChildren;
};

export function Button({
  look = 'plain',
  icon,
  isBusy = false,
  children,
  type,
  disabled,
  ...rest
}: ButtonProps) {
  return (
    <button
      {...rest}
      type={type ?? 'button'}
      class={`button button-${look} ${rest.class ?? ''}`}
      disabled={disabled === true || isBusy}
      aria-busy={isBusy}
    >
      {isBusy ? <Spinner size={18} /> : icon && <Icon name={icon} size={18} />}
      {children}
    </button>
  );
}

type IconButtonProps = Omit<JSX.IntrinsicElements['button'], 'icon' | 'label' | 'children'> & {
  readonly icon: IconName;
  /** What it does, for those who do not see the picture, and shown to those who point at it. */
  readonly label: string;
  readonly size?: number;
};

export function IconButton({ icon, label, size = 20, ...rest }: IconButtonProps) {
  return (
    <button
      {...rest}
      type="button"
      class={`icon-button ${rest.class ?? ''}`}
      aria-label={label}
      title={label}
    >
      <Icon name={icon} size={size} />
    </button>
  );
}
