import type { StartSystem } from './bench-system.ts';
import { startNginx } from './nginx-system.ts';
import { startSwift } from './swift-system.ts';

/** The systems that OrbitVids can be run beside, by the names `--peers` takes. */
export const PEERS: Readonly<Record<string, StartSystem>> = {
  nginx: (run) => startNginx(run, 'default'),
  'nginx-tuned': (run) => startNginx(run, 'tuned'),
  swift: startSwift,
};
