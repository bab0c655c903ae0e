import { randomUUID } from 'node:crypto';
import type { NodeStats } from '../../../lib/node-api/schema.ts';
import { foreignCluster, type NodeIdentity, type NodeProbe } from '../node-probe.ts';
import { unreachable } from '../node-requests.ts';

export interface FakeNode {
  readonly id: string;
  url: string;
  clusterId: string | null;
  answers: boolean;
  capacityBytes: number;
}

/** Storage nodes that exist only as answers to a probe. */
export class FakeNodes implements NodeProbe {
  readonly nodes: FakeNode[] = [];
  claims = 0;

  add(options: Partial<FakeNode> = {}): FakeNode {
    const id = options.id ?? randomUUID();
    const node: FakeNode = {
      id,
      url: `http://${id}:7000`,
      clusterId: null,
      answers: true,
      capacityBytes: 1e9,
      ...options,
    };
    this.nodes.push(node);
    return node;
  }

  async health(url: string): Promise<NodeIdentity> {
    return { nodeId: this.#at(url).id };
  }

  async stats(url: string): Promise<NodeStats> {
    const node = this.#at(url);
    return {
      nodeId: node.id,
      clusterId: node.clusterId,
      startedAt: new Date(0).toISOString(),
      capacityBytes: node.capacityBytes,
      usedBytes: 1000,
      chunkCount: 3,
      quarantinedCount: 0,
      disk: 'ok',
    };
  }

  async claim(url: string, clusterId: string): Promise<void> {
    const node = this.#at(url);
    this.claims += 1;
    if (node.clusterId !== null && node.clusterId !== clusterId) throw foreignCluster(url);
    node.clusterId = clusterId;
  }

  #at(url: string): FakeNode {
    const node = this.nodes.find((candidate) => candidate.url === url && candidate.answers);
    if (node === undefined) throw unreachable(url, 'connection refused');
    return node;
  }
}
