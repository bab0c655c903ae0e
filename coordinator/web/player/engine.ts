import { type Signal, signal } from '@preact/signals';

export interface Quality {
  readonly index: number;
  /** Lines of the picture. */
  readonly height: number;
  readonly bitsPerSecond: number;
}

export interface Sources {
  /** The playlists of all qualities; null when there are none yet. */
  readonly playlist: string | null;
  /** The file as it was uploaded; null when it was not kept. */
  readonly file: string | null;
}

export type EngineState =
  | 'ready'
  /** The connection broke; it is being tried again. */
  | 'reconnecting'
  /** The browser cannot play what there is. */
  | 'unplayable'
  /** Nobody answers any more. */
  | 'failed';

/** From when the connection broke until it is given up. */
const RECONNECT_MS = [500, 1000, 2000, 4000, 8000, 8000, 8000, 8000] as const;

/**
 * Brings a video's sources to a video element: playlists by hls.js where there are some, or by the browser itself where it
 * can, and the progressive file otherwise and whenever these fail. A connection that breaks is made again at the place
 * where it broke.
 */
export class Engine {
  readonly qualities: Signal<readonly Quality[]> = signal<readonly Quality[]>([]);
  /** Null: whatever the line allows. */
  readonly chosen = signal<number | null>(null);
  /** The one that is shown now. */
  readonly shown = signal<number | null>(null);
  readonly state = signal<EngineState>('ready');
  readonly kind = signal<'none' | 'playlist' | 'file'>('none');
  readonly #video: HTMLVideoElement;
  readonly #sources: Sources;
  readonly #abort = new AbortController();
  #hls: import('hls.js').default | undefined;
  #tries = 0;
  #timer: ReturnType<typeof setTimeout> | undefined;

  constructor(video: HTMLVideoElement, sources: Sources) {
    this.#video = video;
    this.#sources = sources;
    const { signal: ended } = this.#abort;
    video.addEventListener('error', () => this.#onMediaError(), { signal: ended });
    video.addEventListener('timeupdate', () => this.#onProgress(), { signal: ended });
    video.addEventListener('loadeddata', () => this.#onProgress(), { signal: ended });
  }

  /** Resolves when the sources are attached, and begins at that second. */
  async start(atS: number): Promise<void> {
    const { playlist } = this.#sources;
    if (playlist === null) {
      this.#playFile(atS);
      return;
    }
    try {
      await this.#playPlaylist(playlist, atS);
    } catch {
      // The player's code itself did not come.
      if (!this.#abort.signal.aborted) this.#playFile(atS);
    }
  }

  choose(index: number | null): void {
    this.chosen.value = index;
    if (this.#hls !== undefined) this.#hls.nextLevel = index ?? -1;
  }

  dispose(): void {
    this.#abort.abort();
    clearTimeout(this.#timer);
    this.#hls?.destroy();
    this.#video.removeAttribute('src');
    this.#video.load();
  }

  async #playPlaylist(url: string, atS: number): Promise<void> {
    const { default: Hls } = await import('hls.js');
    if (this.#abort.signal.aborted) return;
    if (!Hls.isSupported()) {
      if (this.#video.canPlayType('application/vnd.apple.mpegurl') === '') {
        this.#playFile(atS);
        return;
      }
      this.kind.value = 'playlist';
      this.#load(url, atS);
      return;
    }
    const config: Record<string, unknown> = {
      startPosition: atS > 0 ? atS : -1,
      // Segments are MP4 already, so there is next to nothing for a worker to do.
      enableWorker: false,
      // Captions are the page's own tracks.
      ...{ subtitleStreamController: undefined, subtitleTrackController: undefined },
      ...{ timelineController: undefined, capLevelToPlayerSize: true, backBufferLength: 60 },
      ...lineEstimate(),
    };
    const hls = new Hls(config);
    this.#hls = hls;
    this.kind.value = 'playlist';
    hls.on(Hls.Events.MANIFEST_PARSED, () => {
      // Where none seems to fit the line, the smallest comes soonest; the first of the playlist is the largest.
      hls.firstLevel = 0;
      this.qualities.value = hls.levels.map(({ height, bitrate }, index) => ({
        index,
        height,
        bitsPerSecond: bitrate,
      }));
    });
    hls.on(Hls.Events.LEVEL_SWITCHED, (_, { level }) => {
      this.shown.value = level;
    });
    hls.on(Hls.Events.ERROR, (_, { fatal, type, details }) => {
      if (!fatal) return;
      if (type === Hls.ErrorTypes.MEDIA_ERROR && this.#tries === 0) {
        this.#tries++;
        hls.recoverMediaError();
        return;
      }
      const isStart = details.startsWith('manifest') || type !== Hls.ErrorTypes.NETWORK_ERROR;
      if (isStart) this.#leavePlaylist();
      else this.#reconnect(() => hls.startLoad());
    });
    hls.loadSource(url);
    hls.attachMedia(this.#video);
  }

  /** What the playlists cannot do, the file may. */
  #leavePlaylist(): void {
    this.#hls?.destroy();
    this.#hls = undefined;
    this.qualities.value = [];
    this.shown.value = null;
    this.#playFile(this.#video.currentTime);
  }

  #playFile(atS: number): void {
    const { file } = this.#sources;
    if (file === null) {
      this.state.value = 'unplayable';
      return;
    }
    this.kind.value = 'file';
    this.#load(file, atS);
  }

  #load(url: string, atS: number): void {
    const video = this.#video;
    const wasPlaying = !video.paused;
    video.src = url;
    if (atS > 0) {
      const seek = () => {
        video.currentTime = atS;
      };
      video.addEventListener('loadedmetadata', seek, { once: true, signal: this.#abort.signal });
    }
    if (wasPlaying) void video.play().catch(() => {});
  }

  #onMediaError(): void {
    const { error } = this.#video;
    if (this.#hls !== undefined || error === null || this.#abort.signal.aborted) return;
    // A browser says "not supported" also when a server answers with an error.
    const hasPlayed = this.#video.currentTime > 0 || this.#tries > 0;
    const isConnection = error.code === MediaError.MEDIA_ERR_NETWORK || hasPlayed;
    if (!isConnection) {
      this.state.value = 'unplayable';
      return;
    }
    const atS = this.#video.currentTime;
    this.#reconnect(() => this.#playFile(atS));
  }

  #reconnect(again: () => void): void {
    const waitMs = RECONNECT_MS[this.#tries];
    if (waitMs === undefined) {
      this.state.value = 'failed';
      return;
    }
    this.#tries++;
    this.state.value = 'reconnecting';
    clearTimeout(this.#timer);
    this.#timer = setTimeout(again, waitMs);
  }

  #onProgress(): void {
    if (
      this.state.peek() === 'reconnecting' &&
      this.#video.readyState >= HTMLMediaElement.HAVE_CURRENT_DATA
    ) {
      this.state.value = 'ready';
      this.#tries = 0;
    }
  }
}

/** What the browser has seen of the line, so that the first segments fit it. */
function lineEstimate(): { abrEwmaDefaultEstimate?: number } {
  const { connection } = navigator as { connection?: { downlink?: number } };
  const { downlink } = connection ?? {};
  return downlink === undefined || downlink <= 0 ? {} : { abrEwmaDefaultEstimate: downlink * 1e6 };
}
