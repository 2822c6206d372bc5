import {spawnSync} from 'node:child_process';
import {
  chmodSync,
  existsSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  statSync,
  utimesSync,
} from 'node:fs';
import {describe, expect, it} from 'vitest';
import {type CacheLayout, cacheLayout} from '../../../cache/layout.ts';
import {type KeepWorkOptions, keepWork} from '../../../src/run/kept-work.ts';
import {CommandLog, runProcess} from '../../../src/sandbox/process.ts';
import {type SandboxRequest, sandboxCommand} from '../../../src/sandbox/sandbox.ts';
import {TemporaryFolder} from '../../rig/temporary-folder.ts';

const key = '0123456789abcdef0123';
const name = 'customize_web_provision-1-0123456789ab';

/** A cache with a run whose stage has just failed. */
class Scene {
  readonly folder = new TemporaryFolder();
  readonly layout: CacheLayout = cacheLayout(this.folder.path);
  readonly log = new CommandLog(this.folder.join('log'), () => undefined);

  constructor() {
    this.fill('first');
  }

  fill(text: string): void {
    this.folder.write({
      'tmp/run/key/object/tree/made': text,
      'tmp/run/key/overlay/1/work/left': '',
      'tmp/run/key/script': 'exit 7\n',
      'tmp/run/shims/usr/sbin/policy-rc.d': 'exit 101\n',
    });
    utimesSync(this.folder.join('tmp/run/shims/usr'), 1686355200, 1686355200);
  }

  /** What the stage's one sandbox was. */
  get request(): SandboxRequest {
    return {
      base: this.folder.path,
      lowers: ['tmp/run/shims', 'objects/a/tree'],
      writable: {upper: 'tmp/run/key/object/tree', work: 'tmp/run/key/overlay/1'},
      mountPoint: 'tmp/run/key/merged',
      inside: 'image',
      binds: [{source: this.folder.join('tmp/run/key/script'), path: '/run/x', kind: 'file', mode: 'ro'}],
      command: ['/bin/sh', '/run/x'],
      log: this.log,
      signal: new AbortController().signal,
    };
  }

  keep(changes: Partial<KeepWorkOptions> = {}): ReturnType<typeof keepWork> {
    const options = this.request;
    return keepWork({
      layout: this.layout,
      work: this.folder.join('tmp/run/key'),
      run: this.folder.join('tmp/run'),
      stage: 'customize:web/provision-1',
      key,
      commands: [{command: sandboxCommand(options), options}],
      ...changes,
    });
  }

  kept(...path: readonly string[]): string {
    return this.folder.join('kept', name, ...path);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.log.close();
    this.folder[Symbol.dispose]();
  }
}

describe('keepWork()', () => {
  it('moves the work folder out of its run, with scripts that run the command again', async () => {
    await using scene = new Scene();
    expect(scene.keep()).toEqual({ok: true, value: scene.kept()});
    expect(existsSync(scene.folder.join('tmp/run/key'))).toBe(false);
    expect(readdirSync(scene.kept()).sort()).toEqual([
      'command.sh',
      'object',
      'overlay',
      'rerun.sh',
      'run',
      'script',
    ]);
    expect(readFileSync(scene.kept('object/tree/made'), 'utf8')).toBe('first');
    expect(readFileSync(scene.kept('command.sh'), 'utf8')).toBe('#!/bin/sh\nexec /bin/sh /run/x\n');
    expect(statSync(scene.kept('rerun.sh')).mode & 0o777).toBe(0o755);
    const script = readFileSync(scene.kept('rerun.sh'), 'utf8');
    expect(script).toContain(`lowerdir=kept/${name}/run/shims:objects/a/tree,`);
    expect(script).toContain(`need ${scene.kept('script')}\n`);
    expect(script).not.toContain('tmp/run');
  });

  it('copies the layers that other stages of the run use, times and all', async () => {
    await using scene = new Scene();
    scene.keep();
    for (const folder of [scene.folder.join('tmp/run/shims'), scene.kept('run/shims')]) {
      expect(readFileSync(`${folder}/usr/sbin/policy-rc.d`, 'utf8')).toBe('exit 101\n');
      expect(lstatSync(`${folder}/usr`).mtimeMs).toBe(1686355200_000);
    }
  });

  it("removes overlayfs's own folder, which no further mount can use", async () => {
    await using scene = new Scene();
    scene.keep();
    expect(readdirSync(scene.kept('overlay'))).toEqual([]);
  });

  it('keeps the newest work of a stage and key only', async () => {
    await using scene = new Scene();
    scene.keep();
    scene.fill('second');
    scene.keep();
    expect(readdirSync(scene.layout.kept)).toEqual([name]);
    expect(readFileSync(scene.kept('object/tree/made'), 'utf8')).toBe('second');
  });

  it('leaves an empty output where the output was published', async () => {
    await using scene = new Scene();
    mkdirSync(scene.layout.objects);
    renameSync(scene.folder.join('tmp/run/key/object'), scene.folder.join('objects/d'));
    expect(scene.keep({digest: 'd'}).ok).toBe(true);
    expect(readdirSync(scene.kept('object/tree'))).toEqual([]);
    expect(readFileSync(scene.kept('rerun.sh'), 'utf8')).toContain('lowerdir=objects/d/tree:');
  });

  it('gives a script that ends as the command of the host did', async () => {
    await using scene = new Scene();
    const command = ['/bin/sh', '-c', 'echo "$0 $A"; exit 7', scene.folder.join('tmp/run/key/disk')] as const;
    const {signal} = new AbortController();
    const outcome = await runProcess(command, {env: {A: 'a'}, log: scene.log, signal});
    scene.keep({commands: scene.log.commands});
    // Whoever runs the tests: the script is not to ask for a user namespace.
    scene.folder.write({'bin/id': '#!/bin/sh\necho 0\n'});
    chmodSync(scene.folder.join('bin/id'), 0o755);
    const again = spawnSync(scene.kept('rerun.sh'), {
      env: {PATH: `${scene.folder.join('bin')}:/usr/bin:/bin`},
      encoding: 'utf8',
    });
    expect(again).toMatchObject({stdout: `${scene.kept('disk')} a\n`, stderr: '', status: 7});
    expect(again.status).toBe(outcome.exitCode);
  });

  it('keeps the work of a stage that started no command without scripts', async () => {
    await using scene = new Scene();
    expect(scene.keep({commands: []})).toEqual({ok: true, value: scene.kept()});
    expect(existsSync(scene.kept('rerun.sh'))).toBe(false);
  });

  it('says why when it cannot, and leaves the work where it is', async () => {
    await using scene = new Scene();
    scene.folder.write({kept: 'a file in its place'});
    const kept = scene.keep();
    expect(kept).toEqual({
      ok: false,
      error: `Cannot keep the work of customize:web/provision-1 in ${scene.kept()}: EEXIST: file already exists, mkdir '${scene.layout.kept}'`,
    });
    expect(existsSync(scene.folder.join('tmp/run/key/script'))).toBe(true);
  });
});
