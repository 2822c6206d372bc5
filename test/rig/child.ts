import {type ChildProcess, spawn} from 'node:child_process';
import {once} from 'node:events';
import {pathToFileURL} from 'node:url';
import {compiled} from './compiled.ts';

/** A process that holds something until it is told to end; killed with its scope. */
export class HoldingProcess {
  readonly process: ChildProcess;
  /** The first line that it printed. */
  readonly line: string;

  private constructor(process: ChildProcess, line: string) {
    this.process = process;
    this.line = line;
  }

  /** Runs `code`, which finds the compiled module as `module`, and waits until it printed a first line. */
  static async start(module: string, code: string, parameters: readonly string[]): Promise<HoldingProcess> {
    const url = pathToFileURL(compiled(module)).href;
    const script = `import * as module from ${JSON.stringify(url)};\nconst parameters = process.argv.slice(1);\n${code}\nprocess.stdin.resume();`;
    const child = spawn(process.execPath, ['--input-type=module', '-e', script, '--', ...parameters], {
      stdio: ['pipe', 'pipe', 'inherit'],
    });
    const first: unknown = (await Promise.race([once(child.stdout, 'data'), once(child, 'exit')]))[0];
    if (!(first instanceof Buffer)) throw new Error(`The process ended with ${String(first)} at once`);
    return new HoldingProcess(child, first.toString().trim());
  }

  async kill(): Promise<void> {
    if (this.process.exitCode !== null || this.process.signalCode !== null) return;
    const ended = once(this.process, 'exit');
    this.process.kill('SIGKILL');
    await ended;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.kill();
  }
}
