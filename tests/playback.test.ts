import { randomBytes } from 'node:crypto';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { type DatabaseHandle, openDatabase } from '../coordinator/database/database.ts';
import { silentLogger } from '../coordinator/database/test-support/silent-logger.ts';
import { VIDEO_MEDIA } from '../coordinator/playback/test-support/made-renditions.ts';
import { storeRendition } from '../coordinator/playback/test-support/stored-renditions.ts';
import { encodeRecipe, type SourceRange } from '../lib/worker-api/recipe.ts';
import { TestPostgres } from './support/postgres.ts';
import { sha256, TestCluster } from './support/test-cluster.ts';

const MIB = 1024 * 1024;
const stack = new AsyncDisposableStack();
let cluster: TestCluster;
/** Addresses of segments, and what they are. */
let made: { readonly path: string; readonly bytes: Buffer };
let stored: { readonly path: string; readonly bytes: Buffer };

beforeAll(async () => {
  const databaseUrl = await stack.use(await TestPostgres.open()).createDatabase();
  cluster = stack.use(await TestCluster.start({ databaseUrl }));
  const handle: DatabaseHandle = stack.use(
    await openDatabase({ dataDir: cluster.dataDir, databaseUrl, logger: silentLogger }),
  );
  const source = randomBytes(18 * MIB);
  const { id } = await cluster.upload(source);
  const upload = async (bytes: Buffer<ArrayBuffer>) => (await cluster.upload(bytes)).id;
  const piece = { init: Buffer.from('init'), timescale: 1000, durations: [4000] };
  const rendition = { videoId: id, media: VIDEO_MEDIA };
  const segment = randomBytes(7 * MIB);
  const storedId = await storeRendition(handle.kysely, upload, {
    ...{ ...rendition, name: 'stored' },
    pieces: [{ ...piece, segments: [segment] }],
  });
  stored = { path: `/videos/${id}/hls/${storedId}/0.m4s`, bytes: segment };
  const header = randomBytes(3000);
  const ranges: SourceRange[] = [];
  for (let at = 1000; at + 300_000 < source.length; at += 312_345)
    ranges.push({ offset: at, length: 300_000 });
  const whole = Buffer.concat([
    header,
    ...ranges.map(({ offset, length }) => source.subarray(offset, offset + length)),
  ]);
  const madeId = await storeRendition(handle.kysely, upload, {
    ...{ ...rendition, name: 'made' },
    pieces: [{ ...piece, segments: [encodeRecipe({ header, ranges })], servedLengths: [whole.length] }],
  });
  made = { path: `/videos/${id}/hls/${madeId}/0.m4s`, bytes: whole };
});
afterAll(() => stack.disposeAsync());

/** Downloads and calls `meanwhile` once, in the middle of it. */
async function downloadWith(path: string, meanwhile: () => Promise<void>): Promise<Buffer> {
  const response = await cluster.api(path);
  expect(response.status).toBe(200);
  const pieces: Uint8Array[] = [];
  let received = 0;
  let done = false;
  for await (const piece of response.body!) {
    pieces.push(piece);
    received += piece.length;
    if (done || received < MIB) continue;
    done = true;
    await meanwhile();
  }
  return Buffer.concat(pieces);
}

it('a segment that is made of its source goes on at another node when the one that sends it is killed', async () => {
  // Of three copies of each chunk one is left in the end.
  for (const index of [0, 1]) {
    const bytes = await downloadWith(made.path, () => cluster.cluster.nodes[index]!.kill());
    expect(sha256(bytes)).toBe(sha256(made.bytes));
  }
  await Promise.all([0, 1].map((index) => cluster.cluster.restartNode(index)));
  await cluster.cluster.untilReady(5);
});

it('a client that is sent to a node that has just died comes again, and gets the segment', async () => {
  const ask = async () => {
    const response = await fetch(`${cluster.url}/api/v1${stored.path}?delivery=redirect`);
    const bytes = Buffer.from(await response.arrayBuffer());
    return { url: response.url, isWhole: response.status === 200 && bytes.equals(stored.bytes) };
  };
  const first = await ask();
  expect(first).toMatchObject({ isWhole: true, url: expect.stringContaining('/slices/') });
  const origin = new URL(first.url).origin;
  const index = cluster.cluster.nodes.findIndex(({ url }) => url === origin);
  await cluster.cluster.nodes[index]!.kill();
  const attempts: (Awaited<ReturnType<typeof ask>> | undefined)[] = [];
  while (attempts.length < 3 && attempts.at(-1)?.isWhole !== true) {
    attempts.push(await ask().catch(() => undefined));
  }
  expect(attempts.at(-1)).toMatchObject({ isWhole: true });
});
