import { describe, expect, test } from 'vitest';
import type { AudioTrack, Probe, ResultOf, SegmentPlan, VideoTrack } from '../../lib/worker-api/tasks.ts';
import { rungsOf } from './ladder.ts';
import { piecesOf, planAfterCopy, planAfterInspect, planInsteadOfCopy, priorityOf } from './planner.ts';

const VIDEO: VideoTrack = {
  ...{ codec: 'h264', profile: 'High', width: 1920, height: 1080, rotation: 0, pixelAspect: 1 },
  ...{ frameRate: 25, isVariableFrameRate: false, bitDepth: 8, range: 'sdr', bitRate: null },
};
const AUDIO: AudioTrack = {
  ...{ index: 0, codec: 'aac', channels: 6, sampleRate: 48_000, language: 'en', title: null },
  ...{ isDefault: true, bitRate: null },
};
const RANK = { createdAtS: 1_800_000_000, durationSeconds: 600, isUrgent: true };

function probeOf(durationSeconds: number, video: VideoTrack | null, audio: AudioTrack[] = []): Probe {
  return { container: 'matroska', durationSeconds, sizeBytes: 1, bitRate: null, video, audio };
}

function planOf(seconds: number, segmentSeconds = 4): SegmentPlan {
  const boundaries: number[] = [];
  for (let at = 0; at < seconds; at += segmentSeconds) boundaries.push(at * 1000);
  return { timescale: 1000, boundaries: [...boundaries, seconds * 1000] };
}

function inspected(changes: Partial<ResultOf<'inspect'>>): ResultOf<'inspect'> {
  const copyable = { video: false, audio: [] };
  const base = { kind: 'inspect' as const, probe: probeOf(600, VIDEO, [AUDIO]), plan: planOf(600) };
  return { ...base, video: null, audio: [], copyable, ...changes };
}

const PIECE = { output: 'o', init: '', timescale: 1000, durations: [1], lengths: [1] };
const MADE_VIDEO = {
  name: '1080p',
  format: { codecs: 'avc1', width: 1920, height: 1080, frameRate: 25 },
  piece: PIECE,
};
const MADE_AUDIO = {
  ...{ name: 'a', track: 0, piece: PIECE },
  format: { codecs: 'mp4a.40.2', channels: 2, sampleRate: 48_000 },
};

describe('rungs', () => {
  const names = (video: Partial<VideoTrack>, isPlayable: boolean) =>
    rungsOf({ ...VIDEO, ...video }, isPlayable).map(({ name }) => name);

  test.each([
    ['1080p', {}, true, ['720p', '480p', '360p']],
    ['1080p that nobody plays', {}, false, ['1080p', '720p', '480p', '360p']],
    ['4K', { width: 3840, height: 2160 }, false, ['1080p', '720p', '480p', '360p']],
    ['480p', { width: 854, height: 480 }, true, ['360p', '240p']],
    ['slightly above a rung', { width: 870, height: 490 }, true, ['360p']],
    ['tiny', { width: 160, height: 120 }, true, []],
    ['tiny that nobody plays', { width: 161, height: 121 }, false, ['120p']],
    ['between two rungs', { width: 1000, height: 600 }, false, ['600p', '360p']],
    ['one pixel', { width: 1, height: 1 }, false, ['2p']],
  ] as [string, Partial<VideoTrack>, boolean, string[]][])('of %s', (_, video, isPlayable, expected) => {
    expect(names(video, isPlayable)).toEqual(expected);
  });

  test('a turned video counts by its shorter side, and keeps its shape', () => {
    const [largest] = rungsOf({ ...VIDEO, rotation: 90 }, true);
    expect(largest).toMatchObject({ name: '720p', width: 720, height: 1280 });
  });

  test('pixels become square, sides even', () => {
    const [largest] = rungsOf({ ...VIDEO, width: 1440, pixelAspect: 4 / 3 }, false);
    expect(largest).toMatchObject({ width: 1920, height: 1080 });
    for (const { width, height } of rungsOf({ ...VIDEO, width: 853, height: 479 }, false)) {
      expect([width % 2, height % 2]).toEqual([0, 0]);
    }
  });

  test('nothing is larger than its source, in size or frame rate', () => {
    for (const short of [90, 240, 333, 480, 719, 1080, 1300, 2160]) {
      const source = { ...VIDEO, width: short * 2, height: short, frameRate: 120 };
      for (const rung of rungsOf(source, false)) {
        expect(rung.height).toBeLessThanOrEqual(short);
        expect(rung.width).toBeLessThanOrEqual(short * 2);
        expect(rung.frameRateMax).toBeLessThanOrEqual(61);
      }
    }
    // Every second picture, not some of them.
    expect(rungsOf({ ...VIDEO, frameRate: 50 }, true).map((rung) => rung.frameRateMax)).toEqual([61, 25, 25]);
  });
});

describe('pieces', () => {
  test.each([
    [20, 1],
    [30, 2],
    [240, 8],
    [600, 8],
    [7200, 78],
  ])('of %i s', (seconds, count) => {
    const pieces = piecesOf(planOf(seconds), seconds);
    expect(pieces).toHaveLength(count);
    // Without gaps, to the end.
    let next = 0;
    for (const { firstSegment, segmentCount } of pieces) {
      expect(firstSegment).toBe(next);
      next += segmentCount;
    }
    expect(next).toBe(planOf(seconds).boundaries.length - 1);
  });

  test('one segment is one piece', () => {
    expect(piecesOf({ timescale: 25, boundaries: [0, 1] }, 0.04)).toEqual([
      { firstSegment: 0, segmentCount: 1 },
    ]);
  });
});

