import {describe, expect, it} from 'vitest';
import {Rig} from './rig.ts';
import {spec} from './specs.ts';

const files = {'fgimage.yaml': spec('targets: {hpc: }\n')};
const emptyLock = 'version: 1\narchives: {}\nstages: {}\nsources: {}\n';

describe('fgimage verify', () => {
  it.each<[string, readonly string[], Readonly<Record<string, string>>, number, string]>([
    [
      'a spec without a lock',
      ['verify', 'web'],
      files,
      5,
      'error: There is no fgimage.lock that says what to build again\n  mend: Make it with "fgimage lock", and build the image from it: "fgimage build --locked"\n',
    ],
    [
      'an image that is not in the spec',
      ['verify', 'wbe/hpc'],
      {...files, 'fgimage.lock': emptyLock},
      2,
      'error: There is no image wbe in PROJECT/fgimage.yaml\n  mend: Its images are web\n',
    ],
    [
      'a target that is not in the spec',
      ['verify', 'web/openstack'],
      {...files, 'fgimage.lock': emptyLock},
      2,
      'error: There is no target openstack in PROJECT/fgimage.yaml\n  mend: Its targets are hpc\n',
    ],
    [
      'a path with more parts than an artifact has',
      ['verify', 'web/hpc/rootfs.squashfs'],
      {...files, 'fgimage.lock': emptyLock},
      2,
      'error: web/hpc/rootfs.squashfs names no artifact\n  mend: Name <image> or <image>/<target>, as in the spec\n',
    ],
  ])('refuses %s', async (_, words, project, code, stderr) => {
    await using rig = new Rig(project);
    const ended = await rig.run(words);
    expect({
      code: ended.code,
      stdout: ended.stdout,
      stderr: ended.stderr.replace(rig.project, 'PROJECT'),
    }).toEqual({
      code,
      stdout: '',
      stderr,
    });
  });

  it('refuses a lock that does not answer the spec', async () => {
    await using rig = new Rig({...files, 'fgimage.lock': emptyLock});
    const {code, stdout, stderr} = await rig.run(['verify', 'web']);
    expect([code, stdout]).toEqual([5, '']);
    expect(stderr.split('\n')[0]).toBe('error: fgimage.lock does not answer the spec any more:');
  });

  it('refuses to be run without a name', async () => {
    await using rig = new Rig(files);
    const {code, stderr} = await rig.run(['verify']);
    expect([code, stderr]).toEqual([
      2,
      'error: missing required args for command `verify <artifact>`\n  mend: See fgimage --help\n',
    ]);
  });

  it('leaves nothing behind in the cache when it refuses', async () => {
    await using rig = new Rig({...files, 'fgimage.lock': emptyLock});
    await rig.run(['verify', 'web']);
    expect([rig.cached('tmp'), rig.cached('locks')]).toEqual([[], []]);
  });
});
