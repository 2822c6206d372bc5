import {execFileSync, spawn, spawnSync} from 'node:child_process';
import {existsSync, readdirSync, readFileSync} from 'node:fs';
import {join} from 'node:path';
import {afterAll, beforeAll, describe, expect, it} from 'vitest';
import {cacheLayout} from '../../cache/layout.ts';
import {packageRoot} from '../../src/package-root.ts';
import {keepWork} from '../../src/run/kept-work.ts';
import {CommandLog} from '../../src/sandbox/process.ts';
import {cleanEnvironment, type SandboxRequest, sandboxCommand} from '../../src/sandbox/sandbox.ts';
import {until} from '../rig/until.ts';
import {type BuildResult, Project} from './real-build.ts';

const project = new Project('debugging');
const asRoot = process.getuid?.() === 0;
let failed: BuildResult;
let kept: string;

beforeAll(async () => {
  project.sharePackages();
  project.write({
    'fgimage.yaml': `version: 1
name: web
os: {distribution: debian, release: bookworm}
write_files: [{path: /etc/motd, content: from the spec}]
provision: [{shell: "mkdir /made\\necho about to fail\\nexit 7\\n"}]
targets: {hpc: {}}
`,
  });
  failed = await project.build(['--no-test', '--keep-work', 'on-failure']);
  const [name = ''] = readdirSync(join(project.cache, 'kept'));
  kept = join(project.cache, 'kept', name);
  project.keepPackages();
});

