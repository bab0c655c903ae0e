/** Bounds of playback, with their units. */

const MIB = 1024 * 1024;

/** What is kept in memory of renditions' segments, estimated. A two-hour rendition takes about 40 KiB. */
export const CACHED_TABLES_BYTES_MAX = 64 * MIB;
export const CACHED_TABLES_MAX = 20_000;
/** What is kept of videos: which renditions and pictures they have. */
export const CACHED_VIDEOS_BYTES_MAX = 16 * MIB;
export const CACHED_VIDEOS_MAX = 10_000;
/** Playlists of renditions. */
export const CACHED_PLAYLISTS_BYTES_MAX = 16 * MIB;
export const CACHED_PLAYLISTS_MAX = 10_000;
/** Recipes of virtual segments. */
export const CACHED_RECIPES_BYTES_MAX = 32 * MIB;
export const CACHED_RECIPE_PAGES_MAX = 10_000;
/** Recipes that begin within so many bytes are read together: of a node that is one block, whatever is asked of it. */
export const RECIPE_PAGE_BYTES = 64 * 1024;
/** No encoder writes a longer one within the bounds of `recipe.ts`. */
export const RECIPE_BYTES_MAX = 2 * MIB;

/** While so little is being sent, the next range is asked for already. */
export const READ_AHEAD_BYTES = MIB;

/** How long the URL of a segment on a node is good at most; half of that at least. */
export const SEGMENT_URL_LIFETIME_S = 120;
/** Of which addresses are remembered, about 1 KiB each; with more, all are forgotten, which costs an HMAC each. */
export const SIGNED_SEGMENTS_MAX = 8192;
/** A viewer that comes again for a segment within this time did not get it where it was sent. */
export const REDIRECT_MEMORY_MS = 30_000;
/** About 50 bytes each: enough for 4,000 redirects a second. */
export const REMEMBERED_REDIRECTS_MAX = 128 * 1024;
/** So often a client is sent to another node for one segment; after that it gets the bytes here. */
export const REDIRECTS_MAX = 2;

/** Average bits a second of the variant that players begin with, at most, if there is one. */
export const FIRST_VARIANT_BITS_MAX = 3_000_000;
