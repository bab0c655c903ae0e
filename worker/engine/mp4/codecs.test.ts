import { describe, expect, test } from 'vitest';
import { parseAudioSpecificConfig, parseElementaryStream } from './aac.ts';
import { Mp4Error } from './boxes.ts';
import { parseAvcConfiguration, parseSequenceParameters } from './h264.ts';

describe('AudioSpecificConfig', () => {
  test.each([
    ['LC', '1190', { objectType: 2, sampleRate: 48_000, channels: 2, frameSamples: 1024 }],
    ['HE that says so', '2b118800', { objectType: 5, sampleRate: 48_000, channels: 2 }],
    [
      'HE that hides it from those who do not know',
      '131056e598',
      { objectType: 2, sampleRate: 48_000, channels: 2 },
    ],
    ['HE with parametric stereo', 'eb098800', { objectType: 29, sampleRate: 48_000, channels: 2 }],
    ['5.1', '11b0', { objectType: 2, channels: 6 }],
    ['a rate of its own', '178017700000'.slice(0, 12), { objectType: 2, sampleRate: 12_000 }],
    ['frames of 960', '1194', { frameSamples: 960 }],
  ])('of %s', (_, hex, expected) => {
    expect(parseAudioSpecificConfig(Buffer.from(hex, 'hex'))).toMatchObject(expected);
  });

  test.each(['', '11', '17', '1f'])('%s is refused', (hex) => {
    expect(() => parseAudioSpecificConfig(Buffer.from(hex, 'hex'))).toThrow(Mp4Error);
  });
});

describe('the descriptors of esds', () => {
  test('with optional fields and lengths of several bytes', () => {
    const specific = [5, 0x80, 0x80, 2, 0x11, 0x90];
    const decoder = [4, 13 + specific.length, 0x40, 0x15, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0xf4, 0, ...specific];
    const stream = [0, 1, 0xe0, 9, 9, 2, 0x61, 0x62, 8, 8, ...decoder];
    const parsed = parseElementaryStream(Uint8Array.of(3, stream.length, ...stream));
    expect(parsed).toMatchObject({ objectTypeIndication: 0x40, bitRate: 128_000 });
    expect([...parsed.specificInfo]).toEqual([0x11, 0x90]);
  });

  test('that are cut or too long are refused', () => {
    const whole = Uint8Array.of(3, 18, 0, 1, 0, 4, 13, 0x40, 0x15, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0xf4, 0);
    expect(parseElementaryStream(whole).specificInfo).toHaveLength(0);
    for (let length = 0; length < whole.length; length++) {
      expect(() => parseElementaryStream(whole.subarray(0, length))).toThrow(Mp4Error);
    }
    expect(() => parseElementaryStream(Uint8Array.of(3, 0xff, 0xff, 0xff, 0xff, 0xff))).toThrow(Mp4Error);
  });
});

describe('sequence parameters of H.264', () => {
  // x264: 320 x 180, High, level 1.2.
  const AVCC = '0164000cffe1001a6764000cacd941419f9f011000000300100000030320f142996001000468ef8fcbfdf8f800';

  test('say how large pictures are, without what is cropped', () => {
    const { codecsSuffix, lengthBytes, sequence } = parseAvcConfiguration(Buffer.from(AVCC, 'hex'));
    expect({ codecsSuffix, lengthBytes }).toEqual({ codecsSuffix: '64000c', lengthBytes: 4 });
    expect(sequence).toMatchObject({
      ...{ profileIdc: 100, levelIdc: 12, chromaFormat: 1, bitDepth: 8, isProgressive: true },
      ...{ width: 320, height: 180, pixelAspect: 1 },
    });
  });

  test('that are cut, or any other bytes, are refused or read, and nothing else', () => {
    const whole = Buffer.from(AVCC, 'hex');
    for (let length = 0; length < 20; length++) {
      expect(() => parseAvcConfiguration(whole.subarray(0, length))).toThrow(Mp4Error);
    }
    for (let at = 1; at < 30; at++) {
      for (let value = 0; value < 256; value++) {
        const changed = Buffer.from(whole.subarray(8, 34));
        changed[at % changed.length] = value;
        try {
          expect(parseSequenceParameters(changed).width).toBeGreaterThan(0);
        } catch (error) {
          expect(error).toBeInstanceOf(Mp4Error);
        }
      }
    }
  });
});
