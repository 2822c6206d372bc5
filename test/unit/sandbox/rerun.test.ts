import {type SpawnSyncReturns, spawnSync} from 'node:child_process';
import {chmodSync, existsSync} from 'node:fs';
import {describe, expect, it} from 'vitest';
import {packageRoot} from '../../../src/package-root.ts';
import {CommandLog, type StartedCommand} from '../../../src/sandbox/process.ts';
import {type RerunOptions, type RerunScripts, rerunScripts} from '../../../src/sandbox/rerun.ts';
import {type SandboxRequest, sandboxCommand} from '../../../src/sandbox/sandbox.ts';
import {TemporaryFolder} from '../../rig/temporary-folder.ts';

const log = new CommandLog('/dev/null', () => undefined);
const {signal} = new AbortController();

const readOnly: SandboxRequest = {
  base: '/cache',
  lowers: ['tmp/run/shims', 'objects/a/tree'],
  mountPoint: 'tmp/run/key/merged',
  inside: 'image',
  binds: [{source: '/cache/tmp/run/key/script', path: '/run/script', kind: 'file', mode: 'ro'}],
  network: false,
  command: ['/bin/sh', '/run/script', "it's"],
  env: {PATH: '/usr/bin:/bin', http_proxy: 'http://user:secret@proxy', SOURCE_DATE_EPOCH: '1686355200'},
  log,
  signal,
};

const request: SandboxRequest = {
  ...readOnly,
  writable: {upper: 'tmp/run/key/object/tree', work: 'tmp/run/key/overlay/1'},
};

function started(changes: Partial<SandboxRequest> = {}): StartedCommand {
  const options = {...request, ...changes};
  return {command: sandboxCommand(options), options};
}

const moved = (text: string): string =>
  text.replaceAll('tmp/run/key', 'kept/web').replaceAll('tmp/run', 'kept/web/run');

function scripts(...commands: readonly StartedCommand[]): RerunScripts {
  const made = rerunScripts({
    stage: 'customize:web/x',
    kept: '/cache/kept/web',
    cache: '/cache',
    commands,
    moved,
  });
  if (made === undefined) throw new Error('There is no script');
  return made;
}

/** The layers of the sandboxes in a script: of the command, then of the shell. */
function lowers(script: string): readonly string[] {
  return [...script.matchAll(/lowerdir=([^,]*),/g)].map(([, found = '']) => found);
}

/** A script without the line breaks that only make it readable: where they are depends on where fgimage lies. */
function joined(script: string): string {
  return script.replaceAll(/ \\\n */g, ' ').replaceAll(packageRoot, '');
}

/** A folder of programs that take the place of those that would need root. */
class Fakes {
  readonly folder = new TemporaryFolder();

  constructor() {
    this.#add('id', 'echo 0');
    this.#add('unshare', String.raw`printf '%s\0' unshare "$@"; env -0 | sort -z; exit 42`);
  }

  #add(name: string, script: string): void {
    this.folder.write({[`bin/${name}`]: `#!/bin/sh\n${script}\n`});
    chmodSync(this.folder.join('bin', name), 0o755);
  }

  get path(): string {
    return `${this.folder.join('bin')}:/usr/bin:/bin`;
  }

  /** Writes the scripts of a stage that is kept in this folder. */
  write(commands: readonly StartedCommand[], changed: Partial<RerunOptions> = {}): void {
    const made = rerunScripts({
      stage: 'customize:web/x',
      kept: this.folder.join('kept'),
      cache: this.folder.path,
      commands,
      moved: (text) => text,
      ...changed,
    });
    this.folder.write({'kept/rerun.sh': made?.rerun ?? '', 'kept/command.sh': made?.command ?? ''});
  }

  run(...words: readonly string[]): SpawnSyncReturns<string> {
    const env = {PATH: this.path, TERM: 'xterm', HTTPS_PROXY: 'http://now', SECRET: 'not handed on'};
    return spawnSync('/bin/sh', [this.folder.join('kept/rerun.sh'), ...words], {env, encoding: 'utf8'});
  }

  [Symbol.dispose](): void {
    this.folder[Symbol.dispose]();
  }
}

