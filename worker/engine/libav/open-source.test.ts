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
});