interface Ended {
  readonly status: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

function run(command: readonly [string, ...string[]], input = ''): Ended {
  const [file, ...args] = command;
  const env = {PATH: process.env['PATH'] ?? '', HOME: project.folder, TERM: 'dumb'};
  const {status, stdout, stderr} = spawnSync(file, args, {cwd: project.folder, env, input, encoding: 'utf8'});
  return {status, stdout, stderr};
}

function shellCommand(tree: string, ...words: readonly string[]): readonly [string, ...string[]] {
  const main = join(packageRoot, 'dist/src/cli/main.js');
  return [process.execPath, main, 'shell', tree, '--cache-dir', project.cache, ...words];
}

function shell(tree: string, words: readonly string[] = [], input = ''): Ended {
  return run(shellCommand(tree, ...words), input);
}

/** What of a sandbox is still there. */
function left(): readonly string[] {
  const mounts = readFileSync('/proc/mounts', 'utf8').split('\n');
  const processes = spawnSync('pgrep', ['-af', project.cache], {encoding: 'utf8'}).stdout.split('\n');
  return [...mounts, ...processes].filter((line) => line.includes(project.cache));
}

describe('fgimage build --keep-work=on-failure', () => {
  it('keeps the work of the stage that failed, and of no other', () => {
    expect(failed.code, failed.told).toBe(1);
    expect(failed.stages('stage-failed')).toEqual(['customize:web/provision-1']);
    expect(failed.events).toContainEqual(
      expect.objectContaining({type: 'stage-failed', stage: 'customize:web/provision-1', keptWork: kept}),
    );
    expect(readdirSync(join(project.cache, 'kept'))).toHaveLength(1);
    expect(existsSync(join(kept, 'object/tree/made'))).toBe(true);
    expect(readdirSync(join(project.cache, 'tmp'))).toEqual([]);
  });

  it('leaves a rerun.sh that ends as the stage did, time and again', () => {
    const script = join(kept, 'rerun.sh');
    const asBefore = {status: 7, stdout: 'about to fail\n', stderr: ''};
    expect(run([script])).toEqual(asBefore);
    expect(run([script])).toEqual(asBefore);
    expect(left()).toEqual([]);
  });

  it('leaves a shell that sees what the command left, with the command at hand', () => {
    const words = 'ls -d /made; sh /run/fgimage/command.sh; touch /seen; cat /etc/motd; exit 5\n';
    const ended = run([join(kept, 'rerun.sh'), 'shell'], words);
    expect(ended).toEqual({
      status: 5,
      stdout: '/made\nfrom the spec',
      stderr: `The command is in /run/fgimage/command.sh. What is changed in the tree is thrown away.
mkdir: cannot create directory ‘/made’: File exists
`,
    });
    expect(existsSync(join(kept, 'object/tree/seen'))).toBe(false);
    expect(left()).toEqual([]);
  });
});

describe('fgimage shell', () => {
  it('runs a command in the tree as it was after a stage', () => {
    expect(shell('web:files', ['--', 'cat', '/etc/motd'])).toEqual({
      status: 0,
      stdout: 'from the spec',
      stderr: '',
    });
    const {stdout} = shell('customize:web/files', ['--', 'grep', '^ID=', '/etc/os-release']);
    expect(stdout).toBe('ID=debian\n');
    expect(shell('web:kernel', ['--', 'cat', '/etc/motd']).stdout).not.toBe('from the spec');
  });

  it('hands on the exit code and standard input', () => {
    expect(shell('web:files', ['--', 'sh', '-c', 'exit 7']).status).toBe(7);
    expect(shell('web:files', ['--', 'cat'], 'typed')).toEqual({status: 0, stdout: 'typed', stderr: ''});
    expect(shell('web:files', [], 'pwd\nexit 3\n')).toEqual({status: 3, stdout: '/\n', stderr: ''});
    expect(shell('web:files', ['--', 'nonesuch'])).toEqual({
      status: 127,
      stdout: '',
      stderr: 'fgimage sandbox: cannot run nonesuch: No such file or directory\n',
    });
  });

  it('throws changes away', () => {
    const change = 'echo other > /etc/motd; touch /new; cat /etc/motd';
    expect(shell('web:files', ['--', 'sh', '-c', change]).stdout).toBe('other\n');
    expect(shell('web:files', ['--', 'sh', '-c', 'cat /etc/motd; ls /new']).stdout).toBe('from the spec');
    expect(readdirSync(join(project.cache, 'tmp'))).toEqual([]);
    expect(left()).toEqual([]);
  });

  it('has no network unless it is asked for', () => {
    const count = ['--', 'sh', '-c', 'ls /sys/class/net 2>/dev/null || tail -n +3 /proc/net/dev | wc -l'];
    const host = readFileSync('/proc/net/dev', 'utf8').trimEnd().split('\n').length - 2;
    expect(shell('web:files', count).stdout).toBe('1\n');
    expect(shell('web:files', ['--network', ...count]).stdout).toBe(`${String(host)}\n`);
    expect(shell('web:files', ['--network', '--', 'cat', '/etc/resolv.conf']).stdout).toBe(
      readFileSync('/etc/resolv.conf', 'utf8'),
    );
  });

  it('says which stage has to run first, and where the work of its failure is', () => {
    expect(shell('web')).toEqual({
      status: 2,
      stdout: '',
      stderr: `error: The tree of web is not in the cache: customize:web/provision-1 has to run first
  mend: Run "fgimage build web --no-test --cache-dir ${project.cache}"; what it left when it failed last: ${kept}/rerun.sh shell
`,
    });
  });
});

/** A command at a terminal of its own, by script(1): its standard input is what is typed. */
class Terminal {
  readonly #child;
  readonly ended: Promise<number | null>;
  shown = '';

  constructor(command: readonly string[]) {
    const words = command.map((word) => `'${word}'`).join(' ');
    const env = {PATH: process.env['PATH'] ?? '', HOME: project.folder, TERM: 'dumb', SHELL: '/bin/sh'};
    this.#child = spawn('script', ['-qefc', words, '/dev/null'], {cwd: project.folder, env});
    this.#child.stdout.setEncoding('utf8').on('data', (text: string) => {
      this.shown += text;
    });
    this.ended = new Promise((resolve) => this.#child.once('exit', (code) => resolve(code)));
  }