describe('rerunScripts()', () => {
  it('writes down the command, its mounts and its environment, and no value of the caller', () => {
    const {rerun, command} = scripts(started());
    expect(joined(rerun)).toMatchInlineSnapshot(`
      "#!/bin/sh
      # README: the work of a stage of fgimage, kept by --keep-work: customize:web/x
      #
      #   rerun.sh          runs its last command again: same arguments, mounts and environment, same exit code
      #   rerun.sh shell    opens a shell in the tree as that command left it
      #   rerun.sh remove   removes this folder
      #
      # What the stage had written is in object/tree.
      # The command starts without it, as it did; what it writes now is in rerun/upper.
      set -eu
      umask 022
      kept=/cache/kept/web
      cache=/cache

      refuse() {
        printf 'rerun.sh: %s\\n' "$1" >&2
        exit 125
      }
      need() {
        [ -e "$1" ] || refuse "$1 is not there any more: run the build again"
      }
      fresh() {
        rm -rf "$kept/rerun"
        mkdir -p "$kept/rerun/upper" "$kept/rerun/work" "$kept/merged"
      }

      [ -d "$kept" ] || refuse "it works only in $kept"
      if [ "$(id -u)" != 0 ]; then
        exec unshare --user --map-root-user --map-auto -- /bin/sh "$0" "$@"
      fi
      [ -O "$kept" ] || refuse "$kept is of another user's build"

      case \${1-} in
      '')
        need "$cache"/kept/web/run/shims
        need "$cache"/objects/a/tree
        need /cache/kept/web/script
        fresh
        cd /
        exec perl -e '%ENV = map { exists $ENV{$_} ? ($_ => $ENV{$_}) : () } split /,/, shift; exec @ARGV; die "$ARGV[0]: $!\\n"' http_proxy env PATH=/usr/bin:/bin SOURCE_DATE_EPOCH=1686355200 unshare --mount --pid --ipc --uts --fork --kill-child --propagation private --net perl /src/sandbox/init.pl chdir /cache hostname localhost loopback overlay kept/web/merged lowerdir=kept/web/run/shims:objects/a/tree,userxattr,upperdir=kept/web/rerun/upper,workdir=kept/web/rerun/work,volatile root kept/web/merged proc dev tmpfs /tmp 1777 tmpfs /var/tmp 1777 tmpfs /run 755 bind file ro /cache/kept/web/script /run/script pivot drop-capabilities watch none exec /bin/sh /run/script 'it'\\''s' < /dev/null
        ;;
      shell)
        need "$cache"/kept/web/run/shims
        need "$cache"/objects/a/tree
        need /cache/kept/web/script
        fresh
        cd /
        printf '%s\\n' 'The command is in /run/fgimage/command.sh. What is changed in the tree is thrown away.' >&2
        exec perl -e '%ENV = map { exists $ENV{$_} ? ($_ => $ENV{$_}) : () } split /,/, shift; exec @ARGV; die "$ARGV[0]: $!\\n"' http_proxy,TERM env PATH=/usr/bin:/bin SOURCE_DATE_EPOCH=1686355200 debian_chroot=customize:web/x PS1='(customize:web/x) # ' unshare --mount --pid --ipc --uts --fork --kill-child --propagation private --net perl /src/sandbox/init.pl chdir /cache hostname localhost loopback overlay kept/web/merged lowerdir=kept/web/object/tree:kept/web/run/shims:objects/a/tree,userxattr,upperdir=kept/web/rerun/upper,workdir=kept/web/rerun/work,volatile root kept/web/merged proc dev tmpfs /tmp 1777 tmpfs /var/tmp 1777 tmpfs /run 755 bind file ro /cache/kept/web/script /run/script bind file ro /cache/kept/web/command.sh /run/fgimage/command.sh pivot drop-capabilities watch none terminal exec /bin/sh -c 'if [ -x /bin/bash ]; then exec /bin/bash; else exec /bin/sh; fi'
        ;;
      remove)
        cd /
        rm -rf "$kept"
        ;;
      *)
        refuse "there is no $1: give no word, shell or remove"
        ;;
      esac
      "
    `);
    expect(command).toBe(`#!/bin/sh\nexec /bin/sh /run/script 'it'\\''s'\n`);
  });

  it('starts from the layers alone where the command was the first to write', () => {
    const {rerun} = scripts({command: sandboxCommand(readOnly), options: readOnly}, started());
    expect(lowers(rerun)).toEqual([
      'kept/web/run/shims:objects/a/tree',
      'kept/web/object/tree:kept/web/run/shims:objects/a/tree',
    ]);
    expect(rerun).toContain('# The command starts without it, as it did;');
  });

  it('starts on top of what earlier commands wrote', () => {
    const {rerun} = scripts(started(), started());
    expect(lowers(rerun)).toEqual([
      'kept/web/object/tree:kept/web/run/shims:objects/a/tree',
      'kept/web/object/tree:kept/web/run/shims:objects/a/tree',
    ]);
    expect(rerun).toContain('# Earlier commands wrote there too,');
  });

  it('opens the shell on the published output where it is no longer in the folder', () => {
    const published = {from: 'kept/web/object/tree', to: 'objects/b/tree'};
    const made = rerunScripts({
      stage: 'customize:web/x',
      kept: '/cache/kept/web',
      cache: '/cache',
      commands: [started()],
      moved,
      published,
    });
    expect(lowers(made?.rerun ?? '')).toEqual([
      'kept/web/run/shims:objects/a/tree',
      'objects/b/tree:kept/web/run/shims:objects/a/tree',
    ]);
  });

  it('makes the tools image again for a program of it, and a shell in there', () => {
    const inside = {lowers: ['objects/t/tree', 'tmp/run/empty'], treePath: '/run/fgimage/tree'};
    const options = {...readOnly, inside};
    const {rerun} = scripts({command: sandboxCommand(options), options});
    expect(lowers(rerun)).toEqual([
      'objects/t/tree:kept/web/run/empty',
      'kept/web/run/shims:objects/a/tree',
      'objects/t/tree:kept/web/run/empty',
      'kept/web/run/shims:objects/a/tree',
    ]);
    expect(rerun.match(/need "\$cache"\S+/g)).toEqual([
      'need "$cache"/objects/t/tree',
      'need "$cache"/kept/web/run/empty',
      'need "$cache"/kept/web/run/shims',
      'need "$cache"/objects/a/tree',
      'need "$cache"/objects/t/tree',
      'need "$cache"/kept/web/run/empty',
      'need "$cache"/kept/web/run/shims',
      'need "$cache"/objects/a/tree',
    ]);
    expect(rerun).toContain(
      'The command is in /run/fgimage/command.sh. What is changed in the tree, /run/fgimage/tree, is thrown away.',
    );
  });

  it('has nothing to run again for a stage that started no command', () => {
    expect(
      rerunScripts({stage: 'x', kept: '/cache/kept/x', cache: '/cache', commands: [], moved}),
    ).toBeUndefined();
  });
});

