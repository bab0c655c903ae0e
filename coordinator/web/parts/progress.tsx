interface ProgressProps {
  /** 0 to 1; null when nobody knows. */
  readonly share: number | null;
  readonly label: string;
  readonly tone?: 'main' | 'good' | 'waiting';
}

export function Progress({ share, label, tone = 'main' }: ProgressProps) {
  const percent = share === null ? undefined : Math.round(Math.min(1, Math.max(0, share)) * 1000) / 10;
  return (
    <div
      class={`progress progress-${tone} ${percent === undefined ? 'progress-unknown' : ''}`}
      role="progressbar"
      aria-label={label}
      aria-valuemin={0}
      aria-valuemax={100}
      {...(percent !== undefined && { 'aria-valuenow': percent })}
    >
      <div class="progress-bar" style={{ width: percent === undefined ? '35%' : `${percent}%` }} />
    </div>
  );
}
