import type { Listing, RecoveryReport } from '../coordinator/recovery/report.ts';

const SHOWN_MAX = 20;

/** The report as text for the operator. */
export function formatReport(report: RecoveryReport, dryRun: boolean): string {
  const { videos, chunks, ring, strays, nodes } = report;
  const number = (value: number) => value.toLocaleString('en-US');
  const copies = ring.copiesWanted === 0 ? 100 : (100 * ring.copiesInPlace) / ring.copiesWanted;
  return [
    `Cluster ${report.clusterId}, ${report.replicas} copies of each chunk, ${nodes.length} storage nodes:`,
    ...nodes.map(
      ({ url, id, chunks, fresh }) => `  ${url}  ${id}  ${number(chunks)} chunks${fresh ? ', new' : ''}`,
    ),
    `Videos recovered: ${number(videos.recovered)} (${number(videos.bytes)} bytes)`,
    `Their chunks: ${number(chunks.complete)} with all copies, ${number(chunks.short)} with fewer, ${number(chunks.missing)} on no node`,
    `Copies where the new ring wants them: ${copies.toFixed(2)}%; slots inferred: ${number(ring.inferredSlots)} of ${number(ring.ranges * report.replicas)}, given to other nodes: ${number(ring.movedSlots)}`,
    `Records of earlier versions: ${number(report.supersededRecords)}`,
    `Stray chunks, which the sweep removes: ${number(strays.chunks)} of ${number(strays.objects)} objects, ${number(strays.bytes)} bytes`,
    ...list(
      'Videos that lack chunks (recovered; these parts cannot be read)',
      report.incompleteVideos,
      (item) =>
        `${item.videoId} "${item.title}": ${number(item.missing)} missing, such as ${item.chunkIds[0]}`,
    ),
    ...list(
      'Videos that may have been deleted',
      report.doubtful,
      (item) =>
        `${item.videoId} "${item.title}": ${item.copies} copies of its record; ${item.restored ? 'restored' : 'not restored'}`,
    ),
    ...list(
      'Records that cannot be read',
      report.damagedRecords,
      (item) =>
        `object ${item.objectId} version ${item.version}: ${item.reason}; ${item.usedVersion === null ? 'not recovered' : `version ${item.usedVersion} was used`}`,
    ),
    ...report.undecided.map((question) => `\nTo be decided: ${question}`),
    '',
    report.written
      ? 'The database is written. Start the coordinator; the administrator needs a new token.'
      : dryRun
        ? 'Nothing was written: this was a dry run.'
        : 'Nothing was written.',
  ].join('\n');
}

function list<Item>(title: string, { total, items }: Listing<Item>, line: (item: Item) => string): string[] {
  if (total === 0) return [];
  const shown = items.slice(0, SHOWN_MAX).map((item) => `  ${line(item)}`);
  const more = total > shown.length ? [`  and ${total - shown.length} more (--json lists up to 1000)`] : [];
  return [`${title}: ${total}`, ...shown, ...more];
}
