import { type ClipOptions, makeClip } from '../../../worker/engine/testing/clips.ts';

export interface CmafClip {
  /** `ftyp` and `moov`. */
  readonly init: Buffer;
  /** `moof` and `mdat` each. */
  readonly segments: readonly Buffer[];
}

/** A generated clip of one track as CMAF segments of about two seconds. */
export async function makeCmafClip(kind: 'video' | 'audio', durationSeconds: number): Promise<CmafClip> {
  const shared = {
    durationSeconds,
    muxerOptions: { movflags: '+empty_moov+default_base_moof+cmaf', frag_duration: '2000000' },
  };
  const tracks: ClipOptions =
    kind === 'video' ? { video: { keyframeInterval: 50, bFrames: 0 }, audio: [] } : { video: null };
  const file = await makeClip({ ...shared, ...tracks });
  const init: Buffer[] = [];
  const segments: Buffer[] = [];
  let moof: Buffer | undefined;
  for (const { type, bytes } of boxesOf(file)) {
    if (type === 'ftyp' || type === 'moov') init.push(bytes);
    if (type === 'moof') moof = bytes;
    if (type === 'mdat' && moof !== undefined) segments.push(Buffer.concat([moof, bytes]));
  }
  return { init: Buffer.concat(init), segments };
}

/** The boxes of a file, or of a part of one that begins and ends with some. */
export function boxesOf(bytes: Buffer): { readonly type: string; readonly bytes: Buffer }[] {
  const boxes: { type: string; bytes: Buffer }[] = [];
  for (let at = 0; at < bytes.length; ) {
    const length = bytes.readUInt32BE(at);
    boxes.push({ type: bytes.toString('latin1', at + 4, at + 8), bytes: bytes.subarray(at, at + length) });
    at += length;
  }
  return boxes;
}
