/** @typedef {import('../../../../../targets/contract.ts').Target} Target */
/** @typedef {import('../../../../../targets/project-target.ts').SchemaTools} SchemaTools */

/**
 * A shelf: a folder that images are put on as tar archives, each with a note beside it.
 *
 * @type {Target}
 */
export const target = {
  name: 'shelf',
  // Raise it when the same options give another image.
  version: 1,
  usualName: '{image}-{digest}',
  adapt: () => ({
    packages: ['systemd-sysv'],
    initramfsPackages: [],
    files: [{path: '/etc/motd', content: 'From the shelf\n', permissions: '0644'}],
    initramfsFiles: [],
    services: {enable: [], disable: [], mask: []},
  }),
  pack: (_image, {level}) => ({
    kind: 'tar',
    fileName: 'root.tar.zst',
    compression: {algorithm: 'zstd', level: Number(level)},
  }),
  boot: () => [],
  registrar: async () => (await import('./register.mjs')).openRegistrar,
};

/** The options, in zod's words. @param {SchemaTools} tools */
export const schema = ({z, fields, registerFields}) =>
  z
    .strictObject({
      level: z.int().min(1).max(19).default(3).describe('Level of zstd.'),
      register: z
        .strictObject({
          ...registerFields,
          folder: fields.line.describe('The shelf: a folder, from the project on.'),
          note: fields.line.describe('What is written on the label.').exactOptional(),
        })
        .describe('Where it is registered.')
        .exactOptional(),
    })
    .describe('A tar archive on a shelf.');
