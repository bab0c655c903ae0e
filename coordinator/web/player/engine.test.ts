import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { Engine } from './engine.ts';

/** As much of a video element as the engine uses. */
class FakeVideo extends EventTarget {
  src = '';
  currentTime = 0;
  readyState = 0;
  paused = false;
  error: { readonly code: number } | null = null;
  readonly played: string[] = [];

  load(): void {}
  async play(): Promise<void> {
    this.played.push(this.src);
  }
  removeAttribute(): void {
    this.src = '';
  }
  canPlayType(): string {
    return '';
  }
  fail(code: number): void {
    this.error = { code };
    this.dispatchEvent(new Event('error'));
  }
}

const SOURCES = { playlist: null, file: '/file.mp4' };
let video: FakeVideo;
let engine: Engine;

beforeEach(() => {
  vi.useFakeTimers();
  vi.stubGlobal('MediaError', { MEDIA_ERR_NETWORK: 2 });
  vi.stubGlobal('HTMLMediaElement', { HAVE_CURRENT_DATA: 2 });
  video = new FakeVideo();
  engine = new Engine(video as unknown as HTMLVideoElement, SOURCES);
});
afterEach(() => {
  engine.dispose();
  vi.useRealTimers();
  vi.unstubAllGlobals();
});

test('a connection that breaks is made again, and the film goes on where it was', async () => {
  await engine.start(0);
  expect([video.src, engine.kind.value, engine.state.value]).toEqual(['/file.mp4', 'file', 'ready']);
  video.currentTime = 12.5;
  video.fail(2);
  expect(engine.state.value).toBe('reconnecting');
  video.currentTime = 0;
  // The server is still away at the first try.
  await vi.advanceTimersByTimeAsync(500);
  video.currentTime = 12.5;
  video.fail(4);
  video.currentTime = 0;
  await vi.advanceTimersByTimeAsync(1000);
  video.dispatchEvent(new Event('loadedmetadata'));
  expect(video.currentTime).toBe(12.5);
  video.readyState = 4;
  video.dispatchEvent(new Event('timeupdate'));
  expect(engine.state.value).toBe('ready');
  expect(video.played).toEqual(['/file.mp4', '/file.mp4', '/file.mp4']);
});

test('it is not tried for ever', async () => {
  await engine.start(0);
  video.currentTime = 3;
  for (let round = 0; round < 20; round++) {
    video.fail(2);
    await vi.advanceTimersByTimeAsync(10_000);
  }
  expect(engine.state.value).toBe('failed');
});

test('what the browser cannot play is said at once, and not tried again', async () => {
  await engine.start(0);
  video.fail(4);
  expect(engine.state.value).toBe('unplayable');
  await vi.advanceTimersByTimeAsync(60_000);
  expect(video.played.length).toBe(1);
});

test('a place to begin is sought when the length is known, and nothing happens after the end', async () => {
  await engine.start(42);
  video.dispatchEvent(new Event('loadedmetadata'));
  expect(video.currentTime).toBe(42);
  engine.dispose();
  video.fail(2);
  expect(engine.state.value).toBe('ready');
});
