import {readFileSync} from 'node:fs';
import {describe, expect, it} from 'vitest';
import {CommandLog, type RunProcessOptions, runProcess} from '../../../src/sandbox/process.ts';
import {TemporaryFolder} from '../../rig/temporary-folder.ts';
import {isAlive, until} from '../../rig/until.ts';

/** A log in a folder of its own. */
class Scene {
  readonly folder = new TemporaryFolder();
  readonly lines: string[] = [];
  readonly log = new CommandLog(this.folder.join('stage.log'), (line) => this.lines.push(line));
  readonly abort = new AbortController();

  run(
    command: readonly [string, ...string[]],
    options: Partial<RunProcessOptions> = {},
  ): ReturnType<typeof runProcess> {
    return runProcess(command, {
      log: this.log,
      signal: this.abort.signal,
      env: {PATH: '/usr/bin:/bin'},
      ...options,
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.log.close();
    this.folder[Symbol.dispose]();
  }
}

describe('runProcess()', () => {
  it('tells how a command ended and logs both of its outputs', async () => {
    await using scene = new Scene();
    const command = ['sh', '-c', 'echo out; echo err >&2; exit 3'] as const;
    expect(await scene.run(command)).toEqual({command, exitCode: 3, signal: null, timedOut: false});
    expect(scene.lines.toSorted()).toEqual(['err', 'out']);
    await scene.log.close();
    expect(readFileSync(scene.log.path, 'utf8').split('\n').toSorted()).toEqual(['', 'err', 'out']);
  });

  it('tells the signal that ended a command', async () => {
    await using scene = new Scene();
    expect(await scene.run(['sh', '-c', 'kill -TERM $$'])).toMatchObject({exitCode: null, signal: 'SIGTERM'});
  });

  it('gives the command no environment but its own', async () => {
    await using scene = new Scene();
    await scene.run(['/usr/bin/env'], {env: {ONLY: 'this'}});
    expect(scene.lines).toEqual(['ONLY=this']);
  });

  it('passes arguments as they are', async () => {
    await using scene = new Scene();
    await scene.run(['printf', '%s|', '$HOME', 'a b', '*', '"', '']);
    expect(scene.lines).toEqual(['$HOME|a b|*|"||']);
  });

  it('leaves lines out of the log that the listener takes', async () => {
    await using scene = new Scene();
    const seen: string[] = [];
    const onLine = (line: string): boolean => {
      seen.push(line);
      return line !== 'status';
    };
    await scene.run(['printf', 'one\\nstatus\\nlast without end'], {onLine});
    expect(seen).toEqual(['one', 'status', 'last without end']);
    expect(scene.lines).toEqual(['one', 'last without end']);
  });

  it('ends a command that takes too long, with all that it started', async () => {
    await using scene = new Scene();
    const outcome = await scene.run(['sh', '-c', 'sleep 600 & echo $!; wait'], {timeoutMs: 300});
    expect(outcome).toMatchObject({exitCode: null, signal: 'SIGKILL', timedOut: true});
    await until(() => !isAlive(Number(scene.lines[0])));
  });

  it('ends a command when the run is cancelled, with all that it started', async () => {
    await using scene = new Scene();
    const running = scene.run(['sh', '-c', 'trap "" TERM INT; sleep 600 & echo $!; wait']);
    await until(() => scene.lines.length > 0);
    scene.abort.abort();
    expect(await running).toMatchObject({exitCode: null, signal: 'SIGKILL', timedOut: false});
    await until(() => !isAlive(Number(scene.lines[0])));
  });

  it('ends a command at once when the run was cancelled before', async () => {
    await using scene = new Scene();
    scene.abort.abort();
    expect(await scene.run(['sleep', '600'])).toMatchObject({signal: 'SIGKILL'});
  });

  it('throws when the program cannot be started', async () => {
    await using scene = new Scene();
    await expect(scene.run(['/nonexistent/program'])).rejects.toThrow('Cannot start /nonexistent/program');
  });
});

describe('CommandLog', () => {
  it('keeps the last twenty lines for whoever must be told', async () => {
    await using scene = new Scene();
    for (let line = 1; line <= 25; line += 1) scene.log.write(String(line));
    expect(scene.log.lastLines).toEqual(Array.from({length: 20}, (_, index) => String(index + 6)));
  });

  it('appends to the log of an earlier run', async () => {
    await using scene = new Scene();
    scene.folder.write({again: 'before\n'});
    const log = new CommandLog(scene.folder.join('again'), () => undefined);
    log.write('after');
    await log.close();
    expect(readFileSync(log.path, 'utf8')).toBe('before\nafter\n');
  });

  it('outlives a log file that cannot be written', async () => {
    const log = new CommandLog('/nonexistent/log', () => undefined);
    log.write('line');
    await log.close();
    expect(log.lastLines).toEqual(['line']);
  });
});
