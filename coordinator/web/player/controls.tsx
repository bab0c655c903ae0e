import { useSignal } from '@preact/signals';
import type { RefObject } from 'preact';
import { useEffect } from 'preact/hooks';
import type { Attachment } from '../api/types.ts';
import { formatClock, formatNumber } from '../i18n/format.ts';
import { t } from '../i18n/translate.ts';
import { IconButton } from '../parts/button.tsx';
import { Icon } from '../parts/icon.tsx';
import { Menu, MenuItem } from '../parts/menu.tsx';
import { type Command, SPEEDS } from './commands.ts';
import type { Engine } from './engine.ts';
import { SeekBar } from './seek-bar.tsx';
import type { Tile } from './storyboard.ts';
import type { Playback } from './use-playback.ts';

interface ControlsProps {
  readonly video: RefObject<HTMLVideoElement | null>;
  readonly engine: Engine;
  readonly playback: Playback;
  readonly captions: readonly Attachment[];
  readonly storyboard: readonly Tile[];
  readonly onCommand: (command: Command) => void;
}

export function Controls(props: ControlsProps) {
  const { video, engine, playback, captions, storyboard, onCommand } = props;
  const { isPaused, isMuted, volume, atS, durationS } = playback;
  const isSilent = isMuted.value || volume.value === 0;
  return (
    <div class="player-controls">
      <SeekBar
        playback={playback}
        storyboard={storyboard}
        onSeek={(seconds) => {
          if (video.current !== null) video.current.currentTime = seconds;
        }}
      />
      <div class="player-row">
        <IconButton
          icon={isPaused.value ? 'play' : 'pause'}
          label={t(isPaused.value ? 'play' : 'pause')}
          size={24}
          onClick={() => onCommand({ kind: 'toggle' })}
        />
        <IconButton
          icon={isSilent ? 'muted' : 'volume'}
          label={t(isSilent ? 'unmute' : 'mute')}
          onClick={() => onCommand({ kind: 'mute' })}
        />
        <input
          type="range"
          class="player-volume"
          aria-label={t('volume')}
          min={0}
          max={1}
          step={0.05}
          value={isSilent ? 0 : volume.value}
          onInput={(event) => {
            if (video.current === null) return;
            video.current.muted = false;
            video.current.volume = Number(event.currentTarget.value);
          }}
        />
        <span class="player-time">
          {formatClock(atS.value)} <span aria-hidden="true">/</span> {formatClock(durationS.value)}
        </span>
        <span class="player-gap" />
        {captions.length > 0 && <CaptionsMenu video={video} captions={captions} />}
        <SpeedMenu video={video} playback={playback} />
        {engine.qualities.value.length > 0 && <QualityMenu engine={engine} />}
        {document.pictureInPictureEnabled && (
          <IconButton
            icon="pip"
            label={t('pictureInPicture')}
            class="player-pip"
            onClick={() => onCommand({ kind: 'pictureInPicture' })}
          />
        )}
        <FullscreenButton onCommand={onCommand} />
      </div>
    </div>
  );
}

function FullscreenButton({ onCommand }: Pick<ControlsProps, 'onCommand'>) {
  const isFull = useSignal(false);
  useEffect(() => {
    const update = () => {
      isFull.value = document.fullscreenElement !== null;
    };
    document.addEventListener('fullscreenchange', update);
    return () => document.removeEventListener('fullscreenchange', update);
  }, []);
  return (
    <IconButton
      icon={isFull.value ? 'unfull' : 'full'}
      label={t(isFull.value ? 'leaveFullscreen' : 'fullscreen')}
      onClick={() => onCommand({ kind: 'fullscreen' })}
    />
  );
}

function CaptionsMenu({ video, captions }: Pick<ControlsProps, 'video' | 'captions'>) {
  const shown = useSignal(-1);
  useEffect(() => {
    const tracks = video.current?.textTracks;
    const update = () => {
      shown.value = [...(tracks ?? [])].findIndex(({ mode }) => mode === 'showing');
    };
    tracks?.addEventListener('change', update);
    return () => tracks?.removeEventListener('change', update);
  }, []);
  const choose = (index: number) => {
    for (const [at, track] of [...(video.current?.textTracks ?? [])].entries()) {
      track.mode = at === index ? 'showing' : 'disabled';
    }
  };
  return (
    <Menu label={t('captions')} opens="up" face={<Icon name="captions" />}>
      {(close) =>
        [-1, ...captions.keys()].map((index) => (
          <MenuItem
            key={index}
            isChosen={shown.value === index}
            onChoose={() => {
              choose(index);
              close();
            }}
          >
            {index < 0
              ? t('off')
              : (captions[index]!.label ?? captions[index]!.language ?? captions[index]!.name)}
          </MenuItem>
        ))
      }
    </Menu>
  );
}

function SpeedMenu({ video, playback }: Pick<ControlsProps, 'video' | 'playback'>) {
  const speed = playback.speed.value;
  return (
    <Menu
      label={`${t('speed')}: ${formatNumber(speed)}×`}
      opens="up"
      class="player-speed"
      face={<span class="player-face">{formatNumber(speed)}×</span>}
    >
      {(close) =>
        SPEEDS.map((one) => (
          <MenuItem
            key={one}
            isChosen={one === speed}
            onChoose={() => {
              if (video.current !== null) video.current.playbackRate = one;
              close();
            }}
          >
            {formatNumber(one)}×
          </MenuItem>
        ))
      }
    </Menu>
  );
}

function QualityMenu({ engine }: Pick<ControlsProps, 'engine'>) {
  const chosen = engine.chosen.value;
  const qualities = engine.qualities.value.toSorted((a, b) => b.bitsPerSecond - a.bitsPerSecond);
  const shown = qualities.find(({ index }) => index === (chosen ?? engine.shown.value));
  const name = shown === undefined ? t('auto') : `${shown.height}p`;
  return (
    <Menu label={`${t('quality')}: ${name}`} opens="up" face={<span class="player-face">{name}</span>}>
      {(close) => {
        const choose = (index: number | null) => () => {
          engine.choose(index);
          close();
        };
        return (
          <>
            <MenuItem isChosen={chosen === null} onChoose={choose(null)}>
              {t('auto')}
            </MenuItem>
            {qualities.map(({ index, height, bitsPerSecond }) => (
              <MenuItem key={index} isChosen={chosen === index} onChoose={choose(index)}>
                {height}p
                <span class="menu-side">
                  {formatNumber(bitsPerSecond / 1e6, { maximumFractionDigits: 1 })} Mbit/s
                </span>
              </MenuItem>
            ))}
          </>
        );
      }}
    </Menu>
  );
}
