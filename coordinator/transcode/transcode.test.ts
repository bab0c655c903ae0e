import { v7 as uuidv7 } from 'uuid';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { resultSchema } from '../../lib/worker-api/tasks.ts';
import type { DatabaseHandle } from '../database/database.ts';
import { ENGINES, openTestDatabase } from '../database/test-support/engines.ts';
import { TranscodeWorld } from './test-support/transcode-world.ts';

describe.each(ENGINES)('on %s', (engine) => {
  let database: DatabaseHandle;
  let world: TranscodeWorld;
  beforeAll(async () => {
    database = await openTestDatabase(engine);
    world = await TranscodeWorld.open(database);
  });
  afterAll(() => database[Symbol.asyncDispose]());

  /** Leases of which nobody has said anything for too long. */
  const forgetLeases = () =>
    world.kysely
      .updateTable('transcode_tasks')
      .set({ lease_expires_at: new Date(Date.now() - 1000) })
      .where('state', '=', 'running')
      .execute();
  const makeDue = () =>
    world.kysely
      .updateTable('transcode_tasks')
      .set({ due_at: new Date(0) })
      .execute();
  const eventsOf = (videoId: string) =>
    world.events.filter(({ video }) => video.id === videoId).map(({ type }) => type);

  test('a playable video can be played after its inspection, and is ready when all is made', async () => {
    const id = await world.addVideo();
    expect(await world.statusOf(id)).toMatchObject({ status: 'processing', probe: null });
    await world.inspect({ isPlayable: true, hasAudio: true });
    expect(await world.statusOf(id)).toMatchObject({ status: 'playable', probe: { durationSeconds: 16 } });
    expect(await world.work()).toEqual(['pictures', 'encode']);
    expect(await world.statusOf(id)).toMatchObject({ status: 'ready', progress: 1, reason: null });
    expect(await world.jobOf(id)).toMatchObject({ state: 'complete', progress: 1 });
    const made = await world.renditions.list(id);
    expect(made.map(({ name, origin, isReady }) => [name, origin, isReady]).sort()).toEqual([
      ['240p', 'encoded', true],
      ['360p', 'encoded', true],
      ['480p', 'virtual', true],
      ['audio', 'virtual', true],
    ]);
    expect((await world.renditions.pictures(id)).map(({ name }) => name)).toEqual(['poster.jpg']);
    expect(eventsOf(id)).toEqual(['video.uploaded', 'video.playable', 'video.ready']);
  });

  test('pictures wait for sound, and a rendition for its last piece', async () => {
    const id = await world.addVideo();
    await world.inspect({ seconds: 40, hasAudio: true });
    const audio = await world.leaseOf('audio');
    const [first, second] = [await world.leaseOf('encode'), await world.leaseOf('encode')];
    for (const lease of [second, first]) await world.service.complete(lease, await world.resultOf(lease));
    expect(await world.statusOf(id)).toMatchObject({ status: 'processing' });
    await world.service.complete(audio, await world.resultOf(audio));
    expect(await world.statusOf(id)).toMatchObject({ status: 'playable' });
    const shown = (await world.renditions.list(id)).filter(({ isReady }) => isReady);
    expect(shown.map(({ name }) => name).sort()).toEqual(['240p', 'audio']);
    const rendition = shown.find(({ name }) => name === '240p')!;
    expect((await world.renditions.pieces(rendition.id)).map(({ index }) => index)).toEqual([0, 1]);
    await world.work();
    expect(await world.statusOf(id)).toMatchObject({ status: 'ready' });
  });

  test('no video: said so, and never tried again', async () => {
    const id = await world.addVideo();
    const lease = await world.leaseOf('inspect');
    const failure = { code: 'unplayable' as const, reason: 'This is a letter.', retryable: false };
    await world.service.fail(lease, failure);
    expect(await world.statusOf(id)).toMatchObject({ status: 'unplayable', reason: 'This is a letter.' });
    expect(await world.jobOf(id)).toMatchObject({ state: 'failed', reason: 'This is a letter.' });
    expect(await world.lease()).toBeNull();
    expect(eventsOf(id)).toEqual(['video.uploaded', 'video.failed']);
  });

  test('what fails is tried again after a while, and lies among the failed ones in the end', async () => {
    const id = await world.addVideo();
    const failure = { code: 'failed' as const, reason: 'The disk is full.', retryable: true };
    for (let attempt = 1; attempt <= 4; attempt++) {
      const lease = await world.leaseOf('inspect');
      expect(lease.fence).toBe(attempt);
      await world.service.fail(lease, failure);
      // Not at once.
      expect(await world.lease()).toBeNull();
      await makeDue();
    }
    expect(await world.lease()).toBeNull();
    expect(await world.statusOf(id)).toMatchObject({ status: 'failed', reason: 'The disk is full.' });
    const dead = await world.jobService.list({ limit: 10, state: 'failed' });
    expect(dead.jobs.map(({ videoId }) => videoId)).toContain(id);
    await world.jobService.retry(await world.jobOf(id));
    expect(await world.jobOf(id)).toMatchObject({ state: 'running', reason: null });
    await world.work();
    expect(await world.statusOf(id)).toMatchObject({ status: 'ready', reason: null });
    await expect(world.jobService.retry(await world.jobOf(id))).rejects.toMatchObject({
      code: 'nothing_to_do',
    });
  });

  test('one rendition is tried again alone', async () => {
    const id = await world.addVideo();
    await world.inspect({ isPlayable: true });
    for (let lease = await world.lease(); lease !== null; lease = await world.lease()) {
      await world.service.fail(lease, { code: 'failed', reason: 'No.', retryable: false });
    }
    // The source itself can be played.
    expect(await world.statusOf(id)).toMatchObject({ status: 'playable', reason: 'No.' });
    const job = await world.jobOf(id);
    await expect(world.jobService.retry(job, '1080p')).rejects.toMatchObject({ code: 'nothing_to_do' });
    await world.jobService.retry(job, '360p');
    expect(await world.work()).toEqual(['encode']);
    expect(await world.statusOf(id)).toMatchObject({ status: 'ready' });
    expect(await world.jobOf(id)).toMatchObject({ state: 'failed' });
  });

  test('a worker that is silent loses its task to another one, and can commit nothing any more', async () => {
    const id = await world.addVideo();
    const late = await world.leaseOf('inspect');
    const result = await world.inspection(late, { isPlayable: true });
    await forgetLeases();
    expect(await world.service.runOnce()).toBe(1);
    const next = await world.leaseOf('inspect');
    expect([next.taskId, next.fence]).toEqual([late.taskId, late.fence + 1]);
    const lost = { code: 'lease_lost' };
    await expect(world.service.complete(late, result)).rejects.toMatchObject(lost);
    await expect(world.service.heartbeat(late, 0.5)).rejects.toMatchObject(lost);
    await expect(world.append(late, 'video', 40, 'more')).rejects.toMatchObject(lost);
    await expect(world.write(late, 'other', 1)).rejects.toMatchObject(lost);
    await expect(world.service.release(late)).rejects.toMatchObject(lost);
    const failure = { code: 'failed' as const, reason: 'No.', retryable: false };
    await expect(world.service.fail(late, failure)).rejects.toMatchObject(lost);
    expect(await world.statusOf(id)).toMatchObject({ status: 'processing', probe: null });
    // What it wrote is nobody's.
    expect(await world.kysely.selectFrom('transcode_outputs').selectAll().execute()).toEqual([]);
    await world.service.complete(next, await world.inspection(next, { isPlayable: true }));
    await world.work();
    expect(await world.statusOf(id)).toMatchObject({ status: 'ready' });
  });

  test('a heartbeat keeps a task, and says how far it is', async () => {
    const id = await world.addVideo();
    await world.inspect({});
    const lease = (await world.lease())!;
    await forgetLeases();
    expect(await world.service.heartbeat(lease, 0.5)).toEqual({ sourceUrl: `/videos/${id}` });
    expect(await world.service.runOnce()).toBe(0);
    const { tasks } = await world.jobService.details(await world.jobOf(id));
    expect(tasks.find((task) => task.id === lease.taskId)?.progress).toBeCloseTo(0.5);
    await world.service.release(lease);
    await world.work();
  });

  test('what is handed back is taken at once, and counts for nothing', async () => {
    const id = await world.addVideo();
    for (let turn = 0; turn < 6; turn++) await world.service.release(await world.leaseOf('inspect'));
    await world.work();
    expect(await world.statusOf(id)).toMatchObject({ status: 'ready' });
  });

  test('what is said twice, because an answer was lost, is done once', async () => {
    const id = await world.addVideo();
    const lease = await world.leaseOf('inspect');
    const opened = { name: 'video', contentType: 'video/mp4' };
    await world.service.openOutput(lease, opened);
    expect(await world.append(lease, 'video', 0, '0123456789')).toBe(10);
    expect(await world.append(lease, 'video', 0, '0123456789')).toBe(10);
    expect((await world.service.openOutput(lease, opened)).size).toBe(10);
    await expect(world.append(lease, 'video', 3, '0123456789')).rejects.toMatchObject({
      code: 'upload_offset_mismatch',
      details: { size: 10 },
    });
    // Of an addition that broke off, the next one is told how far it came.
    world.cutAfterBytes = 4;
    await expect(world.append(lease, 'video', 10, '0123456789')).rejects.toThrow('the nodes have gone');
    world.cutAfterBytes = Number.POSITIVE_INFINITY;
    await expect(world.append(lease, 'video', 10, '0123456789')).rejects.toMatchObject({
      details: { size: 14 },
    });
    // Of two that are the same, at the same time, one is kept.
    const both = await Promise.allSettled([0, 1].map(() => world.append(lease, 'video', 14, '456789')));
    expect(both.filter(({ status }) => status === 'fulfilled').length).toBeGreaterThan(0);
    for (const one of both) {
      if (one.status === 'rejected') expect(one.reason).toMatchObject({ details: { size: 20 } });
    }
    expect(await world.append(lease, 'video', 14, '456789')).toBe(20);
    const result = await world.inspection({ ...lease }, { seconds: 8 });
    const piece = {
      output: 'video',
      init: 'aW5pdA==',
      timescale: 1000,
      durations: [4000, 4000],
      lengths: [10, 10],
    };
    const format = { codecs: 'avc1', width: 640, height: 480, frameRate: 25 };
    const whole = { ...result, video: { name: '480p', format, piece } };
    await world.service.complete(lease, whole);
    await world.service.complete(lease, whole);
    const [rendition] = await world.renditions.list(id);
    const [stored] = await world.renditions.pieces(rendition!.id);
    expect(stored?.object.chunks.map(({ length }) => length)).toEqual([10, 4, 6]);
    await world.work();
    expect(await world.jobOf(id)).toMatchObject({ state: 'complete' });
  });

  test('a result that is not what was asked for changes nothing', async () => {
    const id = await world.addVideo();
    await world.inspect({ isPlayable: true });
    const pictures = await world.leaseOf('pictures');
    await world.service.complete(pictures, await world.resultOf(pictures));
    const lease = await world.leaseOf('encode');
    const good = await world.resultOf(lease);
    if (good.kind !== 'encode') throw new Error('expected encode');
    const [first, ...others] = good.videos;
    const withPiece = (changes: object) => [{ ...first!, piece: { ...first!.piece, ...changes } }, ...others];
    const bad = [
      { kind: 'pictures', pictures: [] },
      { ...good, videos: others },
      { ...good, videos: [first!, ...good.videos] },
      { ...good, videos: [{ ...first!, name: '9000p' }, ...others] },
      { ...good, videos: withPiece({ output: others[0]!.piece.output }) },
      { ...good, videos: withPiece({ durations: [4000], lengths: [40] }) },
      { ...good, videos: withPiece({ lengths: [10, 10, 10, 11] }) },
    ];
    for (const result of bad) {
      const parsed = resultSchema.parse(result);
      await expect(world.service.complete(lease, parsed)).rejects.toMatchObject({ code: 'invalid_request' });
    }
    const without = resultSchema.parse({ ...good, videos: withPiece({ output: 'nothing' }) });
    await expect(world.service.complete(lease, without)).rejects.toMatchObject({ code: 'upload_expired' });
    expect((await world.renditions.list(id)).map(({ name }) => name)).toEqual(['480p']);
    await world.service.complete(lease, good);
    expect(await world.statusOf(id)).toMatchObject({ status: 'ready' });
  });

  test('a video without its poster is ready all the same; the job says what is missing', async () => {
    const id = await world.addVideo();
    await world.inspect({ isPlayable: true });
    const lease = await world.leaseOf('pictures');
    await world.service.fail(lease, { code: 'failed', reason: 'All is black.', retryable: false });
    expect(await world.work()).toEqual(['encode']);
    expect(await world.statusOf(id)).toMatchObject({ status: 'ready', reason: 'All is black.' });
    expect(await world.jobOf(id)).toMatchObject({ state: 'failed', reason: 'All is black.' });
    expect(eventsOf(id)).toEqual(['video.uploaded', 'video.playable', 'video.ready']);
  });

  test('what cannot be copied is encoded', async () => {
    const id = await world.addVideo();
    const inspection = await world.leaseOf('inspect');
    const found = await world.inspection(inspection, { hasAudio: true });
    await world.service.complete(inspection, { ...found, copyable: { video: true, audio: [0] } });
    const copy = await world.leaseOf('copy');
    await world.service.fail(copy, { code: 'failed', reason: 'Broken.', retryable: false });
    expect(new Set(await world.work())).toEqual(new Set(['audio', 'encode', 'pictures']));
    expect(await world.statusOf(id)).toMatchObject({ status: 'ready', reason: null });
    expect(await world.jobOf(id)).toMatchObject({ state: 'complete', reason: null });
  });

  test('pictures that can be played at once wait for sound that has to be copied', async () => {
    const id = await world.addVideo();
    const inspection = await world.leaseOf('inspect');
    const { audio, ...found } = await world.inspection(inspection, { isPlayable: true, hasAudio: true });
    await world.service.complete(inspection, {
      ...{ ...found, audio: [] },
      copyable: { video: false, audio: [0] },
    });
    expect(await world.statusOf(id)).toMatchObject({ status: 'processing' });
    const copy = await world.leaseOf('copy');
    const piece = await world.write(copy, 'audio-0', 4);
    await world.service.complete(copy, {
      ...{ kind: 'copy', plan: null, video: null },
      audio: [{ ...audio[0]!, piece }],
    });
    expect(await world.statusOf(id)).toMatchObject({ status: 'playable' });
    const shown = (await world.renditions.list(id)).filter(({ isReady }) => isReady);
    expect(shown.map(({ name }) => name).sort()).toEqual(['480p', 'audio']);
    await world.work();
    expect(await world.statusOf(id)).toMatchObject({ status: 'ready' });
  });

  test('a cancelled job takes its tasks from workers, and leaves what can be played', async () => {
    const id = await world.addVideo();
    await world.inspect({ isPlayable: true });
    const lease = (await world.lease())!;
    const result = await world.resultOf(lease);
    const job = await world.jobOf(id);
    await world.jobService.cancel(job);
    await expect(world.service.complete(lease, result)).rejects.toMatchObject({ code: 'lease_lost' });
    expect(await world.lease()).toBeNull();
    expect(await world.jobOf(id)).toMatchObject({ state: 'cancelled' });
    expect(await world.statusOf(id)).toMatchObject({ status: 'playable' });
    expect((await world.renditions.list(id)).map(({ name }) => name)).toEqual(['480p']);
    await expect(world.jobService.cancel(job)).rejects.toMatchObject({ code: 'nothing_to_do' });
    await expect(world.jobService.retry(job)).rejects.toMatchObject({ code: 'nothing_to_do' });
    // Once more, in place of what is there.
    const again = await world.jobService.restart(id);
    await expect(world.jobService.restart(id)).rejects.toMatchObject({ code: 'job_running' });
    const [before] = await world.renditions.list(id);
    await world.inspect({ isPlayable: true });
    const [after] = (await world.renditions.list(id)).filter(({ isReady }) => isReady);
    expect([after?.name, after?.id === before?.id]).toEqual(['480p', false]);
    await world.work();
    expect(await world.jobOf(id)).toMatchObject({ id: again.id, state: 'complete' });
    expect(await world.statusOf(id)).toMatchObject({ status: 'ready' });
  });

  test('of a video that is transcoded again and again the latest jobs are kept', async () => {
    const id = await world.addVideo();
    let latest = await world.jobOf(id);
    for (let count = 0; count < 11; count++) {
      await world.jobService.cancel(latest);
      latest = await world.jobService.restart(id);
    }
    const { jobs } = await world.jobService.list({ limit: 20, videoId: id });
    expect([jobs.length, jobs[0]?.id]).toEqual([10, latest.id]);
    await world.work();
    expect(await world.statusOf(id)).toMatchObject({ status: 'ready' });
  });

  test('what had failed before a job was cancelled is not tried again: the rest of it is gone', async () => {
    const id = await world.addVideo();
    await world.inspect({ isPlayable: true });
    const lease = await world.leaseOf('pictures');
    await world.service.fail(lease, { code: 'failed', reason: 'All is black.', retryable: false });
    await world.jobService.cancel(await world.jobOf(id));
    await expect(world.jobService.retry(await world.jobOf(id))).rejects.toMatchObject({
      code: 'nothing_to_do',
    });
    expect(await world.jobOf(id)).toMatchObject({ state: 'cancelled' });
    expect(await world.lease()).toBeNull();
    expect(await world.statusOf(id)).toMatchObject({ status: 'playable' });
  });

  test('a task that cannot be taken from its lost worker keeps no other from being taken', async () => {
    const [stuck, other] = [await world.addVideo(), await world.addVideo()];
    const lost = await world.leaseOf('inspect');
    await world.leaseOf('inspect');
    await forgetLeases();
    await world.kysely
      .updateTable('transcode_tasks')
      .set({ lease_expires_at: new Date(0) })
      .where('id', '=', lost.taskId)
      .execute();
    const broken = world.failTasksOf(lost.taskId);
    expect(await world.service.runOnce()).toBe(2);
    broken.mend();
    expect((await world.leaseOf('inspect')).task.videoId).toBe(other);
    await world.service.runOnce();
    await makeDue();
    expect((await world.leaseOf('inspect')).task.videoId).toBe(stuck);
    await world.kysely.deleteFrom('transcode_jobs').execute();
  });

  test('outputs that were given up while their worker could not be heard are made again', async () => {
    const id = await world.addVideo();
    await world.inspect({ isPlayable: true });
    const lease = await world.leaseOf('pictures');
    const result = await world.resultOf(lease);
    // The sweep of what nobody has kept.
    await world.kysely.deleteFrom('objects').where('state', '=', 'open').execute();
    await expect(world.service.complete(lease, result)).rejects.toMatchObject({ code: 'upload_expired' });
    await world.service.fail(lease, { code: 'failed', reason: 'It is gone.', retryable: true });
    await expect(world.service.complete(lease, result)).rejects.toMatchObject({ code: 'lease_lost' });
    await makeDue();
    await world.work();
    expect(await world.statusOf(id)).toMatchObject({ status: 'ready' });
  });

  test('with a video go its jobs; whoever works on it can commit nothing', async () => {
    const id = await world.addVideo();
    await world.inspect({ isPlayable: true });
    const lease = (await world.lease())!;
    const result = await world.resultOf(lease);
    await world.kysely.transaction().execute(async (transaction) => {
      await world.videos.delete(transaction, id, {});
      await world.renditions.deleteAll(transaction, id);
    });
    await expect(world.service.complete(lease, result)).rejects.toMatchObject({ code: 'lease_lost' });
    await expect(world.service.heartbeat(lease, 1)).rejects.toMatchObject({ code: 'lease_lost' });
    expect(await world.lease()).toBeNull();
    expect((await world.jobService.list({ limit: 1, videoId: id })).jobs).toEqual([]);
  });

  test('of many who ask at once, each gets a task of its own', async () => {
    const ids = await Promise.all(Array.from({ length: 8 }, () => world.addVideo()));
    const leases = await Promise.all(ids.map(() => world.lease()));
    expect(new Set(leases.map((lease) => lease?.task.videoId)).size).toBe(8);
    expect(await world.lease()).toBeNull();
    for (const lease of leases) await world.service.complete(lease!, await world.resultOf(lease!));
    await world.work();
  });

  test('who waits is given a task as soon as there is one', async () => {
    const waiting = world.lease(20_000);
    const id = await world.addVideo();
    expect((await waiting)?.task.videoId).toBe(id);
    await forgetLeases();
    await world.service.runOnce();
    await world.work();
  });

  test('videos without a job get one, behind all others', async () => {
    const [old, fresh] = [await world.addVideo(), await world.addVideo()];
    // As those of a recovery are.
    await world.kysely.deleteFrom('transcode_jobs').where('video_id', '=', old).execute();
    await world.kysely.updateTable('video_media').set({ job_id: null }).where('video_id', '=', old).execute();
    expect(await world.jobService.backfill()).toBe(1);
    expect(await world.jobService.backfill()).toBe(0);
    expect((await world.leaseOf('inspect')).task.videoId).toBe(fresh);
    expect((await world.leaseOf('inspect')).task.videoId).toBe(old);
    await world.kysely.deleteFrom('transcode_jobs').execute();
  });

  test('jobs are listed by pages, state and owner', async () => {
    const ownerId = uuidv7();
    for (let count = 0; count < 3; count++) await world.addVideo(ownerId);
    const first = await world.jobService.list({ limit: 2, ownerId });
    expect(first.jobs).toHaveLength(2);
    const rest = await world.jobService.list({ limit: 2, ownerId, after: first.next!, state: 'queued' });
    expect([rest.jobs.length, rest.next]).toEqual([1, null]);
    expect((await world.jobService.list({ limit: 9, ownerId, state: 'failed' })).jobs).toEqual([]);
  });
});

test('two coordinators on one database: a task queued at one is taken at the other, by one of them', async () => {
  await using first = await openTestDatabase('postgresql');
  const worlds = [await TranscodeWorld.open(first), await TranscodeWorld.open(first)];
  const waiting = worlds.map((world) => world.lease(20_000));
  const id = await worlds[0]!.addVideo();
  expect((await Promise.race(waiting))?.task.videoId).toBe(id);
  for (const world of worlds) world.service.close();
  const taken = (await Promise.all(waiting)).filter((lease) => lease !== null);
  expect(taken).toHaveLength(1);
});
