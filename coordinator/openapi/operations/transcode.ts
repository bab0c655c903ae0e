import {
  appendQuerySchema,
  completeSchema,
  failSchema,
  heartbeatAnswerSchema,
  heartbeatSchema,
  leaseRequestSchema,
  leaseSchema,
  openOutputSchema,
  outputSchema,
  releaseSchema,
} from '../../../lib/worker-api/protocol.ts';
import {
  jobDetailsSchema,
  jobListSchema,
  jobSchema,
  jobsQuerySchema,
  retrySchema,
  workersSchema,
} from '../../transcode/schema.ts';
import { group } from '../description.ts';
import { CREATED_AT, LATER, VIDEO_ID } from '../examples.ts';

const JOB_ID = '019bcb58-2b40-7c8e-8f33-9e4dbf2f7c66';
const TASK_ID = '019bcb58-2b41-7d9f-9044-af5ec0308d77';
const WORKER_ID = '019bcb58-2b42-7ea0-8155-b06fd1419e88';

const JOB = {
  id: JOB_ID,
  videoId: VIDEO_ID,
  state: 'running',
  progress: 0.42,
  reason: null,
  source: 'keep',
  createdAt: CREATED_AT,
  startedAt: CREATED_AT,
  finishedAt: null,
  links: { self: `/api/v1/jobs/${JOB_ID}`, video: `/api/v1/videos/${VIDEO_ID}` },
};

const DETAILS = {
  ...JOB,
  renditions: [{ name: '480p', kind: 'video', pieces: 8, piecesDone: 3, isPublished: false }],
  tasks: [
    {
      id: TASK_ID,
      kind: 'encode',
      state: 'running',
      progress: 0.5,
      attempts: 0,
      worker: 'worker-1',
      reason: null,
      renditions: ['480p', '360p'],
      startedAt: LATER,
      finishedAt: null,
    },
  ],
  taskCounts: { complete: 3, running: 1, queued: 4 },
};

const TASK_PATH = { id: TASK_ID };
const LEASE_ERRORS = ['lease_lost'] as const;

export const JOBS = group({
  tag: 'Transcoding',
  description:
    'Every video is transcoded after its upload, by workers that may run anywhere. A job is one transcoding of a video; its tasks are what workers do at a time. Jobs in state `failed` were tried as often as makes sense, and wait for somebody to look at them.',
  operations: {
    'GET /api/v1/jobs': {
      summary: 'Jobs of one’s own videos, newest first',
      details: 'Administrators see those of all videos.',
      query: jobsQuerySchema,
      queryExample: { state: 'failed', limit: '20' },
      status: 200,
      answer: jobListSchema,
      answerExample: { items: [JOB], nextCursor: null },
      answerHeaders: ['Cache-Control'],
    },
    'GET /api/v1/jobs/{id}': {
      pathExample: { id: JOB_ID },
      summary: 'A job with its renditions and tasks',
      status: 200,
      answer: jobDetailsSchema,
      answerExample: DETAILS,
      answerHeaders: ['Cache-Control'],
      errors: ['job_not_found'],
    },
    'POST /api/v1/jobs/{id}/retry': {
      pathExample: { id: JOB_ID },
      summary: 'Try what failed again',
      body: retrySchema,
      bodyExample: { rendition: '480p' },
      status: 200,
      answer: jobDetailsSchema,
      answerExample: DETAILS,
      answerHeaders: ['Cache-Control'],
      errors: ['job_not_found', 'nothing_to_do', 'conflict', 'source_required'],
    },
    'POST /api/v1/jobs/{id}/cancel': {
      pathExample: { id: JOB_ID },
      summary: 'Stop a job',
      details: 'What is published already can still be played.',
      status: 200,
      answer: jobDetailsSchema,
      answerExample: { ...DETAILS, state: 'cancelled', finishedAt: LATER },
      answerHeaders: ['Cache-Control'],
      errors: ['job_not_found', 'nothing_to_do'],
    },
    'POST /api/v1/videos/{id}/transcode': {
      pathExample: { id: VIDEO_ID },
      summary: 'Transcode a video once more',
      details:
        'What it has is replaced, one rendition after the other, as soon as there is something in its place.',
      status: 202,
      answer: jobSchema,
      answerExample: { ...JOB, state: 'queued', progress: 0, startedAt: null },
      answerHeaders: ['Location'],
      errors: ['video_not_found', 'job_running', 'source_required'],
    },
    'GET /api/v1/workers': {
      summary: 'Transcode workers, and what they do',
      status: 200,
      answer: workersSchema,
      answerExample: {
        items: [
          {
            id: WORKER_ID,
            name: 'worker-1',
            concurrency: 1,
            isRunning: true,
            startedAt: CREATED_AT,
            seenAt: LATER,
            tasks: [{ id: TASK_ID, kind: 'encode', videoId: VIDEO_ID }],
          },
        ],
      },
      answerHeaders: ['Cache-Control'],
    },
  },
});

