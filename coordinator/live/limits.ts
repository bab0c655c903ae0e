import { ACCESS_TOKEN_TTL_S } from '../auth/limits.ts';

/** Bounds of the streams that tell how videos are, with their units. */

/** Streams of this coordinator, all together and of one user, or of one address without a login. */
export const STREAMS_MAX = 2000;
export const STREAMS_PER_CLIENT_MAX = 32;
/** When a client that has too many may come again. */
export const STREAMS_RETRY_S = 30;
/** Videos that one stream may name. */
export const VIDEOS_NAMED_MAX = 50;
/** Of a user's own videos, those under way that are told at first; the latest ones. */
export const VIDEOS_BEGUN_MAX = 100;
/** Of a user's own videos, those whose edits and deletion are told: the ones that were told of last. */
export const VIDEOS_KNOWN_MAX = 300;
/** Videos of which one stream has news that its client has not read; then it is cut off and may come back. */
export const NEWS_WAITING_MAX = 500;
/** News of one video is gathered for so long, so that it is read once for all who follow it. */
export const GATHER_MS = 250;
/** Videos that are read with one look into the database. */
export const READ_AT_ONCE_MAX = 100;
/** So that proxies and clients see that the stream lives. */
export const HEARTBEAT_MS = 15_000;
/** Whoever reads nothing for so long is cut off. */
export const READER_STALL_MS = 30_000;
/** As long as a token is good: no stream goes on for longer after its own has expired. Its client comes again with a fresh one. */
export const STREAM_LIFETIME_MS = ACCESS_TOKEN_TTL_S * 1000;
/** When clients come back, said in the stream. */
export const RECONNECT_MS = 1000;
