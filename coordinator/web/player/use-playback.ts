import { type Signal, useSignal } from '@preact/signals';
import type { RefObject } from 'preact';
import { useEffect } from 'preact/hooks';

/** How a video element stands, for controls to show. */
export interface Playback {
  readonly isPaused: Signal<boolean>;
  readonly isWaiting: Signal<boolean>;
  readonly hasEnded: Signal<boolean>;
  readonly atS: Signal<number>;
  readonly durationS: Signal<number>;
  /** Until where there is something to play without a pause. */
  readonly bufferedS: Signal<number>;
  readonly volume: Signal<number>;
  readonly isMuted: Signal<boolean>;
  readonly speed: Signal<number>;
}

const EVENTS = [
  ...['play', 'pause', 'playing', 'waiting', 'seeking', 'seeked', 'ended', 'timeupdate', 'progress'],
  ...['durationchange', 'volumechange', 'ratechange', 'loadedmetadata', 'canplay', 'emptied'],
] as const;

export function usePlayback(video: RefObject<HTMLVideoElement | null>): Playback {
  const playback: Playback = {
    isPaused: useSignal(true),
    isWaiting: useSignal(false),
    hasEnded: useSignal(false),
    atS: useSignal(0),
    durationS: useSignal(0),
    bufferedS: useSignal(0),
    volume: useSignal(1),
    isMuted: useSignal(false),
    speed: useSignal(1),
  };
  useEffect(() => {
    const element = video.current!;
    const update = () => read(element, playback);
    for (const event of EVENTS) element.addEventListener(event, update);
    update();
    return () => {
      for (const event of EVENTS) element.removeEventListener(event, update);
    };
  }, []);
  return playback;
}

function read(video: HTMLVideoElement, playback: Playback): void {
  playback.isPaused.value = video.paused;
  playback.hasEnded.value = video.ended;
  playback.isWaiting.value =
    !video.paused && !video.ended && video.readyState < HTMLMediaElement.HAVE_FUTURE_DATA;
  playback.atS.value = video.currentTime;
  playback.durationS.value = Number.isFinite(video.duration) ? video.duration : 0;
  playback.bufferedS.value = bufferedUntil(video.buffered, video.currentTime);
  playback.volume.value = video.volume;
  playback.isMuted.value = video.muted;
  playback.speed.value = video.playbackRate;
}

function bufferedUntil(ranges: TimeRanges, atS: number): number {
  for (let index = 0; index < ranges.length; index++) {
    if (ranges.start(index) <= atS + 0.1 && ranges.end(index) >= atS) return ranges.end(index);
  }
  return atS;
}
