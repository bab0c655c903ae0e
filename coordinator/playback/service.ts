import { createHash } from 'node:crypto';
import { AppError } from '../../lib/errors/app-error.ts';
import { type Soon, whenThere } from '../../lib/soon/soon.ts';
import type { ObjectStore } from '../chunks/object-store.ts';
import type { ErrorCode } from '../errors.ts';
import { LoadingCache } from '../loading-cache.ts';
import {
  INERT_POLICY,
  openerOf,
  REVALIDATED,
  type ServedContent,
  type VideoContent,
} from '../videos/content.ts';
import { bitRatesOf } from './bit-rates.ts';
import { CACHED_PLAYLISTS_BYTES_MAX, CACHED_PLAYLISTS_MAX } from './limits.ts';
import { masterPlaylistOf } from './master-playlist.ts';
import { captionsPlaylistOf, mediaPlaylistOf } from './media-playlist.ts';
import { MemoryReading } from './memory-reading.ts';
import { type PlaybackTarget, POSTER } from './paths.ts';
import type { Playable, PlaybackCatalog } from './playback-catalog.ts';
import type { Viewer } from './recent-redirects.ts';
import type { RecipeBook } from './recipe-book.ts';
import type { SegmentTable } from './segment-table.ts';
import type { SliceUrls } from './slice-urls.ts';
import { openVirtual } from './virtual-reading.ts';

/** How a client gets bytes that one storage node has: by way of the coordinator, or from there. */
export type Delivery = 'proxy' | 'redirect';

export interface PlaybackServiceOptions {
  readonly catalog: PlaybackCatalog;
  readonly recipes: RecipeBook;
  readonly urls: Pick<SliceUrls, 'urlOf'>;
  /** Unless a request says otherwise. */
  readonly delivery: Delivery;
  /** Whether what is public can be had without an account, so that caches may give it to anybody. */
  readonly anonymousRead: boolean;
}

export interface PlaybackRequest {
  readonly target: PlaybackTarget;
  /** Undefined: as configured. */
  readonly delivery: Delivery | undefined;
  readonly viewer: Viewer;
}

/** What a request is answered with: bytes, or where they are. */
export type PlaybackAnswer =
  | { readonly content: ServedContent; readonly location?: never }
  | { readonly location: string; readonly content?: never };

const INERT = { policy: INERT_POLICY, reprDigest: null, inline: null, attachment: null } as const;
const PLAYLIST = 'application/vnd.apple.mpegurl';
/** Changes with how playlists are written, so that nobody keeps an old one. */
const PLAYLIST_VERSION = 1;
/** A rendition's id stands for its bytes: another one takes its place. */
const IMMUTABLE = 'max-age=31536000, immutable, no-transform';

/** Finds what players ask for. Who may have it was asked before. */
export class PlaybackService {
  readonly #options: PlaybackServiceOptions;
  /** Of renditions, by id and query: slow clients of one share its bytes. */
  readonly #playlists: LoadingCache<Buffer>;

