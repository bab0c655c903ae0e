import { box } from '../cmaf/boxes.ts';
import {
  AAC_OBJECT_TYPE_INDICATION,
  type AacConfiguration,
  parseAudioSpecificConfig,
  parseElementaryStream,
} from './aac.ts';
import { type Box, boxesIn, childrenOf, findBox, requireBytes } from './boxes.ts';
import { type AvcConfiguration, parseAvcConfiguration } from './h264.ts';

/** How the samples of a track are coded: an entry of `stsd`. */
export interface PictureEntry {
  /** `avc1`, `hvc1`, ... */
  readonly format: string;
  readonly width: number;
  readonly height: number;
  /** Width of a pixel divided by its height, by `pasp`; null: not told. */
  readonly pixelAspect: number | null;
  /** Transfer characteristics (H.273), by `colr`; null: not told. */
  readonly transfer: number | null;
  /** Of H.264. */
  readonly avc: AvcConfiguration | null;
  /** The whole entry. */
  readonly bytes: Uint8Array;
}

export interface SoundEntry {
  readonly format: string;
  readonly channels: number;
  readonly sampleRate: number;
  readonly bitRate: number | null;
  /** Of AAC. */
  readonly aac: AacConfiguration | null;
  /** The entry as ISO 14496-14 has it, also where the file has QuickTime's; null: not of AAC. */
  readonly bytes: Uint8Array | null;
}

/** Fields of VisualSampleEntry and AudioSampleEntry before the boxes in them. */
const PICTURE_FIELDS_BYTES = 78;
const SOUND_FIELDS_BYTES = 28;
/** What QuickTime's versions of the latter have more. */
const SOUND_EXTRA_BYTES = [0, 16, 36];

/** Throws Mp4Error when the entry is broken. */
export function parsePictureEntry(view: DataView, entry: Box): PictureEntry {
  requireBytes(entry, PICTURE_FIELDS_BYTES);
  const boxes = boxesIn(view, entry.start + PICTURE_FIELDS_BYTES, entry.end);
  const avcC = findBox(boxes, 'avcC');
  return {
    format: entry.type,
    width: view.getUint16(entry.start + 24),
    height: view.getUint16(entry.start + 26),
    pixelAspect: readPixelAspect(view, boxes),
    transfer: readTransfer(view, boxes),
    avc: avcC === undefined ? null : parseAvcConfiguration(bytesOf(view, avcC.start, avcC.end)),
    bytes: pictureEntryBytes(view, entry),
  };
}

/** Throws Mp4Error when the entry is broken. */
export function parseSoundEntry(view: DataView, entry: Box): SoundEntry {
  requireBytes(entry, SOUND_FIELDS_BYTES);
  const extra = SOUND_EXTRA_BYTES[view.getUint16(entry.start + 8)] ?? 0;
  const said = {
    format: entry.type,
    channels: view.getUint16(entry.start + 16),
    sampleRate: view.getUint16(entry.start + 24),
    ...{ bitRate: null, aac: null, bytes: null },
  };
  const boxes = boxesIn(view, entry.start + SOUND_FIELDS_BYTES + extra, entry.end);
  const wave = findBox(boxes, 'wave');
  const esds = findBox(boxes, 'esds') ?? (wave && findBox(childrenOf(view, wave), 'esds'));
  if (entry.type !== 'mp4a' || esds === undefined) return said;
  requireBytes(esds, 4);
  const stream = parseElementaryStream(bytesOf(view, esds.start + 4, esds.end));
  const isAac = stream.objectTypeIndication === AAC_OBJECT_TYPE_INDICATION;
  if (!isAac) return { ...said, bitRate: stream.bitRate };
  const aac = parseAudioSpecificConfig(stream.specificInfo);
  return {
    format: entry.type,
    channels: aac.channels === 0 ? said.channels : aac.channels,
    sampleRate: aac.sampleRate,
    bitRate: stream.bitRate,
    aac,
    bytes: plainSoundEntry(view, entry, esds, aac),
  };
}

/**
 * The same entry without what QuickTime adds, which browsers do not look for. `heard` is what the codec says; in QuickTime's
 * last version the fields say nothing.
 */
function plainSoundEntry(view: DataView, entry: Box, esds: Box, heard: AacConfiguration): Uint8Array {
  const fields = bytesOf(view, entry.start, entry.start + SOUND_FIELDS_BYTES).slice();
  const target = new DataView(fields.buffer);
  target.setUint16(6, 1);
  if (target.getUint16(8) !== 0) {
    target.setUint16(16, heard.channels);
    target.setUint32(24, heard.sampleRate < 0x1_0000 ? heard.sampleRate * 0x1_0000 : 0);
  }
  fields.fill(0, 8, 16);
  target.setUint16(18, 16);
  target.setUint32(20, 0);
  return box('mp4a', fields, box('esds', bytesOf(view, esds.start, esds.end)));
}

/** The entry as it is, but that what it describes lies in the same file. */
function pictureEntryBytes(view: DataView, entry: Box): Uint8Array {
  const content = bytesOf(view, entry.start, entry.end).slice();
  new DataView(content.buffer).setUint16(6, 1);
  return box(entry.type, content);
}

function readPixelAspect(view: DataView, boxes: readonly Box[]): number | null {
  const pasp = findBox(boxes, 'pasp');
  if (pasp === undefined || pasp.end - pasp.start < 8) return null;
  const across = view.getUint32(pasp.start);
  const down = view.getUint32(pasp.start + 4);
  return across === 0 || down === 0 ? null : across / down;
}

function readTransfer(view: DataView, boxes: readonly Box[]): number | null {
  const colr = findBox(boxes, 'colr');
  if (colr === undefined || colr.end - colr.start < 10) return null;
  const type = String.fromCharCode(...bytesOf(view, colr.start, colr.start + 4));
  return type === 'nclx' || type === 'nclc' ? view.getUint16(colr.start + 6) : null;
}

function bytesOf(view: DataView, start: number, end: number): Uint8Array {
  return new Uint8Array(view.buffer, view.byteOffset + start, end - start);
}
