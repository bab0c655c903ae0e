import { availableParallelism } from 'node:os';
import { expect, test } from 'vitest';
import { deriveWorkerToken } from '../lib/worker-api/worker-token.ts';
import { readWorkerConfig } from './config.ts';

const SECRET = 'the-cluster-secret-of-the-tests';

test('the cluster’s secret is enough, and a token goes before it', () => {
  const config = readWorkerConfig(['--coordinator', 'http://10.0.0.1:5000/'], { CLUSTER_SECRET: SECRET });
  expect(config).toMatchObject({ coordinatorUrl: 'http://10.0.0.1:5000', token: deriveWorkerToken(SECRET) });
  expect(config.token).not.toContain(SECRET);
  // Compose passes variables that are empty.
  const empty = readWorkerConfig([], { CLUSTER_SECRET: SECRET, WORKER_TOKEN: '', CONCURRENCY: '' });
  expect(empty).toMatchObject({ token: config.token, concurrency: availableParallelism() });
  const own = readWorkerConfig([], { CLUSTER_SECRET: SECRET, WORKER_TOKEN: 'a-token-of-their-own' });
  expect(own.token).toBe('a-token-of-their-own');
});

test.each([
  [[], {}, 'WORKER_TOKEN'],
  [[], { WORKER_TOKEN: 'short' }, 'WORKER_TOKEN'],
  [['--coordinator', 'ftp://x'], { CLUSTER_SECRET: SECRET }, 'COORDINATOR_URL'],
  [['--concurrency', '0'], { CLUSTER_SECRET: SECRET }, 'CONCURRENCY'],
  [['--dance'], { CLUSTER_SECRET: SECRET }, '--dance'],
] as const)('%j with %j names %s', (args, environment, name) => {
  expect(() => readWorkerConfig(args, environment)).toThrow(name);
});
