/**
 * Runs the ring beside its npm peers in one process: `node scripts/bench-ring.ts [--json FILE]`.
 *
 * Lookups: library defaults, 200,000 keys of 37 characters, rounds interleaved between the contenders so that
 * whatever else the machine does hits all of them, medians of the CPU time that the thread took (time in which
 * other processes run does not count). Then what a change of members costs the ring, and how long `assign` takes.
 */
import { writeFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import {
  assign,
  diff,
  type Layout,
  type Member,
  movementBound,
  ownersOf,
  positionOf,
  primaryOf,
} from '../lib/hashring/index.ts';

const KEY_COUNT = 200_000;
const ROUNDS = 5;
/** Rounds that do not count, for the optimising compiler. */
const WARM_UP_ROUNDS = 1;
const ROUND_MS_MIN = 200;
const NODE_COUNT = 10;
const REPLICAS = 3;

setFlagsFromString('--expose-gc');
const collectGarbage = runInNewContext('gc') as () => void;

type Lookup = (key: string) => unknown;

interface Contender {
  readonly name: string;
  readonly owners: number;
  /** Looks every key up, in a loop of its own so that no contender spoils another's inlining. */
  readonly run: (keys: readonly string[]) => unknown;
  readonly find: (key: string) => readonly string[];
}

interface LookupResult {
  readonly name: string;
  readonly owners: number;
  readonly nsPerLookup: number;
  readonly maxOverMean: number;
}

interface ChangeResult {
  readonly change: string;
  readonly maxOverQuota: number;
  readonly slotsMoved: number;
  readonly slotsMinimum: number;
  readonly bytesMovedPercent: number;
  readonly bytesMinimumPercent: number;
}

function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.floor(sorted.length / 2)]!;
}

/** Keys shaped like chunk ids, the same in every run; copied so that each is one flat string. */
function makeKeys(): string[] {
  let state = 0x9e3779b9;
  const word = (): string => {
    state = (Math.imul(state, 1664525) + 1013904223) | 0;
    return ((state ^ (state >>> 15)) >>> 0).toString(16).padStart(8, '0');
  };
  return Array.from({ length: KEY_COUNT }, () => {
    const hex = word() + word() + word() + word();
    const id = `c${hex.replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, '$1-$2-$3-$4-$5')}`;
    return Buffer.from(id, 'latin1').toString('latin1');
  });
}

function nodeIds(count: number): string[] {
  return Array.from({ length: count }, (_, index) => `node-${String(index).padStart(3, '0')}`);
}

function makeMembers(weights: readonly number[], zoneCount: number): Member[] {
  return nodeIds(weights.length).map((id, index) => ({
    id,
    weight: weights[index]!,
    zone: `zone-${index % zoneCount}`,
  }));
}

/** A module without types, as whatever shape the caller says it has; null with a word why if it will not load. */
async function load<Shape>(name: string, missing: string[]): Promise<Shape | null> {
  try {
    return (await import(name)) as Shape;
  } catch (error) {
    missing.push(`${name}: ${error instanceof Error ? error.message.split('\n')[0] : String(error)}`);
    return null;
  }
}

/** One loop for each contender: a shared one would call them all through the same, slower, call site. */
function makeRun(label: string, lookup: Lookup): (keys: readonly string[]) => unknown {
  // Functions of one source share what the compiler learns about them; the label makes each source its own.
  const loop = new Function(
    'lookup',
    `return (keys) => { let last; for (const key of keys) last = lookup(key); return last; } // ${label}`,
  );
  return loop(lookup) as (keys: readonly string[]) => unknown;
}

function contender(name: string, owners: number, lookup: Lookup): Contender {
  const find = (key: string): string[] => {
    const found = lookup(key);
    return (Array.isArray(found) ? found : [found]).map((owner) => owner.id ?? String(owner));
  };
  return { name, owners, run: makeRun(`${name}, ${owners}`, lookup), find };
}

interface UntypedPeers {
  consistentHash: { default: new () => { add(id: string): void; get(key: string, count?: number): unknown } };
  nodeHashring: { default: new (ids: string[]) => { findNode(key: string): unknown } };
  ketama: {
    HashRing: new (
      ids: string[],
    ) => { getNode(key: string): unknown; getNodes(key: string, count: number): unknown };
  };
  hashring: {
    default: new (ids: string[]) => { get(key: string): unknown; range(key: string, count: number): unknown };
  };
  effect: {
    HashRing: {
      make(): object;
      add(ring: object, node: object): object;
      get(ring: object, key: string): unknown;
    };
    PrimaryKey: { symbol: string };
  };
}

