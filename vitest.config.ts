import { defineConfig } from 'vitest/config';
import { BaseSequencer, type TestSpecification } from 'vitest/node';

/**
 * Tests with clusters of their own take longest: they begin first, so that in the end no worker is alone with one. By
 * itself vitest goes by the size of files until it has seen how long they take.
 */
class ClustersFirst extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    const isLong = ({ moduleId }: TestSpecification) => moduleId.startsWith(`${this.ctx.config.root}/tests/`);
    const sorted = await super.sort(files);
    return [...sorted.filter(isLong), ...sorted.filter((file) => !isLong(file))];
  }
}

// Processes that tests start compile each file once among them, which takes half of the time until they listen.
process.env.NODE_COMPILE_CACHE ??= `${import.meta.dirname}/node_modules/.cache/orbitvids/compiled`;

export default defineConfig({
  test: {
    include: ['**/*.test.ts'],
    exclude: ['**/node_modules/**', 'data/**'],
    testTimeout: 60_000,
    hookTimeout: 60_000,
    maxWorkers: 2,
    // Loading the same modules anew for each of 200 files is a tenth of the time; no test replaces modules.
    isolate: false,
    globalSetup: 'tests/support/scratch-directory.ts',
    sequence: { sequencer: ClustersFirst },
  },
});
