import { expect, test } from 'vitest';
import { toWebVtt } from './captions.ts';

const convert = (text: string) => toWebVtt(Buffer.from(text)).toString();

test('WebVTT with everything that it may have stays as it is', () => {
  const text = [
    '\ufeffWEBVTT - a title',
    'Kind: captions',
    '',
    'STYLE',
    '::cue { color: lime }',
    '',
    'NOTE a remark',
    'of two lines',
    '',
    'first',
    '00:01.000 --> 00:02.500 line:90%,end position:50% align:center size:80%',
    '<v Anna>Hello &amp; welcome',
    '- to you',
    '',
    '100:00:00.000 --> 100:00:01.000',
    'late',
    '',
  ].join('\r\n');
  expect(convert(text)).toBe(text.slice(1).replaceAll('\r\n', '\n'));
  expect(convert('WEBVTT')).toBe('WEBVTT');
});

test.each([
  ['00:01.000 -> 00:02.000', 3, 'no cue timing'],
  ['id\n00:01,000 --> 00:02,000', 4, 'no cue timing'],
  ['00:02.000 --> 00:01.000', 3, 'ends before'],
  ['00:99.000 --> 01:00.000', 3, 'no cue timing'],
  ['00:01.000 --> 00:02.000 align:middle', 3, 'no setting'],
  ['00:01.000 --> 00:02.000 align:left align:left', 3, 'no setting'],
  ['00:01.000 --> 00:02.000\ntext\n00:03.000 --> 00:04.000', 5, 'blank line'],
  ['00:03.000 --> 00:04.000\n\n00:01.000 --> 00:02.000', 5, 'before the one above'],
])('WebVTT with the cue %j is refused at line %i', (cue, line, message) => {
  expect(() => convert(`WEBVTT\n\n${cue}`)).toThrow(
    expect.objectContaining({
      code: 'invalid_captions',
      message: expect.stringContaining(message),
      details: { line },
    }),
  );
});

test('SubRip becomes WebVTT: in order, escaped, without markup that WebVTT does not have', () => {
  const srt = [
    '\ufeff2',
    '00:00:03,500 --> 00:00:04,000',
    '<font color="red">Second</font> {\\an8}<I>one</I> & 1 < 2',
    '',
    '1',
    '00:00:01,000 --> 00:00:02,000 X1:10',
    'First',
    '',
    'and its rest',
    '',
    '',
    '3',
    '00:00:05,000 --> 00:00:05,000',
    'of no length',
  ].join('\n');
  expect(convert(srt)).toBe(
    [
      'WEBVTT',
      '',
      '00:00:01.000 --> 00:00:02.000',
      'First',
      'and its rest',
      '',
      '00:00:03.500 --> 00:00:04.000',
      'Second <i>one</i> &amp; 1 &lt; 2',
      '',
    ].join('\n'),
  );
});

test.each(['', 'hello', '1\n2\n3', '1\n00:00:02,000 --> 00:00:01,000\nx', 'WEBVTTx\n\n', 'a\0b'])(
  'what is neither is refused: %j',
  (text) => {
    expect(() => convert(text)).toThrow(expect.objectContaining({ code: 'invalid_captions' }));
  },
);

test('text in another encoding is refused', () => {
  const latin1 = Buffer.from('1\n00:00:01,000 --> 00:00:02,000\nna\u00efve', 'latin1');
  expect(() => toWebVtt(latin1)).toThrow('UTF-8');
});
