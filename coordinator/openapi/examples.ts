/** What the examples of several operations show, so that they tell one story. */

export const USER_ID = '019bcb4a-20f4-7d51-8b0e-6a1f4c2e9d70';
export const VIDEO_ID = '019bcb4e-7a10-7c3e-9a54-3f1f0f6d2b11';
export const MOVIE_ID = '019bcb55-2c10-7d42-9e61-0b7a3c5d8f44';
export const REBALANCE_ID = '019bcb52-90ab-7f10-b3d4-2c5e8a7f6b33';
export const CLUSTER_ID = '019bcb3f-0c57-7e6a-a2b1-90d4f7c3e815';
/** Four that own ranges, and one that joins. */
export const NODE_IDS = [
  '019bcb40-0d11-7b42-9c31-1f6a2e8d7c01',
  '019bcb40-0f2e-76d8-8e14-7b3c5d9e1a02',
  '019bcb40-11d2-7a3b-8c21-5a0e6f0d9c03',
  '019bcb40-1403-7c9f-b6e7-2d8f4a1b3c04',
  '019bcb51-3b60-7d05-a4c8-6e9b0f2d1a05',
] as const;

export const CREATED_AT = '2026-01-17T09:30:00.000Z';
export const LATER = '2026-01-17T09:42:10.512Z';

export const USER = {
  id: USER_ID,
  email: 'vera@example.org',
  name: 'Vera',
  role: 'uploader',
  disabled: false,
  quotaBytes: null,
  quotaVideos: null,
  createdAt: CREATED_AT,
  updatedAt: CREATED_AT,
  lastLoginAt: LATER,
};

export const USAGE = {
  bytes: 7_340_032,
  videos: 1,
  reservedBytes: 0,
  reservedVideos: 0,
  bytesMax: 1_099_511_627_776,
  videosMax: null,
};

export const PASSWORD = 'quiet-lemur-lantern';
export const ACCESS_TOKEN = 'eyJhbGciOiJSUzI1NiIsInR5cCI6ImF0K2p3dCJ9.eyJzdWIiOiIwMTliY2I0YSJ9.c2lnbmF0dXJl';
export const REFRESH_TOKEN = 'ovr_T3JiaXRWaWRzUmVmcmVzaFRva2VuRXhhbXBsZQ';

export const VIDEO = {
  id: VIDEO_ID,
  ownerId: USER_ID,
  visibility: 'public',
  title: 'A walk by the sea',
  description: 'Filmed in January.',
  filename: 'holiday.mp4',
  contentType: 'video/mp4',
  size: 7_340_032,
  sha256: '8d3418250e021070c09b128de1f41bf0373d59d6423d732589f60b55d99f2a4b',
  media: {
    status: 'playable',
    reason: null,
    durationSeconds: 29.5,
    width: 1280,
    height: 720,
    frameRate: 30,
    hasAudio: true,
    progress: 0.42,
  },
  source: { status: 'stored', droppedAt: null },
  createdAt: CREATED_AT,
  updatedAt: LATER,
  links: {
    content: `/api/v1/videos/${VIDEO_ID}/content`,
    hls: `/api/v1/videos/${VIDEO_ID}/hls/master.m3u8`,
    poster: `/api/v1/videos/${VIDEO_ID}/poster.jpg`,
  },
};

export const MOVIE_FIELDS = {
  title: 'The Wizard of Oz',
  originalTitle: null,
  year: 1939,
  directors: ['Victor Fleming'],
  genres: ['Adventure', 'Family', 'Fantasy', 'Musical'],
  score: 8.3,
  popularity: 83,
  runtimeMinutes: 102,
  synopsis: 'A girl from Kansas follows a yellow road.',
  poster: 'https://images.example/oz.jpg',
  videoId: VIDEO_ID,
};

export const MOVIE = { id: MOVIE_ID, ...MOVIE_FIELDS, createdAt: CREATED_AT, updatedAt: LATER };
