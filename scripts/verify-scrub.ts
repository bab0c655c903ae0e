/**
 * Whether rot on the disks is found and healed before anybody sees it:
 * `node scripts/verify-scrub.ts [--flips 1000] [--index-flips 8] [--reads 2000] [--minutes 15] [--seed N] [--json FILE] [--dir DIRECTORY]`.
 *
 * Flips single bits in chunk files, in what describes them, and in the index of one node, never in two copies of the
 * same chunk. Then clients read over the damaged places; then every node scrubs everything, and damaged copies are made
 * again. At the end every copy is read from every node. Exits with 1 when a client got a wrong byte or an error, or a
 * copy is not sound at the end.
 */
import { randomInt } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { recordPartOf } from '../coordinator/objects/chunk-id.ts';
import { systemClock } from '../lib/clock/clock.ts';
import type { ChunkEntryLine } from '../lib/node-api/schema.ts';
import { chunkTarget, parsePosition } from '../lib/node-api/targets.ts';
import { type BenchRun, DEFAULT_DIRECTORY, positive, runBench, say } from './bench/bench-run.ts';
import { SeededRandom } from './bench/seeded-random.ts';
import { chooseFlip, type FileFlip, flipBit, flipIndexBits, hasFile } from './trials/bit-flips.ts';
import { isSettled } from './trials/placement-checker.ts';
import type { Slice } from './trials/source-bytes.ts';
import { TrialCluster } from './trials/trial-cluster.ts';

const MIB = 1024 * 1024;
const NODES = 5;
const REPLICAS = 3;
const CHUNK_BYTES = MIB;
/** Whose index is damaged. */
const INDEX_NODE = 1;
const SMALL_MAX = 200_000;
const BIG_BYTES = 8 * MIB + 5;
const READERS = 8;
const READ_REACH = 70_000;
const SHOWN_MAX = 10;

interface Options {
  readonly flips: number;
  readonly indexFlips: number;
  readonly reads: number;
  readonly minutes: number;
  readonly seed: number;
  readonly json: string | undefined;
  readonly directory: string;
}

function readOptions(): Options {
  const { values } = parseArgs({
    options: {
      flips: { type: 'string', default: '1000' },
      'index-flips': { type: 'string', default: '8' },
      reads: { type: 'string', default: '2000' },
      minutes: { type: 'string', default: '15' },
      seed: { type: 'string', default: String(randomInt(1, 2 ** 31)) },
      json: { type: 'string' },
      dir: { type: 'string', default: DEFAULT_DIRECTORY },
    },
  });
  return {
    flips: positive('flips', values.flips),
    indexFlips: Number(values['index-flips']),
    reads: positive('reads', values.reads),
    minutes: positive('minutes', values.minutes),
    seed: positive('seed', values.seed),
    json: values.json,
    directory: values.dir,
  };
}

/** Where each chunk's bytes stand in the source, by the chunk's id. */
interface Located {
  readonly videoId: string;
  /** Of the chunk within its video. */
  readonly first: number;
  readonly slice: Slice;
}

/** Small objects of one chunk for most flips, big ones for the rest, and some that lie in the index alone. */
function corpusSizes(random: SeededRandom, flips: number): number[] {
  const small = Array.from({ length: Math.ceil(flips * 0.75) }, () => random.between(1100, SMALL_MAX));
  const big = Array.from({ length: Math.ceil((flips * 0.4) / (BIG_BYTES / CHUNK_BYTES)) }, () => BIG_BYTES);
  const inline = Array.from({ length: Math.ceil(flips / 10) }, () => random.between(1, 1024));
  return [...small, ...big, ...inline];
}

async function listAll(trial: TrialCluster): Promise<ChunkEntryLine[][]> {
  return await Promise.all(trial.cluster.nodes.map(({ url }) => trial.nodes.list(url)));
}

function locateChunks(trial: TrialCluster, lengths: ReadonlyMap<string, number>): Map<string, Located> {
  const located = new Map<string, Located>();
  for (const { id, slice } of trial.corpus.videos) {
    // Ids of an object's chunks sort like the chunks do.
    let first = 0;
    for (const chunkId of trial.checker.chunksOf(id)!.toSorted()) {
      if (recordPartOf(chunkId) !== undefined) continue;
      const size = lengths.get(chunkId)!;
      located.set(chunkId, { videoId: id, first, slice: { offset: slice.offset + first, size } });
      first += size;
    }
  }
  return located;
}

