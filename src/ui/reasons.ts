import type {Reason, SpecPosition} from '../plan/explain-reason.ts';
import {isSecretName, withoutSecrets} from '../plan/explain-secret.ts';
import {unreachable} from '../result.ts';
import type {JsonValue} from '../spec/image.ts';
import {printable, truncate} from './format.ts';

/** Why a stage is not a hit, in one line without a capital: it follows the stage's name. Secrets are left out. */
export function formatReason(reason: Reason): string {
  switch (reason.reason) {
    case 'never-built':
      return 'never built';
    case 'no-record':
      return `run ${printable(reason.run)} began it and did not finish`;
    case 'evicted':
      return `evicted by gc on ${minute(reason.at)}: ${printable(reason.why)}`;
    case 'content-missing':
      return 'its content is gone from the cache';
    case 'corrupt':
      return `its content was damaged, and put aside on ${minute(reason.at)}`;
    case 'untrusted':
      return 'what is known of it was signed by a key that this build does not trust';
    case 'not-durable':
      return 'the machine stopped before its content was safely on the disk';
    case 'forced':
      return 'forced';
    case 'cache-off':
      return 'the cache is off';
    case 'tool-missing':
      return `the host lacks ${printable(reason.tool)}`;
    case 'upstream-runs':
      return `waits for ${printable(reason.stage)}, which runs`;
    case 'key-schema':
      return 'recorded by another version of fgimage, which made keys in another way';
    case 'package-added':
    case 'package-removed':
    case 'package-changed':
      return packageLine(reason);
    case 'option-added':
    case 'option-removed':
    case 'option-changed':
      return `${name(reason.option)}: ${optionValues(reason)}${where(reason.position)}`;
    case 'file-added':
    case 'file-removed':
    case 'file-changed':
      return `${words(reason.reason)}: ${name(reason.path)}${inBrackets(fileValues(reason))}`;
    case 'tool-added':
    case 'tool-removed':
    case 'tool-changed':
      return `${words(reason.reason)}: ${printable(reason.tool)}${inBrackets(toolValues(reason))}`;
    case 'environment-changed':
      return `environment ${printable(reason.name)}: ${values(reason, isSecretName(reason.name))}`;
    case 'salt':
      return `cache.salt: ${values(reason, false)}`;
    case 'implementation':
      return `version of the ${reason.of}'s code: ${reason.was} → ${reason.is}`;
    case 'kind':
      return `kind of stage: ${printable(reason.was)} → ${printable(reason.is)}`;
    case 'upstream-added':
    case 'upstream-removed':
    case 'upstream-changed':
      return `${words(reason.reason)}: ${printable(reason.stage)}${inBrackets(pair(reason, shortDigest))}`;
    case 'upstream-order':
      return `upstream order: ${listed(reason.was)} → ${listed(reason.is)}`;
    default:
      return unreachable(reason);
  }
}

type Of<Code extends Reason['reason']> = Extract<Reason, {reason: Code}>;
type Words = {readonly was?: string | undefined; readonly is?: string | undefined};

/** Columns that a value takes at most. */
const widestValue = 48;

/** Characters of a digest: enough to tell two apart. */
const digestLength = 8;

/** `2026-11-20 14:02 UTC` */
function minute(at: number): string {
  const date = new Date(at);
  return Number.isNaN(date.getTime())
    ? 'an unknown day'
    : `${date.toISOString().slice(0, 16).replace('T', ' ')} UTC`;
}

function packageLine(reason: Of<'package-added'> | Of<'package-removed'> | Of<'package-changed'>): string {
  const what = reason.list === 'install' ? 'package' : 'package to remove';
  const word = name(reason.package);
  if (reason.reason !== 'package-changed')
    return `${what} ${reason.reason.slice('package-'.length)}: ${word}${where(reason.position)}`;
  const [was, is] = [reason.was, reason.is].map((version) => printable(version ?? 'any version'));
  return `${what} changed: ${word} ${was ?? ''} → ${is ?? ''}${where(reason.position)}`;
}

function optionValues(reason: Of<'option-added'> | Of<'option-removed'> | Of<'option-changed'>): string {
  const secret = isSecretName(reason.option);
  if (reason.reason === 'option-changed') return values(reason, secret);
  const value = reason.was ?? reason.is;
  const told = value === undefined || isHidden(value, secret) ? '' : ` ${shown([withoutSecrets(value)])[0]}`;
  return `${reason.reason.slice('option-'.length)}${told}`;
}