async function makePeers(ids: string[], missing: string[]): Promise<Contender[]> {
  const peers: Contender[] = [];
  const consistentHash = await load<UntypedPeers['consistentHash']>('consistent-hash', missing);
  if (consistentHash !== null) {
    const ring = new consistentHash.default();
    for (const id of ids) ring.add(id);
    peers.push(contender('consistent-hash 1.2.2', 1, (key) => ring.get(key)));
    peers.push(contender('consistent-hash 1.2.2', 3, (key) => ring.get(key, 3)));
  }
  const effect = await load<UntypedPeers['effect']>('effect', missing);
  if (effect !== null) {
    const { HashRing, PrimaryKey } = effect;
    const ring = HashRing.make();
    for (const id of ids) HashRing.add(ring, { id, [PrimaryKey.symbol]: () => id });
    peers.push(contender('effect 4.1.0 HashRing', 1, (key) => HashRing.get(ring, key)));
  }
  const nodeHashring = await load<UntypedPeers['nodeHashring']>('node-hashring', missing);
  if (nodeHashring !== null) {
    const ring = new nodeHashring.default(ids);
    peers.push(contender('node-hashring 1.0.2', 1, (key) => ring.findNode(key)));
  }
  const ketama = await load<UntypedPeers['ketama']>('ketama', missing);
  if (ketama !== null) {
    const ring = new ketama.HashRing(ids);
    peers.push(contender('ketama 1.0.0', 1, (key) => ring.getNode(key)));
    peers.push(contender('ketama 1.0.0', 3, (key) => ring.getNodes(key, 3)));
  }
  const hashring = await load<UntypedPeers['hashring']>('hashring', missing);
  if (hashring !== null) {
    const ring = new hashring.default(ids);
    peers.push(contender('hashring 3.2.0', 1, (key) => ring.get(key)));
    peers.push(contender('hashring 3.2.0', 3, (key) => ring.range(key, 3)));
  }
  return peers;
}

function maxOverMean(entry: Contender, keys: readonly string[]): number {
  const counts = new Map<string, number>();
  for (const key of keys) for (const id of entry.find(key)) counts.set(id, (counts.get(id) ?? 0) + 1);
  const total = [...counts.values()].reduce((sum, count) => sum + count, 0);
  return (Math.max(...counts.values()) * NODE_COUNT) / total;
}

/**
 * CPU time of the work in milliseconds: the mean of as many passes as it takes for the clock's ticks (up to 4 ms)
 * not to matter. The heap is swept before, so that nobody pays for the garbage of the one before.
 */
function timeCpuMs(work: () => unknown): number {
  collectGarbage();
  const start = process.threadCpuUsage();
  let passes = 0;
  let elapsedMs = 0;
  while (elapsedMs < ROUND_MS_MIN) {
    work();
    passes++;
    const { user, system } = process.threadCpuUsage(start);
    elapsedMs = (user + system) / 1000;
  }
  return elapsedMs / passes;
}

async function benchLookups(keys: readonly string[], missing: string[]): Promise<LookupResult[]> {
  const members = makeMembers(new Array<number>(NODE_COUNT).fill(1), 1);
  const layout = assign(null, members, { epoch: 1, replicas: REPLICAS });
  const contenders = [
    contender('OrbitVids', 1, (key) => primaryOf(layout, positionOf(key))),
    contender('OrbitVids', 3, (key) => ownersOf(layout, positionOf(key))),
    ...(await makePeers(nodeIds(NODE_COUNT), missing)),
  ];
  const times = contenders.map((): number[] => []);
  for (let round = 0; round < WARM_UP_ROUNDS + ROUNDS; round++) {
    for (const [index, entry] of contenders.entries()) {
      const nsPerLookup = (timeCpuMs(() => entry.run(keys)) * 1e6) / keys.length;
      if (round >= WARM_UP_ROUNDS) times[index]!.push(nsPerLookup);
    }
  }
  return contenders.map((entry, index) => ({
    name: entry.name,
    owners: entry.owners,
    nsPerLookup: median(times[index]!),
    maxOverMean: maxOverMean(entry, keys),
  }));
}

/** The fullest member's slots over its quota, all of them below the cap in these scenarios but zone-wise. */
function maxOverQuota(layout: Layout, zoneCount: number): number {
  const slots = new Map<string, number>();
  for (const index of layout.table) {
    const { id } = layout.members[index]!;
    slots.set(id, (slots.get(id) ?? 0) + 1);
  }
  const zones = Map.groupBy(layout.members, ({ zone }) => zone);
  const ratios = [...zones.values()].flatMap((zone) => {
    // With as many zones as replicas every range has one owner in each: a zone holds one third of the slots.
    const peers = zoneCount === REPLICAS ? zone : layout.members;
    const total = zoneCount === REPLICAS ? layout.rangeCount : layout.table.length;
    const weight = peers.reduce((sum, member) => sum + member.weight, 0);
    return zone.map((member) => (slots.get(member.id)! * weight) / (total * member.weight));
  });
  return Math.max(...ratios);
}