/** At most one copy of each chunk, on any node. */
function chooseFlips(
  trial: TrialCluster,
  random: SeededRandom,
  lists: readonly (readonly ChunkEntryLine[])[],
  count: number,
): FileFlip[] {
  const copies = new Map<string, { nodeIndex: number; entry: ChunkEntryLine }[]>();
  for (const [nodeIndex, list] of lists.entries()) {
    for (const entry of list) {
      if (hasFile(entry)) copies.set(entry.id, [...(copies.get(entry.id) ?? []), { nodeIndex, entry }]);
    }
  }
  const waiting = [...copies.values()];
  const flips: FileFlip[] = [];
  while (flips.length < count && waiting.length > 0) {
    const [chosen] = waiting.splice(random.below(waiting.length), 1);
    const copy = random.pick(chosen!);
    flips.push(chooseFlip(random, trial.cluster.nodeDir(copy.nodeIndex), copy));
  }
  return flips;
}

/** Reads around damaged places, as clients do; resolves with what was wrong. */
async function readOverFlips(
  trial: TrialCluster,
  random: SeededRandom,
  flips: readonly FileFlip[],
  located: ReadonlyMap<string, Located>,
  count: number,
): Promise<string[]> {
  const problems: string[] = [];
  const places = flips.filter(({ isInBytes }) => isInBytes);
  let left = places.length === 0 ? 0 : count;
  const reader = async () => {
    while (left-- > 0) {
      const { entry, offset } = random.pick(places);
      const { videoId, first: chunkFirst, slice } = located.get(entry.id)!;
      const first = Math.max(0, offset - random.below(READ_REACH));
      const end = Math.min(slice.size, offset + 1 + random.below(READ_REACH));
      const expected = trial.source.bytes({ offset: slice.offset + first, size: end - first });
      const what = `${videoId} bytes ${chunkFirst + first}-${chunkFirst + end - 1}`;
      try {
        const response = await trial.videos.read(
          videoId,
          `bytes=${chunkFirst + first}-${chunkFirst + end - 1}`,
        );
        const pieces: Buffer[] = [];
        await response.pipe((piece) => void pieces.push(Buffer.from(piece)));
        if (response.status !== 206) problems.push(`${what}: status ${response.status}`);
        else if (!Buffer.concat(pieces).equals(expected)) problems.push(`${what}: wrong bytes`);
      } catch (error) {
        problems.push(`${what}: ${error}`);
      }
    }
  };
  await Promise.all(Array.from({ length: READERS }, reader));
  return problems;
}

/** Starts a pass on every node and waits until all have ended. Resolves with what each found. */
async function scrubAll(run: BenchRun, trial: TrialCluster, deadlineMs: number): Promise<number[]> {
  const urls = trial.cluster.nodes.map(({ url }) => url);
  const startedAt = new Date(Date.now() - 1).toISOString();
  await Promise.all(urls.map((url) => trial.nodes.startScrub(url)));
  for (;;) {
    const reports = await Promise.all(urls.map((url) => trial.nodes.scrub(url)));
    if (reports.every(({ lastFinishedStartedAt: at }) => at !== null && at >= startedAt))
      return reports.map(({ foundCorrupt }) => foundCorrupt);
    if (performance.now() > deadlineMs)
      throw new Error(`The scrub did not end in time: ${JSON.stringify(reports)}`);
    await systemClock.sleep(250, run.signal);
  }
}

/**
 * Reads every copy from its node, whole; resolves with those that are not what they must be. What a record says is
 * not known here, but that its copies say the same.
 */
async function readEveryCopy(trial: TrialCluster, located: ReadonlyMap<string, Located>): Promise<string[]> {
  const problems: string[] = [];
  const lists = await listAll(trial);
  const records = new Map<string, Buffer>();
  const expectedOf = (id: string, bytes: Buffer | undefined): Buffer | undefined => {
    const place = located.get(id);
    if (place !== undefined) return trial.source.bytes(place.slice);
    if (bytes !== undefined && !records.has(id)) records.set(id, bytes);
    return records.get(id);
  };
  await Promise.all(
    lists.map(async (list, index) => {
      const node = trial.cluster.nodes[index]!;
      for (const entry of list) {
        const bytes = await trial.nodes.chunk(node.url, entry);
        const expected = expectedOf(entry.id, bytes);
        if (bytes && expected && bytes.equals(expected)) continue;
        problems.push(`${entry.id} on ${node.name}: ${bytes ? 'wrong bytes' : 'not served'}`);
      }
    }),
  );
  return problems;
}

/** How many of the damaged copies their nodes find to be sound now, everything of the file read. */
async function countHealed(trial: TrialCluster, flips: readonly FileFlip[]): Promise<number> {
  let healed = 0;
  const waiting = [...flips];
  const verifier = async () => {
    for (let flip = waiting.shift(); flip !== undefined; flip = waiting.shift()) {
      const { nodeIndex, entry } = flip;
      const target = `${chunkTarget(parsePosition(entry.position)!, entry.id)}/verify`;
      const response = await trial.nodes.request(trial.cluster.nodes[nodeIndex]!.url, 'POST', target);
      const { result } = (await response.json()) as { result?: string };
      if (result === 'ok') healed++;
    }
  };
  await Promise.all(Array.from({ length: READERS }, verifier));
  return healed;
}

