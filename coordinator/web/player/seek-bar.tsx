import { useSignal } from '@preact/signals';
import { useRef } from 'preact/hooks';
import { formatClock } from '../i18n/format.ts';
import { t } from '../i18n/translate.ts';
import { type Tile, tileAt } from './storyboard.ts';
import type { Playback } from './use-playback.ts';

interface SeekBarProps {
  readonly playback: Playback;
  readonly storyboard: readonly Tile[];
  readonly onSeek: (seconds: number) => void;
}

/** Where the film is, how much of it is here, and what is to be seen where one points. */
export function SeekBar({ playback, storyboard, onSeek }: SeekBarProps) {
  const { atS, durationS, bufferedS } = playback;
  const pointed = useSignal<number | undefined>(undefined);
  const bar = useRef<HTMLDivElement>(null);
  const total = durationS.value;
  const percentOf = (seconds: number) => (total > 0 ? `${Math.min(100, (seconds / total) * 100)}%` : '0%');
  const onPoint = (event: PointerEvent) => {
    const { left, width } = bar.current!.getBoundingClientRect();
    pointed.value = Math.min(1, Math.max(0, (event.clientX - left) / width)) * total;
  };
  return (
    <div
      class="seek"
      ref={bar}
      onPointerMove={onPoint}
      onPointerLeave={() => {
        pointed.value = undefined;
      }}
    >
      <div class="seek-track">
        <div class="seek-buffered" style={{ width: percentOf(bufferedS.value) }} />
        <div class="seek-played" style={{ width: percentOf(atS.value) }} />
      </div>
      <input
        type="range"
        class="seek-input"
        aria-label={t('place')}
        aria-valuetext={t('placeOf', { at: formatClock(atS.value), total: formatClock(total) })}
        min={0}
        max={total || 1}
        step={1}
        value={atS.value}
        onInput={(event) => onSeek(Number(event.currentTarget.value))}
      />
      {pointed.value !== undefined && total > 0 && (
        <div class="seek-preview" style={{ left: percentOf(pointed.value) }} aria-hidden="true">
          <Preview tile={storyboard.length > 0 ? tileAt(storyboard, pointed.value) : undefined} />
          <span>{formatClock(pointed.value)}</span>
        </div>
      )}
    </div>
  );
}

function Preview({ tile }: { readonly tile: Tile | undefined }) {
  if (tile === undefined) return null;
  const { url, x, y, width, height } = tile;
  return (
    <div
      class="seek-tile"
      style={{
        width: `${width}px`,
        height: `${height}px`,
        backgroundImage: `url("${url.replaceAll('"', '%22')}")`,
        backgroundPosition: `-${x}px -${y}px`,
      }}
    />
  );
}
