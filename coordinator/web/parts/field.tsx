import type { ComponentChildren } from 'preact';
import { useId } from 'preact/hooks';

interface Labelled {
  readonly label: string;
  readonly hint?: string | undefined;
  readonly problem?: string | undefined;
}

interface TextProps extends Labelled {
  readonly value: string;
  readonly name?: string;
  readonly placeholder?: string;
  readonly required?: boolean;
  readonly minLength?: number;
  readonly maxLength?: number;
  readonly dir?: 'auto';
}

interface InputProps extends TextProps {
  readonly type?: 'text' | 'email' | 'password' | 'number' | 'url' | 'search';
  readonly autocomplete?: 'username' | 'current-password' | 'new-password' | 'name' | 'off';
  readonly min?: number;
  readonly max?: number;
  readonly step?: string;
  readonly onInput?: (event: { readonly currentTarget: HTMLInputElement }) => void;
  readonly onChange?: (event: { readonly currentTarget: HTMLInputElement }) => void;
}

/** A line to type in, with its label, a hint and what is wrong with it. */
export function TextField({ label, hint, problem, ...rest }: InputProps) {
  const id = useId();
  return (
    <Frame id={id} label={label} hint={hint} problem={problem}>
      <input class="input" {...(rest as object)} id={id} {...described(id, hint, problem)} />
    </Frame>
  );
}

interface AreaProps extends TextProps {
  readonly rows?: number;
  readonly onInput?: (event: { readonly currentTarget: HTMLTextAreaElement }) => void;
  readonly onChange?: (event: { readonly currentTarget: HTMLTextAreaElement }) => void;
}

export function TextArea({ label, hint, problem, ...rest }: AreaProps) {
  const id = useId();
  return (
    <Frame id={id} label={label} hint={hint} problem={problem}>
      <textarea class="input" rows={4} {...rest} id={id} {...described(id, hint, problem)} />
    </Frame>
  );
}

type SelectProps<Value extends string> = Labelled & {
  readonly value: Value;
  readonly options: readonly (readonly [value: Value, text: string])[];
  readonly onChoose: (value: Value) => void;
  readonly disabled?: boolean;
  readonly isCompact?: boolean;
};

export function SelectField<Value extends string>(props: SelectProps<Value>) {
  const id = useId();
  const { label, hint, problem, value, options, onChoose, disabled, isCompact = false } = props;
  return (
    <Frame id={id} label={label} hint={hint} problem={problem} isLabelHidden={isCompact}>
      <select
        class="input select"
        id={id}
        value={value}
        disabled={disabled ?? false}
        onChange={(event) => onChoose(event.currentTarget.value as Value)}
        {...described(id, hint, problem)}
      >
        {options.map(([option, text]) => (
          <option key={option} value={option}>
            {text}
          </option>
        ))}
      </select>
    </Frame>
  );
}

interface FrameProps extends Labelled {
  readonly id: string;
  readonly isLabelHidden?: boolean;
  readonly children: ComponentChildren;
}

function Frame({ id, label, hint, problem, isLabelHidden = false, children }: FrameProps) {
  return (
    <div class={`field ${problem === undefined ? '' : 'field-wrong'}`}>
      <label for={id} class={isLabelHidden ? 'for-readers' : 'label'}>
        {label}
      </label>
      {children}
      {problem !== undefined && (
        <p class="field-problem" id={`${id}-problem`}>
          {problem}
        </p>
      )}
      {hint !== undefined && problem === undefined && (
        <p class="field-hint" id={`${id}-hint`}>
          {hint}
        </p>
      )}
    </div>
  );
}

function described(id: string, hint: string | undefined, problem: string | undefined) {
  if (problem !== undefined) return { 'aria-describedby': `${id}-problem`, 'aria-invalid': true };
  return hint === undefined ? {} : { 'aria-describedby': `${id}-hint` };
}
