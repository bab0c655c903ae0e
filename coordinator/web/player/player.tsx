import { useSignal } from '@preact/signals';
import type { RefObject } from 'preact';
import { useEffect, useMemo, useRef } from 'preact/hooks';
import type { Attachment } from '../api/types.ts';
import { t } from '../i18n/translate.ts';
import { Icon } from '../parts/icon.tsx';
import { Spinner } from '../parts/spinner.tsx';
import { type Command, commandOf } from './commands.ts';
import { Controls } from './controls.tsx';
import { Engine, type EngineState, type Sources } from './engine.ts';
import { keepPosition } from './positions.ts';
import { createCommands } from './run-command.ts';
import type { Tile } from './storyboard.ts';
import { type Playback, usePlayback } from './use-playback.ts';

export interface PlayerProps {
  readonly videoId: string;
  readonly title: string;
  readonly sources: Sources;
  readonly poster: string | null;
  readonly captions: readonly Attachment[];
  readonly storyboard: readonly Tile[];
  /** Where to begin. */
  readonly startS: number;
  /** Told where it is, for links to the place. */
  readonly onTime?: (seconds: number) => void;
}

/** How long the controls stay when nothing moves. */
const CONTROLS_MS = 2600;
const KEEP_EVERY_MS = 4000;
const VOLUME_KEPT_AS = 'orbitvids.volume';

export function Player(props: PlayerProps) {
  const { videoId, title, sources, poster, captions, startS } = props;
  const frame = useRef<HTMLDivElement>(null);
  const video = useRef<HTMLVideoElement>(null);
  const engine = useSignal<Engine | undefined>(undefined);
  const playback = usePlayback(video);
  const areControlsShown = useSignal(true);
  const hideTimer = useRef<ReturnType<typeof setTimeout>>(undefined);

  useEffect(() => {
    const element = video.current!;
    restoreVolume(element);
    const made = new Engine(element, sources);
    engine.value = made;
    void made.start(startS);
    return () => made.dispose();
  }, [sources.file, sources.playlist]);

  useKeptPosition(videoId, video);
  const commands = useMemo(() => createCommands(video, frame), []);
  const showControls = () => {
    areControlsShown.value = true;
    clearTimeout(hideTimer.current);
    hideTimer.current = setTimeout(() => {
      const hasFocus = frame.current?.querySelector('.player-controls :focus-visible') != null;
      const hasMenu = frame.current?.querySelector('[aria-expanded="true"]') != null;
      if (!hasFocus && !hasMenu) areControlsShown.value = false;
    }, CONTROLS_MS);
  };
  useKeys((command) => {
    showControls();
    commands(command);
  });
  const isQuiet = !areControlsShown.value && !playback.isPaused.value;
  const state = engine.value?.state.value ?? 'ready';
  return (
    <div
      ref={frame}
      class={`player ${isQuiet ? 'player-quiet' : ''}`}
      onPointerMove={showControls}
      onPointerDown={showControls}
      onFocusIn={showControls}
    >
      {/* biome-ignore lint/a11y/useMediaCaption: there are tracks if somebody has made some */}
      <video
        ref={video}
        class="player-video"
        playsInline
        preload="auto"
        aria-label={title}
        poster={poster ?? undefined}
        onClick={() => commands({ kind: 'toggle' })}
        onDblClick={() => commands({ kind: 'fullscreen' })}
        onTimeUpdate={(event) => props.onTime?.(event.currentTarget.currentTime)}
        onVolumeChange={(event) => keepVolume(event.currentTarget)}
      >
        {captions.map(({ name, language, label, links }) => (
          <track
            key={name}
            kind="subtitles"
            src={links.self}
            srclang={language ?? undefined}
            label={label ?? language ?? name}
          />
        ))}
      </video>
      <Overlay
        state={state}
        playback={playback}
        file={sources.file}
        onToggle={() => commands({ kind: 'toggle' })}
      />
      {engine.value !== undefined && (
        <Controls
          video={video}
          engine={engine.value}
          playback={playback}
          captions={captions}
          storyboard={props.storyboard}
          onCommand={commands}
        />
      )}
    </div>
  );
}

/** Remembers where the video is while it plays, and when it is left. */
function useKeptPosition(videoId: string, video: RefObject<HTMLVideoElement | null>): void {
  useEffect(() => {
    const element = video.current!;
    const keep = () => keepPosition(videoId, element.ended ? 0 : element.currentTime, element.duration);
    const timer = setInterval(() => !element.paused && keep(), KEEP_EVERY_MS);
    element.addEventListener('pause', keep);
    addEventListener('pagehide', keep);
    return () => {
      clearInterval(timer);
      element.removeEventListener('pause', keep);
      removeEventListener('pagehide', keep);
    };
  }, [videoId]);
}

/** Keys that are meant for the player, wherever on the page the focus is. */
function useKeys(onCommand: (command: Command) => void): void {
  const latest = useRef(onCommand);
  latest.current = onCommand;
  useEffect(() => {
    const onKey = (event: KeyboardEvent) => {
      const target = event.target as HTMLElement;
      if (target.closest('input:not([type="range"]), textarea, select, dialog, [role="menu"]')) return;
      // A button that has the focus is pressed by the space bar.
      if (event.key === ' ' && target.closest('button, a, summary')) return;
      if (target.closest('input[type="range"]') && event.key.startsWith('Arrow')) return;
      const command = commandOf(event);
      if (command === undefined) return;
      event.preventDefault();
      latest.current(command);
    };
    addEventListener('keydown', onKey);
    return () => removeEventListener('keydown', onKey);
  }, []);
}

interface OverlayProps {
  readonly state: EngineState;
  readonly playback: Playback;
  readonly file: string | null;
  readonly onToggle: () => void;
}

/** What is shown on the picture: that it waits, that it can be played, or that it cannot. */
function Overlay({ state, playback, file, onToggle }: OverlayProps) {
  const isWaiting = playback.isWaiting.value || state === 'reconnecting';
  if (state === 'unplayable' || state === 'failed') {
    return (
      <div class="player-problem" role="alert">
        <p>{t(state === 'failed' ? 'playerFailed' : 'playerUnplayable')}</p>
        {file !== null && (
          <a class="button button-plain" href={`${file}?download=1`} download>
            {t('download')}
          </a>
        )}
      </div>
    );
  }
  if (isWaiting) {
    return (
      <div class="player-waiting" role="status">
        <Spinner size={56} />
        <span class={state === 'reconnecting' ? 'player-note' : 'for-readers'}>
          {t(state === 'reconnecting' ? 'reconnecting' : 'loading')}
        </span>
      </div>
    );
  }
  if (!playback.isPaused.value) return null;
  const hasEnded = playback.hasEnded.value;
  return (
    <button
      type="button"
      class="player-big"
      aria-label={t(hasEnded ? 'playAgain' : 'play')}
      onClick={onToggle}
    >
      <Icon name={hasEnded ? 'back' : 'play'} size={44} />
    </button>
  );
}

function keepVolume({ volume, muted }: HTMLVideoElement): void {
  localStorage.setItem(VOLUME_KEPT_AS, JSON.stringify([volume, muted]));
}

function restoreVolume(video: HTMLVideoElement): void {
  try {
    const [volume, muted] = JSON.parse(localStorage.getItem(VOLUME_KEPT_AS) ?? '[1,false]');
    video.volume = Number(volume);
    video.muted = muted === true;
  } catch {
    // As loud as it comes.
  }
}
