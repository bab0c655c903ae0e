import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import type { NamedNode } from '../coordinator/recovery/recovery.ts';

export const USAGE = `Makes a lost database again from the storage nodes:
  npm run recover -- --start-nodes                      for run_app.sh, which has to be stopped
  npm run recover -- --nodes http://10.0.0.7:5001,...   for nodes that run; coordinators have to be stopped

  --nodes URL,URL,...     every storage node of the cluster
  --node URL[,zone=NAME][,weight=NUMBER]   the same for one node that has a zone or weight; may be repeated
  --start-nodes           starts the nodes in DATA_DIR/node-1, node-2 ... for as long as the recovery takes
  --database-dir DIR      the coordinator's own DATA_DIR; default: DATA_DIR/coordinator
  --dry-run               reports what would be recovered, and writes nothing
  --doubtful restore|leave-out   what becomes of videos that may have been deleted; asks when it matters
  --damaged leave-out     goes on without videos whose records cannot be read
  --json                  prints the report as JSON

Environment: DATA_DIR (./data), DATABASE_URL in place of a database directory, CLUSTER_SECRET (default: what
DATA_DIR/cluster-secret says), and with --start-nodes HOST, PORT and NODE_CAPACITY like run_app.sh.
`;

export class UsageError extends Error {}

export interface RecoverySettings {
  readonly nodes: readonly NamedNode[];
  readonly startNodes: boolean;
  /** As run_app.sh has it. */
  readonly dataDir: string;
  readonly databaseDir: string;
  readonly databaseUrl: string | undefined;
  readonly secret: string;
  readonly dryRun: boolean;
  readonly doubtful: 'restore' | 'leave-out' | undefined;
  readonly damaged: 'leave-out' | undefined;
  readonly json: boolean;
}

type Environment = Readonly<Record<string, string | undefined>>;

/** Throws UsageError. */
export function readRecoverySettings(args: readonly string[], environment: Environment): RecoverySettings {
  const values = parse(args);
  const dataDir = resolve(environment.DATA_DIR || './data');
  const nodes = [
    ...values.nodes.flatMap((list) => list.split(',').map((url) => parseNode(url.trim()))),
    ...values.node.map(parseNode),
  ];
  if (values['start-nodes'] === nodes.length > 0) {
    throw new UsageError('Name the storage nodes with --nodes, or use --start-nodes.');
  }
  const databaseUrl = environment.DATABASE_URL || undefined;
  if (databaseUrl !== undefined && values['database-dir'] !== undefined) {
    throw new UsageError('--database-dir and DATABASE_URL exclude each other.');
  }
  return {
    nodes,
    startNodes: values['start-nodes'],
    dataDir,
    databaseDir: resolve(values['database-dir'] ?? join(dataDir, 'coordinator')),
    databaseUrl,
    secret: readSecret(dataDir, environment.CLUSTER_SECRET),
    dryRun: values['dry-run'],
    doubtful: oneOf('doubtful', values.doubtful, ['restore', 'leave-out'] as const),
    damaged: oneOf('damaged', values.damaged, ['leave-out'] as const),
    json: values.json,
  };
}

/** The numbers of the nodes that run_app.sh made in the directory. */
export function nodeNumbers(dataDir: string): number[] {
  const names = existsSync(dataDir) ? readdirSync(dataDir) : [];
  return names
    .flatMap((name) => /^node-([1-9]\d*)$/.exec(name)?.[1] ?? [])
    .map(Number)
    .sort((a, b) => a - b);
}

function parse(args: readonly string[]) {
  try {
    return parseArgs({
      args: [...args],
      options: {
        nodes: { type: 'string', multiple: true, default: [] },
        node: { type: 'string', multiple: true, default: [] },
        'start-nodes': { type: 'boolean', default: false },
        'database-dir': { type: 'string' },
        'dry-run': { type: 'boolean', default: false },
        doubtful: { type: 'string' },
        damaged: { type: 'string' },
        json: { type: 'boolean', default: false },
      },
    }).values;
  } catch (error) {
    throw new UsageError((error as Error).message);
  }
}

function parseNode(text: string): NamedNode {
  const [url = '', ...settings] = text.split(',');
  if (!URL.canParse(url) || new URL(url).protocol !== 'http:') {
    throw new UsageError(`"${url}" is not the URL of a storage node, such as http://10.0.0.7:5001.`);
  }
  const node: { url: string; zone?: string; weight?: number } = { url: url.replace(/\/$/, '') };
  for (const setting of settings) {
    const [name, value = ''] = setting.split('=');
    if (name === 'zone' && value !== '') node.zone = value;
    else if (name === 'weight' && /^\d{1,7}$/.test(value)) node.weight = Number(value);
    else throw new UsageError(`--node knows zone=NAME and weight=NUMBER, not "${setting}".`);
  }
  return node;
}

function oneOf<Choice extends string>(
  name: string,
  value: string | undefined,
  choices: readonly Choice[],
): Choice | undefined {
  const choice = choices.find((known) => known === value);
  if (value !== undefined && choice === undefined)
    throw new UsageError(`--${name} takes ${choices.join(' or ')}.`);
  return choice;
}

function readSecret(dataDir: string, given: string | undefined): string {
  if (given) return given;
  const file = join(dataDir, 'cluster-secret');
  if (existsSync(file)) return readFileSync(file, 'utf8').trim();
  throw new UsageError(`Set CLUSTER_SECRET to the secret of the cluster: ${file} does not exist.`);
}