async function damageIndex(trial: TrialCluster, random: SeededRandom, count: number): Promise<number> {
  if (count === 0) return 0;
  const node = () => trial.cluster.nodes[INDEX_NODE]!;
  // What was written last lies in LevelDB's log; a restart puts it into tables.
  await node().stop();
  await trial.cluster.restartNode(INDEX_NODE);
  await node().stop();
  const flipped = await flipIndexBits(random, trial.cluster.nodeDir(INDEX_NODE), count);
  await trial.cluster.restartNode(INDEX_NODE);
  await trial.cluster.untilReady();
  trial.checker.forget((await trial.adminNode(INDEX_NODE)).id);
  return flipped;
}

async function verify(run: BenchRun, options: Options): Promise<boolean> {
  const deadlineMs = performance.now() + options.minutes * 60_000;
  const random = new SeededRandom(options.seed);
  const trial = await TrialCluster.start(run, {
    nodeCount: NODES,
    replicas: REPLICAS,
    seed: options.seed,
    chunkBytes: CHUNK_BYTES,
    env: { SCRUB_RATE: '1GiB' },
  });
  await trial.uploadCorpus(corpusSizes(random, options.flips));
  const stored = await trial.untilSettled(30_000);
  trial.tell(`seed ${options.seed}, uploaded`, stored);
  const lists = await listAll(trial);
  const located = locateChunks(trial, new Map(lists.flat().map(({ id, length }) => [id, length])));

  const flips = chooseFlips(trial, random, lists, options.flips);
  const indexFlips = await damageIndex(trial, random, options.indexFlips);
  for (const { file, offset, mask } of flips) await flipBit(file, offset, mask);
  say(
    `flipped ${flips.length} bits in chunk files (${flips.filter(({ isInBytes }) => !isInBytes).length} of them in what ` +
      `describes the chunk) and ${indexFlips} in the index of one node`,
  );
  if (flips.length < options.flips) throw new Error('There are too few chunks for so many flips.');

  const quarantined = async () => {
    const each = trial.cluster.nodes.map(async ({ url }) => (await trial.nodes.stats(url)).quarantinedCount);
    return (await Promise.all(each)).reduce((sum, count) => sum + count, 0);
  };
  const readProblems = await readOverFlips(trial, random, flips, located, options.reads);
  const foundByReads = await quarantined();
  say(
    `${options.reads} reads over damaged places: ${readProblems.length} wrong or failed; ${foundByReads} copies set aside by them`,
  );
  const scrubMs = performance.now();
  const found = await scrubAll(run, trial, deadlineMs);
  const scrubSeconds = (performance.now() - scrubMs) / 1000;
  const foundByScrub = found.reduce((sum, count) => sum + count, 0);
  say(
    `scrubbed in ${scrubSeconds.toFixed(1)} s: ${foundByScrub} found, by node ${found.join(', ')}; ${await quarantined()} set aside`,
  );

  const isRepaired = await trial.repairIfPossible(Math.max(1, deadlineMs - performance.now()));
  if (!isRepaired) say('nobody repairs here, so nothing can be healed');
  const healSeconds = (performance.now() - scrubMs) / 1000;
  const placement = await trial.untilSettled(isRepaired ? 60_000 : 1);
  trial.tell('at the end', placement);
  const copyProblems = await readEveryCopy(trial, located);
  const healed = await countHealed(trial, flips);
  const wrong = await trial.readAll();
  say(
    `complete ${healSeconds.toFixed(1)} s after the scrub began; ${healed} of ${flips.length} damaged copies are sound again`,
  );
  say(`${placement.copies} copies read from their nodes: ${copyProblems.length} not as they must be`);
  for (const problem of [...readProblems, ...copyProblems, ...wrong].slice(0, SHOWN_MAX)) say(`  ${problem}`);
  if (options.json !== undefined) {
    const result = {
      ...{ options, flips: flips.length, indexFlips, foundByReads, foundByScrub, healed, scrubSeconds },
      ...{ healSeconds, readProblems, copyProblems, wrong, placement, isRepaired },
    };
    writeFileSync(options.json, `${JSON.stringify(result, null, 2)}\n`);
  }
  return (
    readProblems.length + copyProblems.length + wrong.length === 0 &&
    healed === flips.length &&
    isSettled(placement)
  );
}

const options = readOptions();
await runBench(options.directory, (run) => verify(run, options));
