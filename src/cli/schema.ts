import {type ExitCode, exitCode} from '../errors.ts';

/** `fgimage schema`: the JSON Schema (draft 2020-12) of fgimage.yaml. */
export async function runSchema(): Promise<ExitCode> {
  const {specJsonSchema} = await import('../spec/json-schema.ts');
  process.stdout.write(`${JSON.stringify(await specJsonSchema(), undefined, 2)}\n`);
  return exitCode.done;
}
