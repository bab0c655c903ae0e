import { chunkFilePath, flipBit, openDiskRepository } from '../test-support/disk-repository.ts';
import { temporaryDirectory } from '../test-support/temporary-directory.ts';
import { describeVideoRepository } from './video-repository.conformance.ts';

describeVideoRepository('DiskVideoRepository', async ({ capacityBytes }) => {
  const directory = await temporaryDirectory();
  const repository = await openDiskRepository(directory, { capacityBytes });
  return {
    repository,
    damage: (position, id, offset) => flipBit(chunkFilePath(directory, position, id), offset),
  };
});
