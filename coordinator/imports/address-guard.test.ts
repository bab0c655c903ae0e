import type { LookupAddress } from 'node:dns';
import { expect, test } from 'vitest';
import { AddressGuard, isPublic, type Resolve } from './address-guard.ts';

test.each(['8.8.8.8', '1.1.1.1', '2001:4860:4860::8888', '2606:4700::1111'])('%s is public', (address) => {
  expect(isPublic(address)).toBe(true);
});

test.each([
  ...['127.0.0.1', '127.255.255.254', '0.0.0.0', '10.1.2.3', '172.16.0.1', '172.31.255.255', '192.168.0.1'],
  ...['100.64.0.1', '169.254.169.254', '192.0.0.8', '192.0.2.1', '198.18.0.1', '198.51.100.1', '203.0.113.1'],
  ...['224.0.0.1', '239.1.1.1', '240.0.0.1', '255.255.255.255', '192.88.99.1'],
  ...['::', '::1', '::ffff:8.8.8.8', '::ffff:127.0.0.1', '::127.0.0.1', '64:ff9b::a00:1', '64:ff9b:1::a00:1'],
  ...['2002:7f00:1::1', '2001::1', '2001:db8::1', '2001:20::1', 'fe80::1', 'fec0::1', 'fc00::1', 'fd12::1'],
  ...['ff02::1', '100::1', '4000::1', 'localhost', ''],
])('%s is not', (address) => {
  expect(isPublic(address)).toBe(false);
});

function guardOf(resolve: Resolve = async () => [], allowPrivate = false) {
  return new AddressGuard({ resolve, allowPrivate, ports: new Set([80, 443]) });
}

test.each([
  ...[
    'ftp://example.org/x',
    'file:///etc/passwd',
    'javascript:1',
    'no url',
    `http://example.org/${'x'.repeat(3000)}`,
  ],
  ...['http://user:secret@example.org/', 'http://example.org:22/', 'https://example.org:6379/'],
  // All of these are 127.0.0.1, or where a cloud keeps credentials.
  ...['http://127.0.0.1/', 'http://2130706433/', 'http://0x7f.1/', 'http://0177.0.0.1/', 'http://127.1/'],
  ...['http://[::1]/', 'http://[::ffff:7f00:1]/', 'http://169.254.169.254/latest/meta-data/', 'http://0/'],
])('%s is refused before anything is asked', (url) => {
  expect(() => guardOf().check(url)).toThrow(expect.objectContaining({ code: 'import_refused' }));
});

test('redirects are checked like what they come from, and do not lead from https to http', () => {
  const guard = guardOf();
  const base = guard.check('https://example.org/a/b');
  expect(guard.check('../c', base).href).toBe('https://example.org/c');
  for (const target of [
    'http://example.org/',
    'https://10.0.0.1/',
    '//[fd00::1]/',
    'https://example.org:8443/',
  ]) {
    expect(() => guard.check(target, base)).toThrow(expect.objectContaining({ code: 'import_refused' }));
  }
});

function look(guard: AddressGuard, all: boolean): Promise<unknown> {
  return new Promise((resolve, reject) => {
    guard.lookup('example.org', { all }, (error, address) => (error ? reject(error) : resolve(address)));
  });
}

test('a name is looked up once, for the connection, so that it cannot change its address after a check', async () => {
  const good: LookupAddress = { address: '93.184.215.14', family: 4 };
  const answers: LookupAddress[][] = [
    [good],
    [{ address: '127.0.0.1', family: 4 }],
    [good, { address: '::1', family: 6 }],
    [],
  ];
  const guard = guardOf(async () => answers.shift()!);
  guard.check('http://example.org/');
  expect(answers).toHaveLength(4);
  expect(await look(guard, true)).toEqual([good]);
  for (let left = answers.length; left > 0; left--) {
    await expect(look(guard, true)).rejects.toMatchObject({ code: 'import_refused' });
  }
});

test('addresses of private networks may be allowed', async () => {
  const guard = guardOf(async () => [{ address: '10.0.0.1', family: 4 }], true);
  expect(guard.check('http://127.0.0.1/').hostname).toBe('127.0.0.1');
  expect(await look(guard, false)).toBe('10.0.0.1');
});
