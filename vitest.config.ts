import {defineConfig} from 'vitest/config';

/** Registrations with servers and stand-ins of their own: they wait more than they compute, and run side by side. */
const servers = [
  'ec2',
  'ec2-copies',
  'ec2-moto',
  'ec2-trouble',
  'nimbus',
  'oci-register',
  'opennebula',
  'openstack',
  'xml-rpc',
].map((name) => `test/integration/${name}.test.ts`);

/**
 * Six tiers: unit (seconds), rig (the real CLI), servers (registrations), integration (real Debian, real boots), slow (the
 * long boots), soak (one thing again and again for ten minutes).
 */
export default defineConfig({
  test: {
    projects: [
      {test: {name: 'unit', include: ['test/unit/**/*.test.ts']}},
      {test: {name: 'rig', include: ['test/rig/**/*.test.ts'], testTimeout: 60_000, hookTimeout: 60_000}},
      {
        test: {
          name: 'servers',
          include: servers,
          globalSetup: ['test/integration/setup.ts'],
          testTimeout: 1_500_000,
          hookTimeout: 1_500_000,
        },
      },
      {
        test: {
          name: 'integration',
          include: ['test/integration/**/*.test.ts'],
          exclude: ['test/integration/**/*.{slow,soak}.test.ts', ...servers],
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
