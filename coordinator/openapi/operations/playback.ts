import { deliveryQuerySchema, playbackSchema, playbackUrlSchema } from '../../playback/schema.ts';
import { type Description, group } from '../description.ts';
import { VIDEO_ID } from '../examples.ts';
import type { AnswerHeader } from '../headers.ts';

const RENDITION_ID = '019bcb57-5a30-7e11-8c2d-6f4b1a9e0d37';
const GRANT = '019bcb3f0d90.cGxheWJhY2s.c2lnbmF0dXJl';

const HEADERS: readonly AnswerHeader[] = ['ETag', 'Accept-Ranges', 'Content-Length', 'Cache-Control'];

/** What is sent as a file. */
const FILE = {
  pathExample: { id: VIDEO_ID },
  requestHeaders: ['Range', 'If-Range', 'If-None-Match', 'If-Match'],
  status: 200,
  answer: '*/*',
  answerHeaders: HEADERS,
  also: {
    206: {
      description: 'The ranges asked for',
      answer: '*/*',
      answerHeaders: [...HEADERS, 'Content-Range'],
    },
    304: { description: 'The client has it', answerHeaders: ['ETag', 'Cache-Control'] },
  },
  errors: [
    'video_not_found',
    'rendition_not_found',
    'precondition_failed',
    'range_not_satisfiable',
    'chunk_unavailable',
    'cluster_not_ready',
    'too_busy',
  ],
} as const satisfies Partial<Description>;

const DELIVERED = { query: deliveryQuerySchema, queryExample: { delivery: 'redirect' } } as const;
const OF_RENDITION = { id: VIDEO_ID, rendition: RENDITION_ID };
const OF_CAPTIONS = { id: VIDEO_ID, name: 'en.vtt' };

export const PLAYBACK = group({
  tag: 'Playback',
  description:
    'HLS (RFC 8216) with CMAF segments: give players the master playlist. Playlists are revalidated, segments never change. What a video can be played from grows while it is transcoded.',
  operations: {
    'GET /api/v1/videos/{id}/hls/master.m3u8': {
      ...FILE,
      ...DELIVERED,
      summary: 'The master playlist',
      details: 'Lists all renditions that are ready, their sound, and captions among the attachments.',
    },
    'GET /api/v1/videos/{id}/hls/{rendition}/index.m3u8': {
      ...FILE,
      ...DELIVERED,
      pathExample: OF_RENDITION,
      summary: 'The playlist of a rendition',
    },
    'GET /api/v1/videos/{id}/hls/{rendition}/init-{piece}.mp4': {
      ...FILE,
      ...DELIVERED,
      pathExample: { ...OF_RENDITION, piece: '0' },
      summary: 'What goes before the segments of a rendition',
    },
    'GET /api/v1/videos/{id}/hls/{rendition}/{number}.m4s': {
      ...FILE,
      ...DELIVERED,
      pathExample: { ...OF_RENDITION, number: '17' },
      summary: 'A segment of a rendition',
      details:
        'With `delivery=redirect`, 307 to an address of a storage node that is good for two minutes at most. Who could not get it there comes again and is sent to another one, and then gets the bytes here.',
      also: {
        ...FILE.also,
        307: {
          description: 'Where the segment is to be had now',
          answerHeaders: ['Location', 'Cache-Control'],
        },
      },
    },
    'GET /api/v1/videos/{id}/hls/captions/{name}/index.m3u8': {
      ...FILE,
      pathExample: OF_CAPTIONS,
      summary: 'The playlist of captions',
    },
    'GET /api/v1/videos/{id}/hls/captions/{name}/captions.vtt': {
      ...FILE,
      pathExample: OF_CAPTIONS,
      summary: 'Captions',
      details: 'The attachment of that name, where playlists lead to.',
      answerHeaders: [...HEADERS, 'Last-Modified', 'Content-Disposition', 'Repr-Digest'],
    },
    'GET /api/v1/videos/{id}/poster.jpg': {
      ...FILE,
      summary: 'A picture of a video',
      details: 'An attached poster, if there is one, of whatever format; or a frame of the video.',
      answerHeaders: [...HEADERS, 'Last-Modified', 'Content-Disposition', 'Repr-Digest'],
    },
    'GET /api/v1/videos/{id}/storyboard.vtt': {
      ...FILE,
      summary: 'Which part of which sheet shows what second of a video',
    },
    'GET /api/v1/videos/{id}/storyboard-{number}.jpg': {
      ...FILE,
      pathExample: { id: VIDEO_ID, number: '1' },
      summary: 'A sheet of small pictures of a video',
    },
    'GET /api/v1/videos/{id}/preview.webp': {
      ...FILE,
      summary: 'Some seconds of a video, as a moving picture',
    },
    'GET /api/v1/playback/{grant}/{id}/{path}': {
      ...FILE,
      ...DELIVERED,
      pathExample: { grant: GRANT, id: VIDEO_ID, path: 'hls/master.m3u8' },
      summary: 'All of this for whoever has the address',
      details:
        '`path` is what stands behind `/videos/{id}/` above. Playlists name what they list by relative addresses, which have the grant in them as well; so one address opens all of a private video to a player.',
      also: {
        ...FILE.also,
        307: {
          description: 'Where a segment is to be had now',
          answerHeaders: ['Location', 'Cache-Control'],
        },
      },
    },
    'POST /api/v1/videos/{id}/playback-url': {
      pathExample: { id: VIDEO_ID },
      summary: 'Addresses that play a video without an account',
      details:
        'Good until they expire, or until whoever asked for them may not read the video any more. What the video does not have is null.',
      body: playbackSchema,
      bodyExample: { expiresInS: 3600 },
      status: 200,
      answer: playbackUrlSchema,
      answerExample: {
        url: `/api/v1/videos/${VIDEO_ID}/content?x-grant=${GRANT}`,
        hls: `/api/v1/playback/${GRANT}/${VIDEO_ID}/hls/master.m3u8`,
        poster: `/api/v1/playback/${GRANT}/${VIDEO_ID}/poster.jpg`,
        storyboard: null,
        preview: null,
        expiresAt: '2026-01-17T10:42:10.000Z',
      },
      errors: ['video_not_found'],
    },
  },
});
