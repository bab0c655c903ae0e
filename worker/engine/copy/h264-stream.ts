import type { Stream } from 'node-av/lib';
import { TaskFailure } from '../../task-context.ts';
import { pictureEntry } from '../cmaf/init-segment.ts';
import { Mp4Error } from '../mp4/boxes.ts';
import { type AvcConfiguration, parseAvcConfiguration } from '../mp4/h264.ts';

const ACCESS_UNIT_DELIMITER = 9;
/** How many bytes tell a unit's length where a stream has start codes instead. */
const LENGTH_BYTES = 4;

/** How the packets of a stream become samples of MP4. */
export interface H264Stream {
  readonly configuration: AvcConfiguration;
  /** An `avc1` for `stsd`. */
  readonly sampleEntry: Uint8Array;
  /** A sample out of a packet's content: memory of its own. */
  toSample(content: Uint8Array): Uint8Array;
}

/** Rejects with a TaskFailure when the stream does not say how it is coded. */
export function openH264(stream: Stream, pixelAspect: number): H264Stream {
  const { codecpar } = stream;
  const record = codecpar.getDecoderConfigurationRecord();
  if (record === null) throw undescribed();
  // Containers of the other kind have start codes in their description, too.
  const hasLengths = codecpar.extradata?.[0] === 1;
  const configuration = parse(record);
  return {
    configuration,
    sampleEntry: pictureEntry({
      width: configuration.sequence.width,
      height: configuration.sequence.height,
      avcConfiguration: record,
      colours: null,
      pixelAspect: fractionOf(pixelAspect),
    }),
    toSample: hasLengths ? (content) => Uint8Array.from(content) : lengthPrefixed,
  };
}

function parse(record: Uint8Array): AvcConfiguration {
  try {
    return parseAvcConfiguration(record);
  } catch (error) {
    if (error instanceof Mp4Error) throw undescribed();
    throw error;
  }
}

function undescribed(): TaskFailure {
  return new TaskFailure('failed', 'The pictures of this file do not say how they are coded.');
}

/** The fraction with a denominator of up to 1000 that is nearest. */
function fractionOf(value: number): [number, number] {
  let best: [number, number] = [1, 1];
  for (let down = 1; down <= 1000; down++) {
    const across = Math.max(1, Math.round(value * down));
    if (Math.abs(across / down - value) < Math.abs(best[0] / best[1] - value) - 1e-9) best = [across, down];
  }
  return best;
}

/** Units between start codes (H.264, annex B), each with its length before it instead. */
export function lengthPrefixed(content: Uint8Array): Uint8Array {
  const units: Uint8Array[] = [];
  let length = 0;
  for (let begin = afterStartCode(content, 0); begin < content.length; ) {
    const next = afterStartCode(content, begin);
    let end = next < content.length || isStartCode(content, next - 3) ? next - 3 : content.length;
    // Zeros before a start code belong to it.
    while (end > begin && content[end - 1] === 0) end -= 1;
    if (end > begin && (content[begin]! & 31) !== ACCESS_UNIT_DELIMITER) {
      units.push(content.subarray(begin, end));
      length += LENGTH_BYTES + end - begin;
    }
    begin = next;
  }
  const sample = new Uint8Array(length);
  const view = new DataView(sample.buffer);
  let at = 0;
  for (const unit of units) {
    view.setUint32(at, unit.length);
    sample.set(unit, at + LENGTH_BYTES);
    at += LENGTH_BYTES + unit.length;
  }
  return sample;
}

/** Where the unit after the next start code begins; the end when there is none. */
function afterStartCode(content: Uint8Array, from: number): number {
  for (let at = content.indexOf(1, from + 2); at !== -1; at = content.indexOf(1, at + 1)) {
    if (isStartCode(content, at - 2)) return at + 1;
  }
  return content.length;
}

function isStartCode(content: Uint8Array, at: number): boolean {
  return at >= 0 && content[at] === 0 && content[at + 1] === 0 && content[at + 2] === 1;
}