function benchChange(
  change: string,
  weights: readonly number[],
  zoneCount: number,
  keys: readonly string[],
): ChangeResult {
  const after = makeMembers(weights, zoneCount);
  const before = assign(null, after.slice(0, -1), { epoch: 1, replicas: REPLICAS });
  const options = { epoch: 2, replicas: REPLICAS };
  const layout = assign(before, after, options);
  const slotsMinimum = movementBound(before, after, options);
  const slotsMoved = diff(before, layout).reduce(
    (sum, { firstRange, lastRange, gained }) => sum + gained.length * (lastRange - firstRange + 1),
    0,
  );
  // Chunks of equal size: the bytes that move are the copies whose new owner did not have them.
  let copiesMoved = 0;
  for (const key of keys) {
    const old = new Set(ownersOf(before, positionOf(key)).map(({ id }) => id));
    for (const { id } of ownersOf(layout, positionOf(key))) if (!old.has(id)) copiesMoved++;
  }
  return {
    change,
    maxOverQuota: maxOverQuota(layout, zoneCount),
    slotsMoved,
    slotsMinimum,
    bytesMovedPercent: (100 * copiesMoved) / (keys.length * REPLICAS),
    bytesMinimumPercent: (100 * slotsMinimum) / layout.table.length,
  };
}

function benchChanges(keys: readonly string[]): ChangeResult[] {
  const equal = (count: number): number[] => new Array<number>(count).fill(1);
  return [
    benchChange('5 to 6 nodes', equal(6), 1, keys),
    benchChange('10 to 11 nodes', equal(11), 1, keys),
    benchChange('100 to 101 nodes', equal(101), 1, keys),
    benchChange('weights 1x4, 2x3, 4x2, 8; a 4 joins', [1, 1, 1, 1, 2, 2, 2, 4, 4, 8, 4], 1, keys),
    benchChange('3 zones, 9 to 10 nodes', equal(10), 3, keys),
  ];
}

/** CPU milliseconds of `assign` at 100 nodes and 4,096 ranges: from nothing, a join, a leave, a doubling. */
function benchAssign(): Record<string, number> {
  const options = { epoch: 1, replicas: REPLICAS, rangeCount: 4096 };
  const members = makeMembers(new Array<number>(101).fill(1), 1);
  const hundred = assign(null, members.slice(0, 100), options);
  const fifty = assign(null, members.slice(0, 50), options);
  const time = (work: () => unknown): number => median(Array.from({ length: ROUNDS }, () => timeCpuMs(work)));
  return {
    'first layout of 100': time(() => assign(null, members.slice(0, 100), options)),
    '100 to 101': time(() => assign(hundred, members, options)),
    '100 to 99': time(() => assign(hundred, members.slice(0, 99), options)),
    '50 to 100': time(() => assign(fifty, members.slice(0, 100), options)),
  };
}

function printLookups(results: readonly LookupResult[], missing: readonly string[]): void {
  const ours = results.find(({ name, owners }) => name === 'OrbitVids' && owners === REPLICAS)!.nsPerLookup;
  console.log(`Lookups: ${NODE_COUNT} nodes, ${KEY_COUNT} keys, CPU time, median of ${ROUNDS} rounds`);
  console.log('library                  owners   ns/lookup   ratio   max/mean');
  for (const { name, owners, nsPerLookup, maxOverMean } of results) {
    const columns = [
      String(owners).padStart(6),
      nsPerLookup.toFixed(0).padStart(11),
      (nsPerLookup / ours).toFixed(2).padStart(7),
      maxOverMean.toFixed(3).padStart(10),
    ];
    console.log(`${name.padEnd(24)} ${columns.join(' ')}`);
  }
  for (const reason of missing) console.log(`left out, ${reason}`);
}

function printChanges(results: readonly ChangeResult[]): void {
  console.log('\nChanges: 4096 ranges, 3 replicas; bytes as a share of all that is stored');
  console.log(`${'change'.padEnd(36)}   max/quota   slots moved   minimum   bytes moved   minimum`);
  for (const row of results) {
    const columns = [
      row.maxOverQuota.toFixed(4).padStart(11),
      String(row.slotsMoved).padStart(13),
      String(row.slotsMinimum).padStart(9),
      `${row.bytesMovedPercent.toFixed(2)}%`.padStart(13),
      `${row.bytesMinimumPercent.toFixed(2)}%`.padStart(9),
    ];
    console.log(`${row.change.padEnd(36)} ${columns.join(' ')}`);
  }
}

function printAssign(times: Record<string, number>): void {
  console.log(`\nassign: 4096 ranges, 3 replicas, CPU time, median of ${ROUNDS} rounds`);
  for (const [what, ms] of Object.entries(times)) {
    console.log(`${what.padEnd(24)} ${ms.toFixed(0).padStart(6)} ms`);
  }
}

async function main(): Promise<void> {
  const { values } = parseArgs({ options: { json: { type: 'string' } } });
  const keys = makeKeys();
  const missing: string[] = [];
  const lookups = await benchLookups(keys, missing);
  printLookups(lookups, missing);
  const changes = benchChanges(keys);
  printChanges(changes);
  const assignMs = benchAssign();
  printAssign(assignMs);
  if (values.json !== undefined) {
    const results = { node: process.version, lookups, missing, changes, assignMs };
    writeFileSync(values.json, `${JSON.stringify(results, null, 2)}\n`);
  }
}

await main();