  /** Types, once a text is shown that was not there before. */
  async type(text: string, {after}: {after: string}): Promise<void> {
    await until(() => this.shown.includes(after), {what: `${after} in ${this.shown}`});
    this.shown = '';
    this.#child.stdin.write(text);
  }
}

describe('fgimage shell at a terminal', () => {
  it('tells in the prompt where one is, and leaves Ctrl-C to what runs in the shell', async () => {
    const terminal = new Terminal(shellCommand('web:files'));
    await terminal.type('echo st""arted; sleep 600\r', {after: '(web:files)root@localhost:/# '});
    await terminal.type('\u0003', {after: 'started'});
    await terminal.type('exit $?\r', {after: '# '});
    expect(await terminal.ended).toBe(130);
    expect(left()).toEqual([]);
  });

  it('leaves the terminal to the script that called it', async () => {
    const words = shellCommand('web:files').join(' ');
    const terminal = new Terminal(['sh', '-c', `${words}; read -r word; echo read-$word`]);
    await terminal.type('exit\r', {after: '# '});
    await terminal.type('typed\r', {after: 'exit\r\n'});
    await terminal.ended;
    expect(terminal.shown).toContain('read-typed');
  });

  it('leaves nothing running or mounted after kill -9', async () => {
    const terminal = new Terminal(shellCommand('web:files'));
    await terminal.type('trap "" HUP TERM; sleep 61719\r', {after: '# '});
    await until(() => left().some((line) => line.includes('init.pl')));
    const started = left().filter((line) => line.includes(` ${process.execPath} `));
    expect(started).not.toEqual([]);
    for (const line of started) process.kill(Number.parseInt(line, 10), 'SIGKILL');
    await terminal.ended;
    await until(() => left().length === 0, {what: `the end of ${left().join('; ')}`});
    expect(spawnSync('pgrep', ['-f', '^sleep 61719$']).status).toBe(1);
  });
});

describe("an ordinary user's rerun.sh", () => {
  const user = `fgimage-debug-${String(process.pid)}`;
  afterAll(() => {
    if (asRoot) spawnSync('userdel', ['--remove', user]);
  });

  it('enters the user namespace again', () => {
    const own = new Project('debugging-user');
    const layout = cacheLayout(own.cache);
    own.write({'cache/tmp/run/key/object/tree/there': '', 'cache/tmp/run/empty/.keep': ''});
    const request: SandboxRequest = {
      base: own.cache,
      lowers: ['tmp/run/empty'],
      writable: {upper: 'tmp/run/key/object/tree', work: 'tmp/run/key/overlay'},
      mountPoint: 'tmp/run/key/merged',
      inside: 'host',
      command: [
        '/bin/sh',
        '-c',
        'id -u; chown 5:6 "$0" && stat -c %u:%g "$0"; exit 7',
        join(own.cache, 'tmp/run/key/merged'),
      ],
      env: cleanEnvironment,
      log: new CommandLog('/dev/null', () => undefined),
      signal: new AbortController().signal,
    };
    const result = keepWork({
      layout,
      work: join(own.cache, 'tmp/run/key'),
      run: join(own.cache, 'tmp/run'),
      stage: 'customize:web/x',
      key: '0123456789abcdef',
      commands: [{command: sandboxCommand(request), options: request}],
    });
    if (!result.ok) throw new Error(result.error);
    let by: readonly string[] = [];
    if (asRoot) {
      execFileSync('useradd', ['--create-home', user]);
      execFileSync('chown', ['-R', `${user}:`, own.folder]);
      by = ['setpriv', `--reuid=${user}`, `--regid=${user}`, '--init-groups', '--'];
    }
    const script = join(result.value, 'rerun.sh');
    const command = (...words: readonly string[]): readonly [string, ...string[]] => [
      'env',
      ...by,
      script,
      ...words,
    ];
    expect(run(command())).toEqual({status: 7, stdout: '0\n5:6\n', stderr: ''});
    expect(run(command('remove')).status).toBe(0);
    expect(readdirSync(layout.kept)).toEqual([]);
  });
});
