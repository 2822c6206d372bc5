import {defineConfig} from 'vitest/config';

/**
 * Five tiers: unit (seconds), rig (the real CLI), integration (real Debian, real boots), slow (the long boots), soak
 * (one thing again and again for ten minutes).
 */
export default defineConfig({
  test: {
    projects: [
      {test: {name: 'unit', include: ['test/unit/**/*.test.ts']}},
      {test: {name: 'rig', include: ['test/rig/**/*.test.ts'], testTimeout: 60_000, hookTimeout: 60_000}},
      {
        test: {
          name: 'integration',
          include: ['test/integration/**/*.test.ts'],
          exclude: ['test/integration/**/*.{slow,soak}.test.ts'],
          globalSetup: ['test/integration/setup.ts'],
          testTimeout: 1_500_000,
          hookTimeout: 1_500_000,
          fileParallelism: false,
        },
      },
      {
        test: {
          name: 'slow',
          include: ['test/integration/**/*.slow.test.ts'],
          globalSetup: ['test/integration/setup.ts'],
          testTimeout: 3_000_000,
          hookTimeout: 3_000_000,
          fileParallelism: false,
        },
      },
      {
        test: {
          name: 'soak',
          include: ['test/integration/**/*.soak.test.ts'],
          globalSetup: ['test/integration/setup.ts'],
          testTimeout: 3_000_000,
          hookTimeout: 3_000_000,
          fileParallelism: false,
        },
      },
    ],
  },
});
