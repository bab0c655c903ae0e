import { Packet } from 'node-av/lib';
import { describe, expect, test } from 'vitest';
import { makeClip } from '../testing/clips.ts';
import { memorySource } from '../testing/memory-context.ts';
import { openSource } from './open-source.ts';

const signal = new AbortController().signal;

describe('opening a source', () => {
  test('finds pictures and sound, and their beginning', async () => {
    await using source = await openSource(
      memorySource(await makeClip({ audio: [{}, { channels: '5.1' }] })),
      signal,
    );
    expect(source.video?.codecpar.width).toBe(320);
    expect(source.audio.map(({ codecpar }) => codecpar.channels)).toEqual([2, 6]);
    using packet = new Packet();
    packet.alloc();
    let count = 0;
    source.select(source.video!);
    while (await source.readPacket(packet)) count += 1;
    expect(count).toBe(50);
  });

  test.each([
    ['text', Buffer.from('This is a text, whatever its name says. '.repeat(100))],
    ['nothing but zeros', Buffer.alloc(10_000)],
    ['a playlist that names other files', Buffer.from('#EXTM3U\n#EXTINF:10,\n/etc/passwd\n#EXT-X-ENDLIST\n')],
    ['a list of files to join', Buffer.from("ffconcat version 1.0\nfile '/etc/passwd'\n")],
    ['a description of a stream', Buffer.from('v=0\no=- 0 0 IN IP4 127.0.0.1\ns=x\nm=video 1 RTP/AVP 96\n')],
  ])('refuses %s in words', async (_, bytes) => {
    await expect(openSource(memorySource(bytes), signal)).rejects.toMatchObject({
      name: 'TaskFailure',
      code: 'unplayable',
    });
  });

  test('reads only what it needs, in blocks, however far pictures and sound lie apart', async () => {
    const bytes = await makeClip({ durationSeconds: 3, muxerOptions: { movflags: '+faststart' } });
    const memory = memorySource(bytes);
    const reads: number[] = [];
    const reader = {
      sizeBytes: bytes.length,
      read: (offset: number, length: number) => {
        reads.push(offset);
        return memory.read(offset, length);
      },
    };
    await using source = await openSource(reader, signal);
    using packet = new Packet();
    packet.alloc();
    while (await source.readPacket(packet));
    expect(new Set(reads).size).toBe(reads.length);
    expect(memory.bytesRead).toBeLessThan(bytes.length * 1.5 + 512 * 1024);
  });
});
