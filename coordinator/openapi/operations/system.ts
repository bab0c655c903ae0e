import { z } from 'zod';
import { keySetSchema } from '../../auth/schema.ts';
import { healthSchema, readinessSchema } from '../../system/schema.ts';
import { group } from '../description.ts';

const READINESS = { ready: true, layout: true, database: 'ok', nodes: { up: 5, suspect: 0, down: 0 } };

export const SYSTEM = group({
  tag: 'System',
  description:
    'The process itself, and what it says of itself. These paths have no prefix and need no token.',
  operations: {
    'GET /healthz': {
      summary: 'Whether the process lives',
      status: 200,
      answer: healthSchema,
      answerExample: { status: 'ok' },
    },
    'GET /readyz': {
      summary: 'Whether it can serve',
      details: 'It can when a layout exists, the database answers and a write quorum of storage nodes is up.',
      status: 200,
      answer: readinessSchema,
      answerExample: READINESS,
      also: {
        503: {
          description: 'Not now',
          answer: readinessSchema,
          answerExample: { ...READINESS, ready: false, nodes: { up: 1, suspect: 1, down: 3 } },
        },
      },
    },
    'GET /metrics': {
      summary: 'Metrics for Prometheus',
      status: 200,
      answer: 'text/plain',
      answerExample:
        '# HELP orbitvids_swept_chunks Chunks that nobody named and that were removed\n# TYPE orbitvids_swept_chunks gauge\norbitvids_swept_chunks 12\n',
    },
    'GET /openapi.json': {
      summary: 'This document',
      requestHeaders: ['If-None-Match'],
      status: 200,
      answer: z.looseObject({ openapi: z.literal('3.1.1'), info: z.looseObject({ title: z.string() }) }),
      answerExample: { openapi: '3.1.1', info: { title: 'OrbitVids', version: '0.1.0' }, paths: {} },
      answerHeaders: ['ETag', 'Cache-Control'],
      also: { 304: { description: 'The client has it', answerHeaders: ['ETag'] } },
    },
    'GET /docs': {
      summary: 'This document as a page',
      status: 200,
      answer: 'text/html',
      answerExample: '<!doctype html><title>OrbitVids API</title>',
      answerHeaders: ['ETag', 'Cache-Control'],
      requestHeaders: ['If-None-Match'],
      also: { 304: { description: 'The client has it', answerHeaders: ['ETag'] } },
    },
    'GET /docs/reference.js': {
      summary: 'The script of the page',
      requestHeaders: ['If-None-Match'],
      status: 200,
      answer: 'text/javascript',
      answerExample: '(function(){})()',
      answerHeaders: ['ETag', 'Cache-Control'],
      also: { 304: { description: 'The client has it', answerHeaders: ['ETag'] } },
    },
    'GET /.well-known/jwks.json': {
      summary: 'The public keys of access tokens',
      details:
        'By these any service verifies access tokens (RFC 7517). It must insist on `RS256`, on `typ` `at+jwt`, on `aud` `orbitvids` and on `iss` `urn:orbitvids:cluster:<id>`.',
      status: 200,
      answer: keySetSchema,
      answerExample: {
        keys: [
          {
            kid: '019bcb3f-0d90-7a11-8c55-3e7d2b9f6a40',
            kty: 'RSA',
            use: 'sig',
            alg: 'RS256',
            n: 'sXchDaQebHnPiGvyDOAT4saGEUetSyo9MKLOoWFsueri23bOdgWp4Dy1WlUzewbgBHod5pcM9H95GQRV3JDXbo',
            e: 'AQAB',
          },
        ],
      },
      answerHeaders: ['Cache-Control'],
    },
  },
});
