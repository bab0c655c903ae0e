import { useSignal } from '@preact/signals';
import { useEffect, useMemo, useRef } from 'preact/hooks';
import type { Attachment } from '../api/types.ts';
import { t } from '../i18n/translate.ts';
import { Icon } from '../parts/icon.tsx';
import { Spinner } from '../parts/spinner.tsx';
import { type Command, commandOf, speedBeside } from './commands.ts';
import { Controls } from './controls.tsx';
import { Engine, type Sources } from './engine.ts';
import { keepPosition } from './positions.ts';
import type { Tile } from './storyboard.ts';
import { usePlayback } from './use-playback.ts';

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

  const commands = useMemo(() => createCommands(video, frame), []);
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
      showControls();
      commands(command);
    };
    addEventListener('keydown', onKey);
    return () => removeEventListener('keydown', onKey);
  }, []);

  const showControls = () => {
    areControlsShown.value = true;
    clearTimeout(hideTimer.current);
    hideTimer.current = setTimeout(() => {
      const hasFocus = frame.current?.querySelector('.player-controls :focus-visible') != null;
      const hasMenu = frame.current?.querySelector('[aria-expanded="true"]') != null;
      if (!hasFocus && !hasMenu) areControlsShown.value = false;
    }, CONTROLS_MS);
  };
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
      {(playback.isWaiting.value || state === 'reconnecting') && (
        <div class="player-waiting" role="status">
          <Spinner size={56} />
          <span class={state === 'reconnecting' ? 'player-note' : 'for-readers'}>
            {t(state === 'reconnecting' ? 'reconnecting' : 'loading')}
          </span>
        </div>
      )}
      {state === 'ready' && playback.isPaused.value && !playback.isWaiting.value && (
        <button
          type="button"
          class="player-big"
          aria-label={t(playback.hasEnded.value ? 'playAgain' : 'play')}
          onClick={() => commands({ kind: 'toggle' })}
        >
          <Icon name={playback.hasEnded.value ? 'back' : 'play'} size={44} />
        </button>
      )}
      {(state === 'unplayable' || state === 'failed') && (
        <div class="player-problem" role="alert">
          <p>{t(state === 'failed' ? 'playerFailed' : 'playerUnplayable')}</p>
          <a class="button button-plain" href={`${sources.file}?download=1`} download>
            {t('download')}
          </a>
        </div>
      )}
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

function createCommands(
  video: { readonly current: HTMLVideoElement | null },
  frame: { readonly current: HTMLElement | null },
): (command: Command) => void {
  return (command) => {
    const element = video.current;
    if (element === null) return;
    const clamp = (value: number, max: number) => Math.min(max, Math.max(0, value));
    switch (command.kind) {
      case 'toggle':
        if (element.paused) void element.play().catch(() => {});
        else element.pause();
        return;
      case 'skip':
        element.currentTime = clamp(element.currentTime + command.seconds, element.duration || 0);
        return;
      case 'seekShare':
        if (Number.isFinite(element.duration)) element.currentTime = element.duration * command.share;
        return;
      case 'volume':
        element.muted = false;
        element.volume = clamp(element.volume + command.change, 1);
        return;
      case 'speed':
        element.playbackRate = speedBeside(element.playbackRate, command.change);
        return;
      case 'mute':
        element.muted = !element.muted;
        return;
      case 'captions':
        toggleCaptions(element.textTracks);
        return;
      case 'fullscreen':
        if (document.fullscreenElement !== null) void document.exitFullscreen();
        else void frame.current?.requestFullscreen?.().catch(() => {});
        return;
      case 'pictureInPicture':
        if (document.pictureInPictureElement !== null) void document.exitPictureInPicture();
        else void element.requestPictureInPicture?.().catch(() => {});
    }
  };
}

function toggleCaptions(tracks: TextTrackList): void {
  const all = [...tracks];
  const shown = all.find(({ mode }) => mode === 'showing');
  if (shown !== undefined) shown.mode = 'disabled';
  else if (all[0] !== undefined) all[0].mode = 'showing';
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
