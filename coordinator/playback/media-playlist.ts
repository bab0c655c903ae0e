import type { BitRates } from './bit-rates.ts';
import { CAPTIONS_FILE, initPathOf, segmentPathOf } from './paths.ts';
import type { SegmentTable } from './segment-table.ts';

const HEAD = ['#EXTM3U', '#EXT-X-VERSION:7'];
const ON_DEMAND = ['#EXT-X-PLAYLIST-TYPE:VOD', '#EXT-X-INDEPENDENT-SEGMENTS'];

/** Seconds as playlists have them. */
export function writtenSeconds(seconds: number): string {
  return seconds.toFixed(6);
}

/** The playlist of one rendition (RFC 8216). `query`, with its question mark, goes behind every address in it. */
export function mediaPlaylistOf(
  table: SegmentTable,
  { targetDurationS }: Pick<BitRates, 'targetDurationS'>,
  query: string,
): string {
  const lines = [
    ...HEAD,
    `#EXT-X-TARGETDURATION:${targetDurationS}`,
    '#EXT-X-MEDIA-SEQUENCE:0',
    ...ON_DEMAND,
  ];
  let initIndex: number | undefined;
  let next = 0;
  for (const piece of table.pieces) {
    if (piece.initIndex !== initIndex) {
      initIndex = piece.initIndex;
      lines.push(`#EXT-X-MAP:URI="${initPathOf(initIndex)}${query}"`);
    }
    next += 1;
    const end = table.pieces[next]?.first ?? table.count;
    for (let number = piece.first; number < end; number++) {
      lines.push(`#EXTINF:${writtenSeconds(table.durationS(number))},`, `${segmentPathOf(number)}${query}`);
    }
  }
  return `${lines.join('\n')}\n#EXT-X-ENDLIST\n`;
}

/** The playlist of captions, which are one file as long as the title. */
export function captionsPlaylistOf(durationS: number): string {
  const lines = [
    ...HEAD,
    `#EXT-X-TARGETDURATION:${Math.max(1, Math.round(durationS))}`,
    '#EXT-X-MEDIA-SEQUENCE:0',
    '#EXT-X-PLAYLIST-TYPE:VOD',
    `#EXTINF:${writtenSeconds(durationS)},`,
    CAPTIONS_FILE,
    '#EXT-X-ENDLIST',
  ];
  return `${lines.join('\n')}\n`;
}
