import { systemClock } from '../../lib/clock/clock.ts';
import { MemoryVideoRepository } from './memory-video-repository.ts';
import { describeVideoRepository } from './video-repository.conformance.ts';

describeVideoRepository('MemoryVideoRepository', async ({ capacityBytes }) => {
  const repository = new MemoryVideoRepository({ capacityBytes, clock: systemClock });
  return { repository, damage: async (...where) => repository.damage(...where) };
});
