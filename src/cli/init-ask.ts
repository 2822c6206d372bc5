import {createInterface, type Interface} from 'node:readline';
import {FgError} from '../errors.ts';

/** A question, its answer where none is given, and what is wrong with an answer; undefined: nothing. */
export interface Question {
  readonly text: string;
  /** Empty: there is none. */
  readonly preset: string;
  /** Printed before the question. */
  readonly choices?: readonly string[];
  readonly problem: (answer: string) => string | undefined;
}

/** A person at a terminal. */
export interface Asker {
  readonly ask: (question: Question) => Promise<string>;
  readonly close: () => void;
}

/** Asks on the terminal, again and again until an answer is right. Throws `FgError` CANCELLED where nobody answers any more. */
export function terminalAsker(input: NodeJS.ReadStream, output: NodeJS.WriteStream): Asker {
  const terminal = createInterface({input, output});
  const ended = new Promise<never>((_, reject) => {
    const cancel = (): void => reject(new FgError('CANCELLED', 'Cancelled: nothing was written'));
    // The line of the question stays without an answer.
    terminal.once('SIGINT', () => output.write('\n'));
    terminal.once('close', cancel);
    terminal.once('SIGINT', cancel);
  });
  // Whoever asks hears of it; where nobody is asking it is no failure.
  ended.catch(() => undefined);
  return {
    ask: (question) => askUntilRight(terminal, question, {output, ended}),
    close: () => terminal.close(),
  };
}

async function askUntilRight(
  terminal: Interface,
  {text, preset, choices = [], problem}: Question,
  {output, ended}: {readonly output: NodeJS.WriteStream; readonly ended: Promise<never>},
): Promise<string> {
  for (const choice of choices) output.write(`  ${choice}\n`);
  for (;;) {
    const asked = new Promise<string>((resolve) => {
      terminal.question(`${text}${preset === '' ? '' : ` [${preset}]`}: `, resolve);
    });
    const said = await Promise.race([asked, ended]);
    const answer = said.trim() === '' ? preset : said.trim();
    const wrong = problem(answer);
    if (wrong === undefined) return answer;
    output.write(`  ${wrong}\n`);
  }
}
