import type { ClusterNode } from '../../../api/types.ts';

const COLOURS = 12;

/** Short and known to whoever set it up: host and port. */
export function nodeName(url: string): string {
  return URL.parse(url)?.host ?? url;
}

/** Names the colour of a node: by the order in which nodes came, so that each keeps its own when others come. */
export function nodeClasses(nodes: readonly ClusterNode[]): ReadonlyMap<string, string> {
  const inOrder = nodes.toSorted(
    (a, b) => a.registeredAt.localeCompare(b.registeredAt) || a.id.localeCompare(b.id),
  );
  return new Map(inOrder.map(({ id }, index) => [id, `node-${(index % COLOURS) + 1}`]));
}
