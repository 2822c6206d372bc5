/** Turning numbers, commands and foreign text into what a person reads. Pure; used by every view and by doctor. */

/** `850 ms`, `4.2 s`, `38 s`, `4m 02s`, `1h 05m`. */
export function formatDuration(durationMs: number): string {
  const ms = Math.max(0, Math.round(durationMs));
  if (ms < 1000) return `${ms} ms`;
  if (ms < 9950) return `${(ms / 1000).toFixed(1)} s`;
  const seconds = Math.round(ms / 1000);
  if (seconds < 60) return `${seconds} s`;
  if (seconds < 3600) return `${Math.floor(seconds / 60)}m ${twoDigits(seconds % 60)}s`;
  const minutes = Math.round(seconds / 60);
  return `${Math.floor(minutes / 60)}h ${twoDigits(minutes % 60)}m`;
}

/** A running clock, whole seconds: `7 s`, `1m 07s`. */
export function formatElapsed(durationMs: number): string {
  const seconds = Math.max(0, Math.floor(durationMs / 1000));
  return seconds < 60 ? `${seconds} s` : formatDuration(seconds * 1000);
}

/** `2026-11-20 14:02 UTC` */
export function formatTime(time: number): string {
  return `${new Date(time).toISOString().slice(0, 16).replace('T', ' ')} UTC`;
}

const sizeUnits = ['KiB', 'MiB', 'GiB', 'TiB', 'PiB'] as const;

/** `512 B`, `1.5 KiB`, `182 MiB`: three digits at most, powers of 1024. */
export function formatSize(sizeBytes: number): string {
  if (sizeBytes < 1000) return `${sizeBytes} B`;
  let value = sizeBytes;
  let name = 'B';
  for (const unit of sizeUnits) {
    if (value < 999.5) break;
    value /= 1024;
    name = unit;
  }
  return `${value < 9.95 ? value.toFixed(1) : Math.round(value)} ${name}`;
}

/** `1 stage`, `3 stages`. */
export function formatCount(count: number, singular: string, plural = `${singular}s`): string {
  return `${count} ${count === 1 ? singular : plural}`;
}

/** 0.428 is `42 %`; 100 % is said of a whole only. */
export function formatPercent(fraction: number): string {
  return `${Math.floor(Math.min(1, Math.max(0, fraction)) * 100)} %`;
}

/** A command as it can be pasted into a shell. */
export function formatCommand(command: readonly string[]): string {
  return command.map(quoteArgument).join(' ');
}

const escapedCharacters: Readonly<Record<string, string>> = {
  '\n': String.raw`\n`,
  '\r': String.raw`\r`,
  '\t': String.raw`\t`,
};

function quoteArgument(argument: string): string {
  if (/^[\w@%+=:,./-]+$/.test(argument)) return argument;
  // biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what is looked for
  const control = /[\u0000-\u001F\u007F-\u009F]/g;
  if (!control.test(argument)) return `'${argument.replaceAll("'", String.raw`'\''`)}'`;
  const escaped = argument
    .replaceAll(/[\\']/g, String.raw`\$&`)
    .replaceAll(
      control,
      (character) =>
        escapedCharacters[character] ?? `\\x${character.charCodeAt(0).toString(16).padStart(2, '0')}`,
    );
  return `$'${escaped}'`;
}

/* CSI sequences, OSC and other string sequences with their terminator, and two-character escapes. */
const escapeSequences =
  // biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what is looked for
  /(?:\u001B\[|\u009B)[0-?]*[ -/]*[@-~]|\u001B[\]PX^_][^\u0007\u001B]*(?:\u0007|\u001B\\)?|\u001B[ -/]*[0-~]/g;
// biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what is looked for
const controlCharacters = /[\u0000-\u001F\u007F-\u009F\u200E\u200F\u202A-\u202E\u2066-\u2069]/g;

/**
 * One line of foreign text made safe for a terminal: no escape sequences, no control characters, no characters that
 * reorder what follows. Of a line that was rewritten by carriage returns the last state is kept.
 */
export function printable(text: string): string {
  const plain = text.replace(escapeSequences, '').replaceAll('\t', '  ');
  const states = plain.split(/[\r\n]+/).filter((state) => state.trim() !== '');
  return (states.at(-1) ?? '').replace(controlCharacters, '').trimEnd();
}

/** Several lines of foreign text, each made safe; line breaks stay. */
export function printableLines(text: string): readonly string[] {
  return text.split('\n').map(printable);
}

/** Columns that a text takes in a terminal: wide characters take two, marks that combine none. */
export function textWidth(text: string): number {
  if (/^[ -~]*$/.test(text)) return text.length;
  let width = 0;
  for (const character of text) width += characterWidth(character);
  return width;
}

/** A text that takes at most `width` columns, its end replaced by an ellipsis where it was longer. */
export function truncate(text: string, width: number): string {
  if (textWidth(text) <= width) return text;
  let kept = '';
  let used = 1;
  for (const character of text) {
    used += characterWidth(character);
    if (used > width) break;
    kept += character;
  }
  return width < 1 ? '' : `${kept}…`;
}

const zeroWidth = /^[\p{Mn}\p{Me}\p{Cf}]$/u;
const doubleWidth =
  /^[\p{Emoji_Presentation}\u1100-\u115F\u2E80-\uA4CF\uAC00-\uD7A3\uF900-\uFAFF\uFE30-\uFE6F\uFF00-\uFF60\uFFE0-\uFFE6\u{20000}-\u{3FFFD}]$/u;

function characterWidth(character: string): number {
  if (character <= '\u02FF') return 1;
  if (zeroWidth.test(character)) return 0;
  return doubleWidth.test(character) ? 2 : 1;
}

function twoDigits(value: number): string {
  return String(value).padStart(2, '0');
}
