export const POSTER_WIDTH_MAX = 1280;
/** Share of the video in which a poster is looked for: what comes late gives things away. */
export const POSTER_SHARE = 0.4;

export const TILE_WIDTH = 160;
export const SHEET_COLUMNS = 10;
export const SHEET_TILES = 100;
export const TILES_MAX = 400;
export const TILE_SECONDS_MIN = 2;
/** Up to this length every tile shows its very moment; of longer videos the keyframe before it, which costs no decoding. */
export const EXACT_SECONDS_MAX = 300;

export const PREVIEW_WIDTH = 320;
export const PREVIEW_SCENES = 4;
export const PREVIEW_SCENE_SECONDS = 0.8;
export const PREVIEW_RATE = 10;

/** Of the JPEG encoder, 2 (best) to 31. */
export const POSTER_QUANTIZER = 3;
export const SHEET_QUANTIZER = 5;
/** Of the WebP encoder, 0 to 100. */
export const PREVIEW_QUALITY = 50;
