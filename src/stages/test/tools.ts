import {execa} from 'execa';
import {FgError} from '../../errors.ts';

export interface ToolOptions {
  readonly signal: AbortSignal;
  readonly timeoutMs?: number;
}

export interface ToolResult {
  readonly exitCode: number | undefined;
  readonly stdout: string;
  readonly stderr: string;
}

/** What programs of the boot test see of the host's environment. */
export const toolEnvironment: Readonly<Record<string, string>> = {
  PATH: process.env['PATH'] ?? '/usr/sbin:/usr/bin:/sbin:/bin',
  LC_ALL: 'C.UTF-8',
};

/** Runs a short program to its end and gives back its exit code, whatever that is. */
export async function runTool(
  command: string,
  args: readonly string[],
  {signal, timeoutMs = 60_000}: ToolOptions,
): Promise<ToolResult> {
  const {exitCode, stdout, stderr, code} = await execa(command, args, {
    cancelSignal: signal,
    timeout: timeoutMs,
    killSignal: 'SIGKILL',
    stdin: 'ignore',
    reject: false,
    extendEnv: false,
    env: toolEnvironment,
  });
  signal.throwIfAborted();
  if (code === 'ENOENT') throw missingTool(command);
  return {exitCode, stdout, stderr};
}

/** As `runTool`, for a program that must succeed. */
export async function requireTool(
  command: string,
  args: readonly string[],
  options: ToolOptions,
): Promise<string> {
  const {exitCode, stdout, stderr} = await runTool(command, args, options);
  if (exitCode !== 0) {
    throw new FgError('STAGE_FAILED', `The boot test could not be prepared: ${command}: ${stderr.trim()}`);
  }
  return stdout;
}

export function missingTool(command: string): FgError {
  return new FgError('HOST_TOOL_MISSING', `${command} is not installed, and boot tests need it`, {
    hint: 'Run "fgimage doctor --install"',
  });
}