describe('rerun.sh', () => {
  it('gives the very words and environment, and the exit code', () => {
    using fakes = new Fakes();
    fakes.folder.write({script: ''});
    const root = fakes.folder.path;
    const odd = ['', '$HOME', 'a b', '`x`', '"', "'", 'line\nline', '\\', '*'];
    const again = started({
      base: root,
      lowers: ['kept'],
      binds: [{source: fakes.folder.join('script'), path: '/run/script', kind: 'file', mode: 'ro'}],
      command: ['printf', ...odd],
      env: {PATH: fakes.path, HTTPS_PROXY: 'then', https_proxy: 'then', ODD: "it's $HOME\nhere"},
    });
    fakes.write([again]);
    const {status, stdout, stderr} = fakes.run();
    expect({status, stderr}).toEqual({status: 42, stderr: ''});
    expect(stdout.split('\0').slice(0, -1)).toEqual([
      ...sandboxCommand({
        base: root,
        lowers: ['kept'],
        writable: {upper: 'kept/rerun/upper', work: 'kept/rerun/work'},
        mountPoint: request.mountPoint,
        inside: 'image',
        binds: [{source: fakes.folder.join('script'), path: '/run/script', kind: 'file', mode: 'ro'}],
        command: ['printf', ...odd],
        watch: 'none',
      }),
      'HTTPS_PROXY=http://now',
      "ODD=it's $HOME\nhere",
      `PATH=${fakes.path}`,
      `PWD=/`,
    ]);
  });

  it('runs a command of the host without a sandbox, and has no shell for it', () => {
    using fakes = new Fakes();
    const command = ['/bin/sh', '-c', 'cat; echo "$A"; exit 7'];
    fakes.write([{command, options: {env: {A: 'moved'}, log, signal}}]);
    expect(fakes.run()).toMatchObject({status: 7, stdout: 'moved\n', stderr: ''});
    expect(fakes.run('shell')).toMatchObject({
      status: 125,
      stderr: 'rerun.sh: this stage has no tree to open a shell in\n',
    });
  });

  it('says which layer is gone', () => {
    using fakes = new Fakes();
    fakes.write([started({base: fakes.folder.path})], {});
    expect(fakes.run()).toMatchObject({
      status: 125,
      stdout: '',
      stderr: `rerun.sh: ${fakes.folder.join('tmp/run/shims')} is not there any more: run the build again\n`,
    });
  });

  it('removes its folder', () => {
    using fakes = new Fakes();
    fakes.write([started()]);
    expect(fakes.run('remove')).toMatchObject({status: 0, stdout: '', stderr: ''});
    expect(existsSync(fakes.folder.join('kept'))).toBe(false);
  });

  it('knows no other word, and no other place', () => {
    using fakes = new Fakes();
    fakes.write([started()]);
    expect(fakes.run('again')).toMatchObject({
      status: 125,
      stderr: 'rerun.sh: there is no again: give no word, shell or remove\n',
    });
    fakes.write([started()], {kept: '/nonexistent'});
    expect(fakes.run()).toMatchObject({status: 125, stderr: 'rerun.sh: it works only in /nonexistent\n'});
  });
});
