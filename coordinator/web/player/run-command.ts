import { type Command, speedBeside } from './commands.ts';

/** Tells a video element what keys and buttons say. */
export function createCommands(
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
