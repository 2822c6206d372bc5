import {spawn} from 'node:child_process';
import {existsSync, mkdirSync, readdirSync, readFileSync} from 'node:fs';
import {describe, expect, it} from 'vitest';
import {compiled} from './compiled.ts';
import {Rig} from './rig.ts';

describe('fgimage init', () => {
  it('writes a valid spec by flags, and what goes with it', async () => {
    await using rig = new Rig();
    expect((await rig.run(['validate'])).stderr).toBe(
      'error: There is no fgimage.yaml\n  mend: Write one (fgimage init), or name it with --file\n',
    );
    const words = ['--name', 'shop', '--release', 'testing', '--target', 'hpc', '-t', 'openstack', '--yes'];
    const made = await rig.run(['init', 'ansible', ...words]);
    expect(made).toMatchObject({code: 0, stderr: ''});
    expect(made.stdout).toBe(`Written:
  fgimage.yaml, from the starter ansible
  roles/base/defaults/main.yml
  roles/base/tasks/main.yml
  roles/base/templates/motd.j2
  site.yml
Next:
  fgimage validate   checks it
  fgimage build      builds and boots it
  fgimage lock       pins what it is made of, for builds that can be repeated
`);
    expect(readdirSync(rig.project).sort()).toEqual(['fgimage.yaml', 'roles', 'site.yml']);
    expect((await rig.run(['validate'])).stdout).toContain('fgimage.yaml is valid: shop (hpc, openstack)\n');
  });

  it('takes the starter`s own answers where nothing is said and nobody can be asked', async () => {
    await using rig = new Rig();
    const made = await rig.run(['init', '-f', 'sub/web.yaml', 'web-server']);
    expect(made).toMatchObject({code: 0, stderr: ''});
    expect(made.stdout).toContain('  fgimage validate -f sub/web.yaml   checks it\n');
    expect(readFileSync(rig.join('project/sub/web.yaml'), 'utf8')).toContain('\nname: web\n');
  });

  it('replaces nothing without --force', async () => {
    await using rig = new Rig({'site.yml': 'mine\n'});
    expect(await rig.run(['init', 'ansible', '--yes'])).toEqual({
      ...{code: 2, signal: null, stdout: ''},
      stderr: `error: ${rig.join('project/site.yml')} is there already\n  mend: Name another file with --file, or replace it with --force\n`,
    });
    expect(existsSync(rig.join('project/fgimage.yaml'))).toBe(false);
    expect(await rig.run(['init', 'ansible', '--yes', '--force'])).toMatchObject({code: 0, stderr: ''});
    expect(readFileSync(rig.join('project/site.yml'), 'utf8')).not.toBe('mine\n');
  });

  it.each([
    [['wbe-server'], 'There is no starter wbe-server; did you mean web-server?'],
    [['minimal', '--distribution', 'debain'], 'There is no distribution debain; did you mean debian?'],
    [['minimal', '--release', 'trixi'], 'There is no release of debian trixi; did you mean trixie?'],
    [['minimal', '--target', 'openstak'], 'There is no target openstak; did you mean openstack?'],
    [
      ['minimal', '--name', 'A B'],
      '"A B" is no name: lower-case letters, digits, ".", "_" and "-", at most 63, a letter or digit first',
    ],
  ])('refuses %j', async (words, message) => {
    await using rig = new Rig();
    expect(await rig.run(['init', ...words])).toMatchObject({
      ...{code: 2, stdout: ''},
      stderr: `error: ${message}\n  mend: See fgimage init --list and --help\n`,
    });
    expect(readdirSync(rig.project)).toEqual([]);
  });

  it.each([
    ['without a mirror', [], 'Where the packages of rocky are is not known'],
    ['with what is none', ['--mirror', 'rocky'], 'This is no mirror: begin it with http://, https://'],
    [
      'for a target that does not know it',
      ['--mirror', 'https://mirror.example.org/rocky', '-t', 'hpc'],
      'The target hpc does not know rocky yet; those that do are libvirt, oci, openstack, tarball',
    ],
  ])('refuses a distribution with rpm packages %s', async (_, words, message) => {
    await using rig = new Rig();
    const {code, stderr} = await rig.run(['init', 'minimal', '--distribution', 'rocky', ...words]);
    expect(code).toBe(2);
    expect(stderr).toContain(`error: ${message}`);
    expect(readdirSync(rig.project)).toEqual([]);
  });

  it('builds for the release that was said where a matrix has others', async () => {
    await using rig = new Rig();
    const words = ['--distribution', 'ubuntu', '--release', '24.04'];
    const made = await rig.run(['init', 'fleet', ...words]);
    expect(made).toMatchObject({code: 0, stderr: ''});
    expect(made.stdout).not.toContain('mended');
    expect((await rig.run(['validate'])).stdout).toContain(
      'fgimage.yaml is valid: base-noble (openstack); web-noble (openstack); db-noble (openstack)\n',
    );
  });

  it('writes all files or none', async () => {
    await using rig = new Rig({roles: 'a file, where a folder is wanted\n'});
    expect(await rig.run(['init', 'ansible'])).toEqual({
      ...{code: 3, signal: null, stdout: ''},
      stderr: `error: Cannot write ${rig.join('project/roles/base/defaults/main.yml')}: nothing was written\n  mend: Name a file in a folder that you can write with --file\n`,
    });
    expect(readdirSync(rig.project)).toEqual(['roles']);
    // No new folder is made there, and Node's own recursive mkdir would ask for ever.
    expect(await rig.run(['init', '-f', '/proc/x/y/fgimage.yaml'])).toMatchObject({code: 3, stdout: ''});
    const folder = await rig.run(['init', '-f', '.', '--force']);
    expect(folder).toMatchObject({
      code: 2,
      stderr: `error: ${rig.project} is a folder\n  mend: Name a file in it with --file\n`,
    });
  });

  it('prints its starters', async () => {
    await using rig = new Rig();
    const {code, stdout} = await rig.run(['init', '--list']);
    expect(code).toBe(0);
    expect(stdout).toMatch(/^minimal +A small system/m);
    expect(stdout).toMatch(/^chef +/m);
  });

  it('asks on a terminal until an answer is right', async () => {
    await using rig = new Rig();
    mkdirSync(rig.join('project/shop'));
    const answers = ['web-sever', 'web-server', 'Web!', '', '', '12', 'openstack, hcp', 'openstack,hpc'];

    const {code, output} = await onTerminal(rig, 'project/shop', answers);

    expect(output).toContain('There is no starter web-sever; did you mean web-server?');
    expect(output).toContain('"Web!" is no name');
    expect(output).toContain('There is no target hcp');
    expect(code).toBe(0);
    const text = readFileSync(rig.join('project/shop/fgimage.yaml'), 'utf8');
    expect(text).toContain('\nname: shop\n');
    expect(text).toContain('\n  release: "12"\n');
    expect(text).toContain('\ntargets:\n  openstack:\n  hpc:\n');
  });

  it('writes nothing when a person leaves', async () => {
    await using rig = new Rig();
    const {code, output} = await onTerminal(rig, 'project', ['minimal', '\u0004']);
    expect(output).toContain('Cancelled: nothing was written');
    expect(code).toBe(130);
    expect(readdirSync(rig.project)).toEqual([]);
  });
});

/** Runs `fgimage init` at a terminal that script(1) makes, and answers each prompt with the next answer. */
async function onTerminal(
  rig: Rig,
  cwd: string,
  answers: readonly string[],
): Promise<{readonly code: number | null; readonly output: string}> {
  const command = `'${process.execPath}' '${compiled('src/cli/main.js')}' init`;
  const child = spawn('script', ['--quiet', '--return', '--command', command, '/dev/null'], {
    cwd: rig.join(cwd),
    env: {PATH: rig.path, HOME: rig.join('home'), TERM: 'xterm', LC_ALL: 'C.UTF-8', FGIMAGE_CACHE: rig.cache},
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  const left = [...answers];
  let [output, asked] = ['', 0];
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    output += text;
    const prompts = output.split(']: ').length - 1;
    // A prompt is drawn once; what is typed is echoed after it.
    if (prompts <= asked) return;
    asked = prompts;
    const answer = left.shift();
    if (answer !== undefined) child.stdin.write(answer === '\u0004' ? answer : `${answer}\r`);
  });
  const code = await new Promise<number | null>((resolve, reject) => {
    child.once('error', reject);
    child.once('close', resolve);
  });
  return {code, output};
}
