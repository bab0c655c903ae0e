/**
 * What accounts cost: `node scripts/bench-auth.ts [--seconds 2] [--rounds 12] [--connections 16] [--logins 20] [--dir DIRECTORY]`.
 *
 * 1. Requests a second of `GET /videos/{id}` by autocannon, anonymous, with an access token, with an API key and with the
 *    cookie of a login, in turns, so that whatever else the machine does meets all of them. The share is the median of
 *    the rounds' shares.
 * 2. The delay of the coordinator's event loop, as its own metrics say, while so many logins a second run.
 *
 * Exits with 1 when a request with a token gets less than 90% of the anonymous rate, or the delay's 99th percentile
 * reaches 20 ms.
 */
import { parseArgs } from 'node:util';
import autocannon from 'autocannon';
import { type BenchRun, DEFAULT_DIRECTORY, positive, runBench, say } from './bench/bench-run.ts';
import { describeMachine, machineLine } from './bench/machine.ts';
import { startOrbitvids } from './bench/orbitvids-system.ts';
import { median, percentile } from './bench/statistics.ts';
import { formatTable } from './bench/text-table.ts';

const RATE_SHARE_MIN = 0.9;
const DELAY_MS_MAX = 20;
const LOGIN_SECONDS = 10;
const PASSWORD = 'vivid-otter-stapler';
/** So many, because failures to log in are counted for each of them, and a login counts as one while it runs. */
const ACCOUNTS = 40;
const emailOf = (index: number) => `bench-${index % ACCOUNTS}@example.org`;

interface Options {
  readonly seconds: number;
  readonly rounds: number;
  readonly connections: number;
  readonly logins: number;
  readonly directory: string;
}

function readOptions(): Options {
  const { values } = parseArgs({
    options: {
      seconds: { type: 'string', default: '2' },
      rounds: { type: 'string', default: '12' },
      connections: { type: 'string', default: '16' },
      logins: { type: 'string', default: '20' },
      dir: { type: 'string', default: DEFAULT_DIRECTORY },
    },
  });
  return {
    seconds: positive('seconds', values.seconds),
    rounds: positive('rounds', values.rounds),
    connections: positive('connections', values.connections),
    logins: positive('logins', values.logins),
    directory: values.dir,
  };
}

async function post(url: string, body: object, headers: Record<string, string> = {}): Promise<Response> {
  const response = await fetch(url, {
    method: 'POST',
    headers: { 'content-type': 'application/json', ...headers },
    body: JSON.stringify(body),
  });
  if (!response.ok) throw new Error(`POST ${url}: ${response.status} ${await response.text()}`);
  return response;
}

async function rateOf(url: string, headers: Record<string, string>, options: Options): Promise<number> {
  const { connections, seconds } = options;
  const result = await autocannon({ url, headers, connections, duration: seconds });
  if (result.non2xx > 0 || result.errors > 0) {
    throw new Error(`${result.non2xx} refusals, ${result.errors} errors`);
  }
  return result['2xx'] / result.duration;
}

/** Since the metrics were last asked for. */
async function loopDelayMs(url: string): Promise<{ p50: number; p99: number; max: number }> {
  const text = await (await fetch(`${url}/metrics`)).text();
  const read = (name: string) =>
    Number(new RegExp(`^nodejs_eventloop_lag_${name}_seconds (\\S+)`, 'm').exec(text)?.[1]) * 1000;
  return { p50: read('p50'), p99: read('p99'), max: read('max') };
}

async function loginAtRate(url: string, options: Options, signal: AbortSignal): Promise<number[]> {
  const took: number[] = [];
  const pending: Promise<void>[] = [];
  const count = options.logins * LOGIN_SECONDS;
  for (let index = 0; index < count && !signal.aborted; index++) {
    const startedMs = performance.now();
    const login = post(`${url}/api/v1/auth/login`, { email: emailOf(index), password: PASSWORD });
    pending.push(login.then(() => void took.push(performance.now() - startedMs)));
    await new Promise((resolve) => setTimeout(resolve, 1000 / options.logins));
  }
  await Promise.all(pending);
  return took;
}

async function measure(run: BenchRun, options: Options): Promise<boolean> {
  const system = run.resources.use(
    await startOrbitvids(run, {
      nodeCount: 1,
      replicas: 1,
      env: { LOGIN_LIMIT: '1000000', REGISTRATION_LIMIT: '1000000' },
    }),
  );
  const { url } = system.cluster;
  const api = `${url}/api/v1`;
  const upload = await fetch(`${api}/videos`, { method: 'POST', headers: system.target.headers, body: 'x' });
  const { id } = (await upload.json()) as { id: string };
  for (let index = 0; index < ACCOUNTS; index++) {
    await post(`${api}/auth/register`, { email: emailOf(index), password: PASSWORD });
  }
  const login = await post(`${api}/auth/login`, { email: emailOf(0), password: PASSWORD });
  const { accessToken } = (await login.json()) as { accessToken: string };
  const authorization = `Bearer ${accessToken}`;
  const created = await post(
    `${api}/api-keys`,
    { name: 'bench', scopes: ['videos:read'] },
    { authorization },
  );
  const { key } = (await created.json()) as { key: string };
  const kinds: Record<string, Record<string, string>> = {
    anonymous: {},
    'access token': { authorization },
    'API key': { authorization: `Bearer ${key}` },
    cookie: { cookie: `orbitvids_access=${accessToken}` },
  };

  say(machineLine(describeMachine()));
  const target = `${api}/videos/${id}`;
  await rateOf(target, {}, { ...options, seconds: 2 });
  const rates: Record<string, number[]> = {};
  for (let round = 0; round < options.rounds; round++) {
    const names = Object.keys(kinds);
    for (const name of round % 2 === 0 ? names : names.toReversed()) {
      run.signal.throwIfAborted();
      rates[name] ??= [];
      rates[name].push(await rateOf(target, kinds[name]!, options));
    }
  }
  const shares = Object.entries(rates).map(([name, values]) => ({
    name,
    rate: median(values),
    // Beside what came right before or after it: the machine may be slower an instant later.
    share: median(values.map((rate, round) => rate / rates.anonymous![round]!)),
  }));
  const columns = [
    { title: 'GET /videos/{id}', align: 'left' as const },
    { title: '1/s' },
    { title: 'share' },
  ];
  const rows = shares.map(({ name, rate, share }) => [name, rate.toFixed(0), `${(share * 100).toFixed(1)}%`]);
  say(formatTable(columns, rows));

  await loopDelayMs(url);
  await new Promise((resolve) => setTimeout(resolve, 5000));
  const idle = await loopDelayMs(url);
  const took = await loginAtRate(url, options, run.signal);
  const busy = await loopDelayMs(url);
  const show = ({ p50, p99, max }: typeof busy) =>
    `p50 ${p50.toFixed(1)} ms, p99 ${p99.toFixed(1)} ms, max ${max.toFixed(1)} ms`;
  say();
  say(
    `${took.length} logins at ${options.logins}/s took p50 ${median(took).toFixed(0)} ms, p99 ${percentile(took, 99).toFixed(0)} ms`,
  );
  say(`event loop, idle (its timer alone is 10 ms): ${show(idle)}`);
  say(`event loop, meanwhile:                      ${show(busy)}`);
  const isFast = shares.every(({ share }) => share >= RATE_SHARE_MIN);
  return isFast && busy.p99 < DELAY_MS_MAX;
}

const options = readOptions();
await runBench(options.directory, (run) => measure(run, options));
