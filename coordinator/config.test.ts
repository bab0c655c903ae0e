import { describe, expect, it } from 'vitest';
import { ConfigError } from '../lib/config/read-config.ts';
import { COORDINATOR_VARIABLES, readCoordinatorConfig } from './config.ts';

const CLUSTER_SECRET = 'a-secret-of-some-length';
const read = (environment: Record<string, string>) =>
  readCoordinatorConfig({ CLUSTER_SECRET, ...environment });

/** Of one, 0 means something else; the other is longer at least. */
const WITH_BOUNDS_OF_THEIR_OWN = ['REPLICATE_AFTER', 'WORKER_LEASE'];
const INTERVALS_AND_TIMEOUTS = COORDINATOR_VARIABLES.filter(
  (name) => /_(INTERVAL|TIMEOUT|LEASE|AFTER)$/.test(name) && !WITH_BOUNDS_OF_THEIR_OWN.includes(name),
);

describe('the configuration of the coordinator', () => {
  it('needs nothing but the secret', () => {
    expect(read({})).toMatchObject({ PORT: 5000, REPLICAS: 3, BOOTSTRAP_NODES: 3, HEALTH_INTERVAL: 1000 });
    expect(() => readCoordinatorConfig({})).toThrow(/CLUSTER_SECRET: /);
  });

  it('takes durations and sizes at their bounds', () => {
    expect(INTERVALS_AND_TIMEOUTS).toHaveLength(10);
    for (const name of INTERVALS_AND_TIMEOUTS) {
      expect(read({ [name]: '1' })).toMatchObject({ [name]: 1 });
      expect(read({ [name]: '24d' })).toMatchObject({ [name]: 24 * 86_400_000 });
    }
    expect(read({ SWEEP_MIN_AGE: '0' }).SWEEP_MIN_AGE).toBe(0);
    expect(read({ REPLICATE_AFTER: '0' }).REPLICATE_AFTER).toBe(0);
    expect(read({ RANGES: '65536' }).RANGES).toBe(65_536);
    expect(read({ UPLOAD_BUFFERS: '2MiB' }).UPLOAD_BUFFERS).toBe(2 * 1024 ** 2);
    expect(read({ UPLOAD_BUFFERS: '2GiB' }).UPLOAD_BUFFERS).toBe(2 * 1024 ** 3);
  });

  it('lets nobody in by default who was not asked', () => {
    expect(read({})).toMatchObject({ CORS_ORIGINS: [], REGISTRATION: 'open', TRUSTED_PROXIES: 0 });
    const origins = 'https://a.example, http://b.example:8080';
    expect(read({ CORS_ORIGINS: origins }).CORS_ORIGINS).toEqual([
      'https://a.example',
      'http://b.example:8080',
    ]);
    expect(read({ ADMIN_EMAIL: ' Boss@Example.ORG ' }).ADMIN_EMAIL).toBe('boss@example.org');
  });

  it.each([
    ['CORS_ORIGINS', 'https://a.example/path'],
    ['CORS_ORIGINS', 'a.example'],
    ['ADMIN_EMAIL', 'nobody'],
    ['ADMIN_PASSWORD', 'short'],
    ['ADMIN_PASSWORD', 'password1234'],
    ['REGISTRATION', 'maybe'],
    ['LOGIN_LIMIT', '0'],
    ['ANONYMOUS_READ', 'true'],
  ])('refuses %s=%s, and names it without showing a password', (name, value) => {
    expect(() => read({ [name]: value })).toThrow(ConfigError);
    try {
      read({ [name]: value });
    } catch (error) {
      expect((error as Error).message).toContain(`${name}: `);
      if (name === 'ADMIN_PASSWORD') expect((error as Error).message).not.toContain(value);
    }
  });

  const bad = [
    ...INTERVALS_AND_TIMEOUTS.flatMap((name) => [
      [name, '0'],
      [name, '0.4ms'],
      [name, '25d'],
      [name, '-1s'],
      [name, 'soon'],
    ]),
    ['SWEEP_MIN_AGE', '25d'],
    ['WORKER_LEASE', '499ms'],
    ['UPLOAD_BUFFERS', '1MiB'],
    ['UPLOAD_BUFFERS', '2049MiB'],
    ['CHUNK_SIZE', '9MiB'],
    ['CHUNK_SIZE', '1500000'],
    ['REPLICATE_AFTER', '0.5s'],
    ['RANGES', '1000'],
    ['RANGES', '8'],
    ['REPLICAS', '0'],
    ['PORT', '65536'],
    ['DATABASE_URL', 'mysql://x'],
    ['STORAGE_NODES', 'ftp://x'],
  ] as [string, string][];
  it.each(bad)('refuses %s=%s by name', (name, value) => {
    expect(() => read({ [name]: value })).toThrow(ConfigError);
    expect(() => read({ [name]: value })).toThrow(new RegExp(`\\n  ${name}[.:]`));
  });

  it('names every variable that is wrong', () => {
    expect(() => read({ SWEEP_INTERVAL: '0', UPLOAD_BUFFERS: '1' })).toThrow(
      /UPLOAD_BUFFERS: [\s\S]*SWEEP_INTERVAL: /,
    );
  });
});
