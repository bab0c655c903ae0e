import { AppError } from '../../lib/errors/app-error.ts';
import type { ErrorCode } from '../errors.ts';
import { CUES_MAX } from './limits.ts';

const VTT_TIME = String.raw`(?:(\d{2,}):)?([0-5]\d):([0-5]\d)\.(\d{3})`;
const VTT_TIMING = new RegExp(String.raw`^${VTT_TIME}[ \t]+-->[ \t]+${VTT_TIME}(?:[ \t]+(.*?))?[ \t]*$`);
const SRT_TIME = String.raw`(\d{1,3}):([0-5]?\d):([0-5]?\d)[,.](\d{1,3})`;
const SRT_TIMING = new RegExp(String.raw`^${SRT_TIME}[ \t]*-->[ \t]*${SRT_TIME}(?:[ \t]+.*)?$`);

const PERCENT = String.raw`(?:100(?:\.0+)?|\d{1,2}(?:\.\d+)?)%`;
/** The settings of a cue, as the specification of WebVTT writes them. */
const SETTINGS: Readonly<Record<string, RegExp>> = {
  vertical: /^(?:rl|lr)$/,
  line: new RegExp(`^(?:-?\\d+|${PERCENT})(?:,(?:start|center|end))?$`),
  position: new RegExp(`^${PERCENT}(?:,(?:line-left|center|line-right))?$`),
  size: new RegExp(`^${PERCENT}$`),
  align: /^(?:start|center|end|left|right)$/,
  region: /^\S+$/,
};

/**
 * Captions as WebVTT: what is WebVTT already is checked and left as it is but for its line ends, SubRip (SRT) is converted.
 * Throws `invalid_captions`, which names the line.
 */