describe('after an inspection', () => {
  const kinds = (result: ResultOf<'inspect'>) =>
    planAfterInspect(result, RANK, { dropsSource: false }).tasks.map(({ spec, renditions }) =>
      `${spec.kind} ${renditions.join()}`.trim(),
    );

  test('a playable source gets the rungs below it, all in one decode', () => {
    const plan = planAfterInspect(inspected({ video: MADE_VIDEO, audio: [MADE_AUDIO] }), RANK, {
      dropsSource: false,
    });
    const encodes = plan.tasks.filter(({ spec }) => spec.kind === 'encode');
    expect(new Set(encodes.map(({ renditions }) => renditions.join()))).toEqual(new Set(['720p,480p,360p']));
    expect(plan.tasks.some(({ spec }) => spec.kind === 'audio' || spec.kind === 'copy')).toBe(false);
    expect(plan.renditions.find(({ name }) => name === '1080p')?.pieces).toBe(1);
    expect(plan.renditions.find(({ name }) => name === '360p')?.pieces).toBe(encodes.length);
  });

  test('another source gets its smallest rung first, and sound', () => {
    const { tasks } = planAfterInspect(inspected({}), RANK, { dropsSource: false });
    const inOrder = [...tasks]
      .sort((a, b) => a.priority - b.priority)
      .map(({ renditions }) => renditions.join());
    expect(inOrder.indexOf('audio')).toBe(0);
    expect(inOrder.lastIndexOf('360p')).toBeLessThan(inOrder.indexOf('1080p,720p,480p'));
    expect(tasks.find(({ spec }) => spec.kind === 'audio')?.spec).toMatchObject({ channels: 2 });
  });

  test('what can be copied is copied, and the rungs follow its segments', () => {
    const result = inspected({ copyable: { video: true, audio: [0] } });
    expect(kinds(result)).toEqual(['pictures', 'copy']);
    const copied = { kind: 'copy' as const, plan: planOf(600, 6), video: MADE_VIDEO, audio: [MADE_AUDIO] };
    const next = planAfterCopy(copied, result, RANK);
    expect(new Set(next.tasks.map(({ spec }) => spec.kind))).toEqual(new Set(['encode']));
    expect(next.renditions.map(({ name }) => name)).toContain('audio');
    const instead = planInsteadOfCopy({ video: true, audio: [0] }, result, RANK);
    expect(new Set(instead.tasks.map(({ spec }) => spec.kind))).toEqual(new Set(['audio', 'encode']));
  });

  test('where the source is not to stay, what is played out of it is copied as well', () => {
    const ofAll = { video: MADE_VIDEO, audio: [MADE_AUDIO] };
    const result = inspected(ofAll);
    const { tasks, renditions } = planAfterInspect(result, RANK, { dropsSource: true });
    expect(tasks.map(({ spec }) => spec.kind)).toEqual(['pictures', 'copy']);
    expect(tasks[1]!.spec).toEqual({ kind: 'copy', video: true, audio: [0] });
    // It is played at once all the same.
    expect(renditions.map(({ name }) => name)).toEqual(['audio', '1080p']);
    const copied = { kind: 'copy' as const, plan: planOf(600, 6), ...ofAll };
    const next = planAfterCopy(copied, result, RANK);
    expect(next.renditions.map(({ name }) => name)).toEqual(['audio', '1080p', '720p', '480p', '360p']);
    const instead = planInsteadOfCopy({ video: true, audio: [0] }, result, RANK);
    expect(instead.renditions.map(({ name }) => name)).toContain('1080p');
    const sound = inspected({ probe: probeOf(600, null, [AUDIO]), plan: null, audio: [MADE_AUDIO] });
    expect(planAfterInspect(sound, RANK, { dropsSource: true }).tasks.map(({ spec }) => spec)).toEqual([
      { kind: 'copy', video: false, audio: [0] },
    ]);
    expect(planAfterInspect(inspected({}), RANK, { dropsSource: true })).toEqual(
      planAfterInspect(inspected({}), RANK, { dropsSource: false }),
    );
  });

  test('sound alone has neither pictures nor rungs', () => {
    const probe = probeOf(600, null, [AUDIO]);
    expect(kinds(inspected({ probe, plan: null, audio: [MADE_AUDIO] }))).toEqual([]);
    expect(kinds(inspected({ probe, plan: null }))).toEqual(['audio audio']);
  });

  test('of many tracks the first ones are encoded', () => {
    const many = Array.from({ length: 20 }, (_, index) => ({ ...AUDIO, index }));
    const { tasks } = planAfterInspect(inspected({ probe: probeOf(60, null, many), plan: null }), RANK, {
      dropsSource: false,
    });
    expect(tasks).toHaveLength(8);
  });
});

test('what comes first: inspections, first rungs, short videos, urgent jobs', () => {
  const short = { ...RANK, durationSeconds: 30 };
  const long = { ...RANK, durationSeconds: 7200 };
  const later = { ...short, createdAtS: RANK.createdAtS + 60 };
  const idle = { ...short, isUrgent: false };
  const inOrder = [
    priorityOf('inspect', long),
    priorityOf('copy', long),
    priorityOf('first', short),
    priorityOf('first', long),
    priorityOf('rungs', short),
    priorityOf('rungs', later),
    priorityOf('rungs', long),
    priorityOf('late', short),
    priorityOf('inspect', idle),
  ];
  expect(inOrder).toEqual([...inOrder].sort((a, b) => a - b));
  expect(inOrder.every(Number.isSafeInteger)).toBe(true);
  // Nobody waits for ever behind shorter ones.
  const muchLater = { ...short, createdAtS: RANK.createdAtS + 8000 };
  expect(priorityOf('rungs', long)).toBeLessThan(priorityOf('rungs', muchLater));
});