export const WORKERS = group({
  tag: 'Workers',
  description:
    'What transcode workers ask. Whoever leases a task has it as long as it sends heartbeats; what comes under the `fence` of a lease that is lost is refused.',
  operations: {
    'POST /api/v1/workers/lease': {
      summary: 'Take the next task',
      details: '204: there is none.',
      body: leaseRequestSchema,
      bodyExample: { workerId: WORKER_ID, name: 'worker-1', concurrency: 1, waitMs: 20_000 },
      status: 200,
      answer: leaseSchema,
      answerExample: {
        task: { kind: 'inspect', taskId: TASK_ID, videoId: VIDEO_ID, sourceBytes: 7_340_032 },
        fence: 1,
        leaseMs: 10_000,
        heartbeatMs: 2500,
        sourceUrl: `/api/v1/videos/${VIDEO_ID}/content?x-grant=...`,
      },
      answerHeaders: ['Cache-Control'],
      also: { 204: { description: 'There is no task.' } },
    },
    'POST /api/v1/workers/tasks/{id}/heartbeat': {
      pathExample: TASK_PATH,
      summary: 'Keep a task',
      body: heartbeatSchema,
      bodyExample: { fence: 1, progress: 0.5 },
      status: 200,
      answer: heartbeatAnswerSchema,
      answerExample: { sourceUrl: `/api/v1/videos/${VIDEO_ID}/content?x-grant=...` },
      answerHeaders: ['Cache-Control'],
      errors: LEASE_ERRORS,
    },
    'POST /api/v1/workers/tasks/{id}/outputs': {
      pathExample: TASK_PATH,
      summary: 'Begin an object',
      body: openOutputSchema,
      bodyExample: { fence: 1, name: '480p', contentType: 'video/mp4' },
      status: 201,
      answer: outputSchema,
      answerExample: { size: 0 },
      errors: LEASE_ERRORS,
    },
    'PUT /api/v1/workers/tasks/{id}/outputs/{name}': {
      pathExample: { id: TASK_ID, name: '480p' },
      summary: 'Add to an object',
      details:
        'At most 8 MiB at a time, which are one chunk. `upload_offset_mismatch` says in `size` where to go on.',
      query: appendQuerySchema,
      queryExample: { fence: '1', offset: '0' },
      body: ['application/octet-stream'],
      status: 200,
      answer: outputSchema,
      answerExample: { size: 2_097_152 },
      errors: [
        ...LEASE_ERRORS,
        'upload_offset_mismatch',
        'empty_body',
        'incomplete_body',
        'body_too_large',
        'request_timeout',
        'write_quorum_unavailable',
        'insufficient_storage',
        'cluster_not_ready',
      ],
    },
    'POST /api/v1/workers/tasks/{id}/complete': {
      pathExample: TASK_PATH,
      summary: 'Hand in what a task has made',
      body: completeSchema,
      bodyExample: {
        fence: 1,
        result: {
          kind: 'pictures',
          pictures: [
            { output: 'poster', name: 'poster.jpg', contentType: 'image/jpeg', width: 1280, height: 720 },
          ],
        },
      },
      status: 204,
      errors: [...LEASE_ERRORS, 'upload_expired', 'conflict', 'rendition_not_found', 'video_not_found'],
    },
    'POST /api/v1/workers/tasks/{id}/fail': {
      pathExample: TASK_PATH,
      summary: 'Say that a task cannot be done',
      body: failSchema,
      bodyExample: {
        fence: 1,
        code: 'unplayable',
        reason: 'The file has no pictures and no sound.',
        retryable: false,
      },
      status: 204,
      errors: LEASE_ERRORS,
    },
    'POST /api/v1/workers/tasks/{id}/release': {
      pathExample: TASK_PATH,
      summary: 'Give a task back',
      body: releaseSchema,
      bodyExample: { fence: 1 },
      status: 204,
      errors: LEASE_ERRORS,
    },
  },
});