  constructor(options: PlaybackServiceOptions) {
    this.#options = options;
    this.#playlists = new LoadingCache({
      load: (name) => this.#writePlaylist(name),
      weightOf: (bytes) => bytes.length,
      maxEntries: CACHED_PLAYLISTS_MAX,
      maxWeight: CACHED_PLAYLISTS_BYTES_MAX,
    });
  }

  /** At once if all that it takes is in memory. Throws or rejects with `rendition_not_found`, or like `ObjectStore.read`. */
  answer(video: VideoContent, request: PlaybackRequest): Soon<PlaybackAnswer> {
    const attached = attachedTo(video, request.target);
    if (attached !== undefined) return { content: attached };
    return whenThere(this.#options.catalog.playable(video.video.id), (playable) =>
      this.#answerOf(video, playable, request),
    );
  }

  #answerOf(video: VideoContent, playable: Playable, request: PlaybackRequest): Soon<PlaybackAnswer> {
    const { target } = request;
    switch (target.kind) {
      case 'segment':
        return whenThere(this.#table(playable, target.renditionId), (table) =>
          this.#segment(video, table, target, request),
        );
      case 'init':
        return whenThere(this.#table(playable, target.renditionId), (table) => ({
          content: this.#init(video, table, target),
        }));
      case 'media':
        return this.#media(video, playable, target.renditionId, request);
      case 'master':
        return { content: master(video, playable, request) };
      case 'captions':
        return { content: captions(video, playable, target.name) };
      case 'captionsFile':
        throw nothingThere();
      case 'picture':
        return { content: picture(video, playable, target.name) };
    }
  }

  /** Of a video that is there. */
  async playable(videoId: string): Promise<Playable> {
    return await this.#options.catalog.playable(videoId);
  }

  invalidate(videoId: string): void {
    this.#options.catalog.invalidate(videoId);
  }

  #segment(
    video: VideoContent,
    table: SegmentTable,
    { renditionId, number }: Extract<PlaybackTarget, { kind: 'segment' }>,
    request: PlaybackRequest,
  ): Soon<PlaybackAnswer> {
    const segment = table.segment(number);
    if (segment === undefined) throw nothingThere();
    const { piece, offset, length, servedLength } = segment;
    const { object } = piece;
    if (!table.isVirtual && this.#delivery(request) === 'redirect') {
      const location = this.#options.urls.urlOf({ object, offset, length, viewer: request.viewer });
      if (location !== undefined) return { location };
    }
    const open: Soon<ServedContent['open']> = table.isVirtual
      ? this.#virtual(video, table, renditionId, number)
      : (store, first, last, signal) => store.read(object, offset + first, offset + last, signal);
    const cacheControl = this.#immutable(video);
    return whenThere(open, (opener) => ({
      content: {
        ...{ ...INERT, cacheControl, contentType: 'video/mp4' },
        ...{ open: opener, size: servedLength, etag: `"${renditionId}/${number}"` },
      },
    }));
  }

  /** Its recipe is at hand when this resolves. */
  async #virtual(
    { video, manifest: source }: VideoContent,
    table: SegmentTable,
    renditionId: string,
    number: number,
  ): Promise<ServedContent['open']> {
    // It was replaced before the source was dropped, and the message of that is on its way.
    if (video.sourceDroppedAt !== undefined) throw nothingThere();
    const recipe = await this.#options.recipes.recipe(renditionId, table, number, source.size);
    return (store: Pick<ObjectStore, 'read'>, first, last, signal) =>
      openVirtual(store, { recipe, source }, first, last, signal);
  }

  #init(
    video: VideoContent,
    table: SegmentTable,
    { renditionId, piece }: Extract<PlaybackTarget, { kind: 'init' }>,
  ): ServedContent {
    const found = table.pieces[piece];
    if (found === undefined) throw nothingThere();
    const etag = `"${renditionId}/init-${piece}"`;
    const cacheControl = this.#immutable(video);
    return inMemory(found.init, { etag, contentType: 'video/mp4', cacheControl });
  }

  async #media(
    video: VideoContent,
    playable: Playable,
    renditionId: string,
    { delivery }: PlaybackRequest,
  ): Promise<PlaybackAnswer> {
    if (!playable.renditions.has(renditionId)) throw nothingThere();
    const name = renditionId + queryOf(delivery);
    const bytes = this.#playlists.peek(name) ?? (await this.#playlists.get(name));
    if (bytes === null) throw nothingThere();
    return { content: playlist(video, bytes, `"${name}/${PLAYLIST_VERSION}"`) };
  }

  async #writePlaylist(name: string): Promise<Buffer | null> {
    const [renditionId = '', query] = name.split('?', 2);
    const table = await this.#options.catalog.table(renditionId);
    if (table === null) return null;
    return Buffer.from(mediaPlaylistOf(table, bitRatesOf(table), query === undefined ? '' : `?${query}`));
  }

  #table(playable: Playable, renditionId: string): Soon<SegmentTable> {
    if (!playable.renditions.has(renditionId)) throw nothingThere();
    return whenThere<SegmentTable | null, SegmentTable>(this.#options.catalog.table(renditionId), (table) => {
      if (table === null) throw nothingThere();
      return table;
    });
  }

  /** Shared caches ask nobody again who may have it, so they keep only what everybody may. */
  #immutable({ video }: VideoContent): string {
    const isEverybodys = this.#options.anonymousRead && video.visibility === 'public';
    return `${isEverybodys ? 'public' : 'private'}, ${IMMUTABLE}`;
  }

  #delivery({ delivery }: PlaybackRequest): Delivery {
    return delivery ?? this.#options.delivery;
  }
}

/** A poster that somebody attached goes before the one that was made; captions are attachments as they are. */
function attachedTo({ attachments }: VideoContent, target: PlaybackTarget): ServedContent | undefined {
  if (target.kind === 'captionsFile') {
    const file = attachments.get(target.name);
    return file?.contentType.startsWith('text/vtt') ? file : undefined;
  }
  if (target.kind !== 'picture' || target.name !== POSTER) return undefined;
  for (const file of attachments.values()) if (file.kind === 'poster') return file;
  return undefined;
}

function master(video: VideoContent, playable: Playable, { delivery }: PlaybackRequest): ServedContent {
  if (playable.renditions.size === 0) throw nothingThere();
  const renditions = [...playable.renditions.values()];
  const text = masterPlaylistOf(renditions, video.attachments.values(), queryOf(delivery));
  return playlist(
    video,
    Buffer.from(text),
    `"${createHash('sha256').update(text).digest('base64url').slice(0, 22)}"`,
  );
}

function captions(video: VideoContent, { durationS }: Playable, name: string): ServedContent {
  const file = video.attachments.get(name);
  if (durationS === 0 || !file?.contentType.startsWith('text/vtt')) throw nothingThere();
  const etag = file.etag.replace(/"$/, `-${durationS.toFixed(6)}-${PLAYLIST_VERSION}"`);
  return playlist(video, Buffer.from(captionsPlaylistOf(durationS)), etag);
}

function playlist(video: VideoContent, bytes: Buffer, etag: string): ServedContent {
  const cacheControl = REVALIDATED[video.video.visibility];
  return inMemory(bytes, { etag, contentType: PLAYLIST, cacheControl });
}

function inMemory(
  bytes: Buffer,
  named: Pick<ServedContent, 'etag' | 'contentType' | 'cacheControl'>,
): ServedContent {
  const open: ServedContent['open'] = async (_, first, last) =>
    new MemoryReading(bytes.subarray(first, last + 1));
  return { ...INERT, ...named, size: bytes.length, open };
}

function picture(video: VideoContent, { pictures }: Playable, name: string): ServedContent {
  const file = pictures.get(name);
  if (file === undefined) throw nothingThere();
  const { object, contentType } = file;
  return {
    ...{ ...INERT, cacheControl: REVALIDATED[video.video.visibility], contentType },
    ...{ size: object.size, open: openerOf(object), etag: `"${object.objectId.replaceAll('-', '')}"` },
  };
}

/** What is asked of one playlist holds for all that it names. */
function queryOf(delivery: Delivery | undefined): string {
  return delivery === undefined ? '' : `?delivery=${delivery}`;
}

export function nothingThere(): AppError {
  return new AppError<ErrorCode>(
    'rendition_not_found',
    'The video has nothing of that kind, or not any more.',
  );
}