/** `a → b`, `added a`, `removed a`, or `(changed)` where the values are not for everyone. */
function values({was, is}: {readonly was?: JsonValue; readonly is?: JsonValue}, secret: boolean): string {
  const known = [was, is].filter((value) => value !== undefined);
  if (known.length === 0 || known.some((value) => isHidden(value, secret))) return '(changed)';
  const [first = '', second] = shown(known.map((value) => withoutSecrets(value)));
  if (second !== undefined) return first === second ? '(changed)' : `${first} → ${second}`;
  return was === undefined ? `added ${first}` : `removed ${first}`;
}

/** Of an option with a secret name, whatever is text or may hold some. */
function isHidden(value: JsonValue, secret: boolean): boolean {
  return secret && value !== null && typeof value !== 'boolean' && typeof value !== 'number';
}

/** One value or two, each in one line; of two long texts that begin alike, what they begin to differ at is shown. */
function shown(list: readonly JsonValue[]): readonly string[] {
  const [first, second] = list;
  if (typeof first !== 'string' || typeof second !== 'string') return list.map(valueText);
  if (Math.max(first.length, second.length) <= widestValue) return list.map(valueText);
  let same = 0;
  while (same < Math.min(first.length, second.length) && first[same] === second[same]) same += 1;
  const start = same > widestValue / 2 ? same - 12 : 0;
  return [first, second].map((text) => valueText(start === 0 ? text : `…${text.slice(start)}`));
}

function valueText(value: JsonValue): string {
  if (typeof value !== 'string') return truncate(printable(JSON.stringify(value)), widestValue);
  if (/^[\w./:=+@%~-]+$/.test(value)) return truncate(value, widestValue);
  return `"${truncate(printable(JSON.stringify(value).slice(1, -1)), widestValue - 2)}"`;
}

/** A name in one line, whatever it is made of. */
function name(text: string): string {
  return printable(/[\r\n]/.test(text) ? JSON.stringify(text) : text);
}

function fileValues({was, is}: Words): string {
  const [before, after] = [was, is].map((digest) => digest?.replace(/\+x$/, ''));
  if (before !== undefined && before === after)
    return is?.endsWith('+x') === true ? 'now executable' : 'no longer executable';
  return pair({was, is}, shortDigest);
}

/** The versions where they tell the two apart, else the digests of the programs. */
function toolValues({was, is}: Words): string {
  const [before, after] = [was, is].map(identity);
  if (before === undefined || after === undefined) return before?.version ?? after?.version ?? '';
  const [first, second] = [before, after].map(({version}) => truncate(version, widestValue));
  if (first !== second) return `${first ?? ''} → ${second ?? ''}`;
  const version = first === '' ? '' : `${first ?? ''}, `;
  return `${version}sha256 ${shortDigest(before.digest)} → ${shortDigest(after.digest)}`;
}

/** `qemu-img version 7.2.19 sha256:3f2a…` in its two parts. */
function identity(text: string | undefined): {readonly version: string; readonly digest: string} | undefined {
  if (text === undefined) return undefined;
  const found = /^(?:(?<version>.*?) ?sha256:)?(?<digest>[0-9a-f]{64})$/s.exec(text)?.groups;
  if (found === undefined) return {version: printable(text), digest: text};
  return {version: printable(found['version'] ?? ''), digest: found['digest'] ?? text};
}

function pair({was, is}: Words, format: (text: string) => string): string {
  return [was, is].flatMap((text) => (text === undefined ? [] : [format(text)])).join(' → ');
}

function shortDigest(digest: string): string {
  const text = printable(digest);
  return text.length > digestLength ? `${text.slice(0, digestLength)}…` : text;
}

function listed(stages: readonly string[]): string {
  return stages.map(printable).join(', ');
}

/** `file changed` of `file-changed`. */
function words(code: Reason['reason']): string {
  return code.replaceAll('-', ' ');
}

function inBrackets(text: string): string {
  return text === '' ? '' : ` (${text})`;
}

function where(position: SpecPosition | undefined): string {
  return position === undefined ? '' : ` (${printable(position.file)}:${position.line}:${position.column})`;
}
