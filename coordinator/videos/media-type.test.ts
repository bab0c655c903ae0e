import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  decideMediaType,
  OCTET_STREAM,
  parseMediaType,
  servedMediaType,
  sniffMediaType,
} from './media-type.ts';

const bytes = (text: string, length = 512) => {
  const buffer = Buffer.alloc(length);
  buffer.write(text, 'latin1');
  return buffer;
};
const ftyp = (brand: string) => bytes(`\0\0\0\x18ftyp${brand}\0\0\0\0${brand}isom`);
const ebml = (docType: string) =>
  Buffer.concat([
    Buffer.from('1a45dfa39f4286810142f7810142f2810442f38108', 'hex'),
    Buffer.from([0x42, 0x82, 0x80 + docType.length]),
    Buffer.from(docType),
    Buffer.alloc(100),
  ]);
const packets = (stride: number, offset: number) => {
  const buffer = Buffer.alloc(stride * 8);
  for (let start = offset; start < buffer.length; start += stride) buffer[start] = 0x47;
  return buffer;
};
const asf = Buffer.concat([
  Buffer.from('3026b2758e66cf11a6d900aa0062ce6c640000000000000002000000', 'hex'),
  Buffer.from('01029107dcb7b7a9cf118ee600c00c2053654800000000000000', 'hex'),
  Buffer.from('c0ef19bc4d5bcf11a8fd00805f5c442b', 'hex'),
  Buffer.alloc(1000),
]);

describe('sniffMediaType', () => {
  test.each<[string, Uint8Array, string]>([
    ['MP4', ftyp('isom'), 'video/mp4'],
    ['MP4 v2', ftyp('mp42'), 'video/mp4'],
    ['DASH', ftyp('dash'), 'video/mp4'],
    ['QuickTime', ftyp('qt  '), 'video/quicktime'],
    ['QuickTime without ftyp', bytes('\0\0\0\x08wide\0\0\x01\0mdat'), 'video/quicktime'],
    ['M4V', ftyp('M4V '), 'video/x-m4v'],
    ['M4A', ftyp('M4A '), 'audio/x-m4a'],
    ['3GP', ftyp('3gp5'), 'video/3gpp'],
    ['WebM', ebml('webm'), 'video/webm'],
    ['Matroska', ebml('matroska'), 'video/matroska'],
    ['AVI', bytes('RIFF\x10\0\0\0AVI LIST'), 'video/vnd.avi'],
    ['MPEG-TS', packets(188, 0), 'video/mp2t'],
    ['M2TS', packets(192, 4), 'video/mp2t'],
    ['MPEG-2 program stream', bytes('\0\0\x01\xba\x44\0\x04'), 'video/mpeg'],
    ['MPEG-1 program stream', bytes('\0\0\x01\xba\x21\0\x01'), 'video/mpeg'],
    ['Ogg video', bytes(`OggS\0\x02${'\0'.repeat(22)}\x80theora`), 'video/ogg'],
    ['Ogg', bytes('OggS\0\x02'), 'application/ogg'],
    ['FLV', bytes('FLV\x01\x05\0\0\0\x09'), 'video/x-flv'],
    ['WMV', asf, 'video/x-ms-asf'],
    ['MP3', bytes('\xff\xfb\x90\x64'), 'audio/mpeg'],
    ['MP3 with a tag beyond the head', bytes('ID3\x03\0\0\0\0\x7f\x7f'), 'audio/mpeg'],
    ['WAV', bytes('RIFF\x10\0\0\0WAVEfmt '), 'audio/wav'],
    ['FLAC', bytes('fLaC\0\0\0\x22'), 'audio/flac'],
    ['JPEG', bytes('\xff\xd8\xff\xe0\0\x10JFIF'), 'image/jpeg'],
    ['PNG', bytes('\x89PNG\r\n\x1a\n\0\0\0\x0dIHDR'), 'image/png'],
    ['GIF', bytes('GIF89a'), 'image/gif'],
    ['WebP', bytes('RIFF\x10\0\0\0WEBPVP8 '), 'image/webp'],
    ['PDF', bytes('%PDF-1.7\n'), 'application/pdf'],
    ['WebVTT', Buffer.from('WEBVTT\n\n00:01.000 --> 00:02.000\nHi'), 'text/vtt'],
    ['WebVTT with a byte order mark', Buffer.from('\ufeffWEBVTT\n'), 'text/vtt'],
    ['HTML', Buffer.from('<!doctype html><script>alert(1)</script>'), OCTET_STREAM],
    ['zeros', Buffer.alloc(4096), OCTET_STREAM],
    ['one byte', Buffer.from('a'), OCTET_STREAM],
    ['nothing', Buffer.alloc(0), OCTET_STREAM],
  ])('%s', async (_name, head, expected) => {
    expect(await sniffMediaType(head)).toBe(expected);
  });

  test('never fails, whatever the bytes are', async () => {
    const signature = fc.constantFrom(
      '',
      'RIFF',
      '\x1a\x45\xdf\xa3',
      'PK\x03\x04',
      'OggS',
      'ID3\x04',
      '\x89PNG\r\n\x1a\n',
    );
    await fc.assert(
      fc.asyncProperty(signature, fc.uint8Array({ maxLength: 600 }), async (start, rest) => {
        const head = Buffer.concat([Buffer.from(start, 'latin1'), rest]);
        expect(parseMediaType(await sniffMediaType(head))).toBeDefined();
      }),
    );
  });
});

describe('decideMediaType', () => {
  test.each<[string | undefined, string]>([
    ['video/webm', 'video/webm'],
    ['Video/MP4; codecs="avc1.42E01E, mp4a.40.2"', 'Video/MP4; codecs="avc1.42E01E, mp4a.40.2"'],
    [undefined, 'application/pdf'],
    ['application/octet-stream', 'application/pdf'],
    ['application/x-www-form-urlencoded', 'application/pdf'],
    ['APPLICATION/OCTET-STREAM; x=y', 'application/pdf'],
    ['video', 'application/pdf'],
    ['video/', 'application/pdf'],
    ['a/b\r\nx: y', 'application/pdf'],
    [`a/${'b'.repeat(300)}`, 'application/pdf'],
  ])('given %s', async (given, expected) => {
    expect(await decideMediaType(given, () => bytes('%PDF-1.7\n'))).toBe(expected);
  });
});

describe('servedMediaType', () => {
  test.each([
    'text/html',
    'TEXT/HTML; charset=utf-8',
    'application/xhtml+xml',
    'image/svg+xml',
    'text/xml',
    'application/xml',
    'application/rss+xml',
    'text/xsl',
    'text/javascript',
    'application/javascript',
    'application/x-javascript',
    'application/ecmascript',
    'text/ecmascript',
    'text/jscript',
    'text/javascript1.5',
    'text/x-javascript',
    'text/css',
    'application/x-shockwave-flash',
    'application/wasm',
    'multipart/x-mixed-replace; boundary=x',
    'message/rfc822',
    'application/vnd.wap.xhtml+xml',
    'application/xml-dtd',
  ])('%s could act for this origin', (type) => {
    expect(servedMediaType(type)).toBe(OCTET_STREAM);
  });

  test.each([
    'video/mp4',
    'video/mp4; codecs="avc1.42E01E"',
    'audio/mpeg',
    'image/png',
    'application/pdf',
    'text/vtt',
    'text/plain; charset=utf-8',
    'application/x-subrip',
    'application/vnd.openxmlformats-officedocument.wordprocessingml.document',
    'application/json',
  ])('%s is harmless', (type) => {
    expect(servedMediaType(type)).toBe(type);
  });
});
