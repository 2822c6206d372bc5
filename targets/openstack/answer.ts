import {FgError} from '../../src/errors.ts';
import {readAll} from '../../src/http/body.ts';
import {type HttpResponse, whileReading} from '../../src/http/client.ts';
import {printable} from '../../src/ui/format.ts';

/** Answers of OpenStack's services: what they hold, or what they say when they refuse. */

const answerLimitBytes = 32 << 20;
const refusalLimitBytes = 64 << 10;

/** The JSON of an answer. */
export async function jsonOf(response: HttpResponse, name: string, signal: AbortSignal): Promise<unknown> {
  const bytes = await whileReading(name, signal, () => readAll(response.body, answerLimitBytes));
  if (bytes.length === 0) return undefined;
  try {
    return JSON.parse(bytes.toString('utf8'));
  } catch (error) {
    throw new FgError('REMOTE_REFUSED', `${name} answers with something that is no JSON`, {
      cause: error,
      hint: 'Check that the address is that of the service, and not of a proxy or a web page',
    });
  }
}

export interface Refusal {
  readonly status: number;
  /** The service's own words. */
  readonly words: string;
}

/** What a service says when it does not do what it was asked. */
export async function refusalOf(response: HttpResponse): Promise<Refusal> {
  const {status} = response;
  const bytes = await readAll(response.body, refusalLimitBytes).catch(() => Buffer.alloc(0));
  const words = wordsOf(bytes.toString('utf8'));
  return {status, words: words === '' ? printable(response.body.statusMessage ?? '') : words};
}

/** Keystone answers in JSON, Glance (webob) in JSON, HTML or plain text, as its version likes. */
export function wordsOf(text: string): string {
  const json = jsonMessage(text);
  if (json !== undefined) return oneLine(json);
  const isHtml = /^\s*<(!doctype|html|h1)/i.test(text);
  if (!isHtml) return oneLine(text.replace(/^\s*\d{3} [A-Za-z -]+\n+/, ''));
  const body = /<\/h1>(?<body>.*?)(<\/body>|$)/is.exec(text)?.groups?.['body'] ?? text;
  return oneLine(unescaped(body.replaceAll(/<[^>]*>/g, ' ')));
}

function jsonMessage(text: string): string | undefined {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return undefined;
  }
  const error = fieldOf(value, 'error') ?? value;
  const message = fieldOf(error, 'message') ?? fieldOf(error, 'title');
  return typeof message === 'string' ? unescaped(message.replaceAll(/<br\s*\/?>/g, ' ')) : undefined;
}

export function fieldOf(value: unknown, name: string): unknown {
  return typeof value === 'object' && value !== null ? (value as Record<string, unknown>)[name] : undefined;
}

/** A text in an answer; empty where it is none. */
export function textAt(value: unknown, name: string): string {
  const text = fieldOf(value, name);
  return typeof text === 'string' ? text : '';
}

export function listOf(value: unknown): readonly unknown[] {
  return Array.isArray(value) ? value : [];
}

const entities: Readonly<Record<string, string>> = {
  '&lt;': '<',
  '&gt;': '>',
  '&quot;': '"',
  '&#x27;': "'",
  '&#39;': "'",
  '&amp;': '&',
};

function unescaped(text: string): string {
  return text.replaceAll(/&(lt|gt|quot|#x27|#39|amp);/g, (entity) => entities[entity] ?? entity);
}

const wordsLimit = 500;

function oneLine(text: string): string {
  return printable(text.replaceAll(/\s+/g, ' ').trim()).slice(0, wordsLimit);
}
