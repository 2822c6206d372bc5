import {defineConfig} from 'vitest/config';
import {BaseSequencer, type TestSpecification} from 'vitest/node';

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

/** Machines that boot under emulation want both cores for themselves. */
const boots = ['build', 'configured'].map((name) => `test/integration/${name}.test.ts`);

/** What takes minutes, the longest first: begun last, one of them would run alone at the end. */
const long = [
  ...['rig/plan', 'rig/unchanged', 'integration/openstack', 'integration/ec2', 'rig/run-modes'],
  ...['kills', 'chaos', 'reproducible', 'failures', 'cutoff', 'verify', 'lock', 'offline'].map(
    (name) => `integration/${name}`,
  ),
].map((name) => `test/${name}.test.ts`);

/** Vitest's own number is one less than there are processors, which leaves one of two idle. */
const maxWorkers = 2;

class LongestFirst extends BaseSequencer {
  override sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    const place = ({moduleId}: TestSpecification): number => {
      const at = long.findIndex((path) => moduleId.endsWith(path));
      return at === -1 ? long.length : at;
    };
    return Promise.resolve(files.toSorted((a, b) => place(a) - place(b)));
  }
}

/**
 * Seven tiers: unit (seconds), rig (the real CLI), servers (registrations), boots (real Debian that boots), integration
 * (real Debian, two files at a time), slow (the long boots), soak (one thing again and again for ten minutes).
 */
export default defineConfig({
  test: {
    sequence: {sequencer: LongestFirst},
    projects: [
      {test: {name: 'unit', include: ['test/unit/**/*.test.ts'], maxWorkers}},
      {
        test: {
          name: 'rig',
          include: ['test/rig/**/*.test.ts'],
          testTimeout: 60_000,
          hookTimeout: 60_000,
          maxWorkers,
        },
      },
      {
        test: {
          name: 'servers',
          include: servers,
          globalSetup: ['test/integration/setup.ts'],
          testTimeout: 1_500_000,
          hookTimeout: 1_500_000,
          maxWorkers,
        },
      },
      {
        test: {
          name: 'boots',
          include: boots,
          globalSetup: ['test/integration/setup.ts'],
          testTimeout: 1_500_000,
          hookTimeout: 1_500_000,
          maxWorkers: 1,
          sequence: {groupOrder: 1},
        },
      },
      {
        test: {
          name: 'integration',
          include: ['test/integration/**/*.test.ts'],
          exclude: ['test/integration/**/*.{slow,soak}.test.ts', ...boots, ...servers],
          globalSetup: ['test/integration/setup.ts'],
          testTimeout: 1_500_000,
          hookTimeout: 1_500_000,
          maxWorkers,
          sequence: {groupOrder: 2},
        },
      },
      {
        test: {
          name: 'slow',
          include: ['test/integration/**/*.slow.test.ts'],
          globalSetup: ['test/integration/setup.ts'],
          testTimeout: 3_000_000,
          hookTimeout: 3_000_000,
          maxWorkers: 1,
          sequence: {groupOrder: 3},
        },
      },
      {
        test: {
          name: 'soak',
          include: ['test/integration/**/*.soak.test.ts'],
          globalSetup: ['test/integration/setup.ts'],
          testTimeout: 3_000_000,
          hookTimeout: 3_000_000,
          maxWorkers: 1,
          sequence: {groupOrder: 4},
        },
      },
    ],
  },
});