export function toWebVtt(bytes: Uint8Array): Buffer {
  let text: string;
  try {
    text = new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch {
    throw invalidCaptions('Captions have to be in UTF-8.');
  }
  if (text.includes('\0')) throw invalidCaptions('Captions are text; this has zero bytes.');
  const lines = text.split(/\r\n|\r|\n/);
  const isVtt = /^WEBVTT(?:[ \t]|$)/.test(lines[0] ?? '');
  if (!isVtt) return Buffer.from(convertSrt(lines));
  checkVtt(lines);
  return Buffer.from(lines.join('\n'));
}

/** A run of lines that are not empty. `line` is the number of its first one. */
interface Block {
  readonly line: number;
  readonly lines: readonly string[];
}

function blocksOf(lines: readonly string[], first: number): Block[] {
  const blocks: Block[] = [];
  let open: string[] = [];
  for (let index = first; index <= lines.length; index++) {
    const line = lines[index] ?? '';
    if (line !== '') open.push(line);
    else if (open.length > 0) {
      blocks.push({ line: index - open.length + 1, lines: open });
      open = [];
    }
  }
  return blocks;
}

function checkVtt(lines: readonly string[]): void {
  if (lines.length > 1 && lines[1] !== '' && lines[1]!.includes('-->')) {
    throw invalidCaptions('A blank line has to follow WEBVTT.', 2);
  }
  let cues = 0;
  let lastStartMs = 0;
  // What stands right below the first line belongs to the header.
  const headerEnd = lines.indexOf('');
  for (const { line, lines: block } of headerEnd < 0 ? [] : blocksOf(lines, headerEnd)) {
    if (/^NOTE(?:[ \t]|$)/.test(block[0]!)) continue;
    const isDefinition = /^(?:STYLE|REGION)[ \t]*$/.test(block[0]!);
    if (isDefinition && cues === 0 && !block.some((text) => text.includes('-->'))) continue;
    const timingAt = block.length === 1 || block[0]!.includes('-->') ? 0 : 1;
    const timing = VTT_TIMING.exec(block[timingAt] ?? '');
    if (timing === null)
      throw invalidCaptions('This is no cue timing: 00:00:01.000 --> 00:00:02.000.', line + timingAt);
    const [startMs, endMs] = [millisecondsOf(timing, 1), millisecondsOf(timing, 5)];
    if (endMs <= startMs) throw invalidCaptions('The cue ends before it begins.', line + timingAt);
    if (startMs < lastStartMs)
      throw invalidCaptions('The cue begins before the one above it.', line + timingAt);
    lastStartMs = startMs;
    checkSettings(timing[9] ?? '', line + timingAt);
    const stray = block.findIndex((text, index) => index > timingAt && text.includes('-->'));
    if (stray >= 0) throw invalidCaptions('A blank line is missing between two cues.', line + stray);
    cues = countCue(cues, line);
  }
}

function checkSettings(text: string, line: number): void {
  const seen = new Set<string>();
  for (const setting of text.split(/[ \t]+/).filter((part) => part !== '')) {
    const [, name = '', value = ''] = /^([a-z]+):(.+)$/.exec(setting) ?? [];
    const isKnown = Object.hasOwn(SETTINGS, name) && SETTINGS[name]!.test(value) && !seen.has(name);
    if (!isKnown) throw invalidCaptions(`"${setting.slice(0, 40)}" is no setting of a cue.`, line);
    seen.add(name);
  }
}

function convertSrt(lines: readonly string[]): string {
  const cues: { startMs: number; endMs: number; text: string }[] = [];
  for (const { line, lines: block } of blocksOf(
    lines.map((text) => text.trimEnd()),
    0,
  )) {
    const timingAt = /^\d+$/.test(block[0]!) ? 1 : 0;
    const timing = SRT_TIMING.exec(block[timingAt] ?? '');
    if (timing === null) {
      // A cue whose text has a blank line in it: the rest belongs to it.
      const before = cues.at(-1);
      const isRest = before !== undefined && !block.some((text) => text.includes('-->'));
      if (!isRest) throw invalidCaptions('This is neither WebVTT nor SubRip.', line + timingAt);
      before.text += `\n${textOf(block)}`;
      continue;
    }
    const [startMs, endMs] = [millisecondsOf(timing, 1), millisecondsOf(timing, 5)];
    if (endMs < startMs) throw invalidCaptions('The cue ends before it begins.', line + timingAt);
    countCue(cues.length, line);
    const text = textOf(block.slice(timingAt + 1));
    if (endMs > startMs && text !== '') cues.push({ startMs, endMs, text });
  }
  if (cues.length === 0) throw invalidCaptions('There is no cue in these captions.');
  cues.sort((one, other) => one.startMs - other.startMs);
  const written = cues.map(
    ({ startMs, endMs, text }) => `${formatTime(startMs)} --> ${formatTime(endMs)}\n${text}\n`,
  );
  return `WEBVTT\n\n${written.join('\n')}`;
}

/** Bold, italic and underlined text stays so; other markup goes, and what WebVTT would take for markup is escaped. */
function textOf(lines: readonly string[]): string {
  return lines
    .map((line) =>
      line
        .replaceAll(/\{\\[^}]*\}/g, '')
        .replaceAll(/<(?!\/?[biu]>)\/?[a-z][^>]*>/gi, '')
        .replaceAll(/&(?!(?:amp|lt|gt|nbsp|lrm|rlm);)/g, '&amp;')
        .replaceAll(/<(\/?[biu])>/gi, (_, tag: string) => `\u0001${tag.toLowerCase()}\u0002`)
        .replaceAll('<', '&lt;')
        .replaceAll('>', '&gt;')
        .replaceAll('\u0001', '<')
        .replaceAll('\u0002', '>')
        .trim(),
    )
    .filter((line) => line !== '')
    .join('\n');
}

function millisecondsOf(match: RegExpExecArray, first: number): number {
  const [hours, minutes, seconds, fraction] = match.slice(first, first + 4) as [
    string?,
    string?,
    string?,
    string?,
  ];
  const whole = (Number(hours ?? 0) * 60 + Number(minutes)) * 60 + Number(seconds);
  return whole * 1000 + Number(fraction!.padEnd(3, '0'));
}

function formatTime(milliseconds: number): string {
  const pad = (value: number, digits: number) => String(Math.floor(value)).padStart(digits, '0');
  const seconds = milliseconds / 1000;
  return `${pad(seconds / 3600, 2)}:${pad((seconds / 60) % 60, 2)}:${pad(seconds % 60, 2)}.${pad(milliseconds % 1000, 3)}`;
}

function countCue(cues: number, line: number): number {
  if (cues < CUES_MAX) return cues + 1;
  throw invalidCaptions(`These captions have more than ${CUES_MAX} cues.`, line);
}

function invalidCaptions(message: string, line?: number): AppError {
  return new AppError<ErrorCode>(
    'invalid_captions',
    line === undefined ? message : `Line ${line}: ${message}`,
    line === undefined ? {} : { details: { line } },
  );
}
