import {readAll} from '../http/body.ts';
import type {HttpResponse} from '../http/client.ts';
import {whileReading} from '../http/client.ts';
import {RemoteError, type RemoteErrorOptions} from '../http/error.ts';
import {printable, truncate} from '../ui/format.ts';
import {elementsAt, readXml, textAt, type XmlTree} from './xml-tree.ts';

/** A service that speaks as Amazon's do has answered a call with an error of its own. */
export class ServiceRefusal extends RemoteError {
  readonly status: number;
  /** The service's own code: `NoSuchKey`. Empty where it says none. */
  readonly code: string;

  constructor(status: number, code: string, {message, ...options}: RemoteErrorOptions & {message: string}) {
    super(status >= 500 || status === 429 ? 'unreachable' : 'refused', message, options);
    this.name = 'ServiceRefusal';
    this.status = status;
    this.code = code;
  }
}

const errorLimitBytes = 65_536;
const longestWords = 300;

/** Reads the error that is in an answer (S3's `<Error>`, EC2's `<Response><Errors><Error>`). */
export async function serviceRefusal(
  response: HttpResponse,
  {name, what, signal}: {readonly name: string; readonly what: string; readonly signal: AbortSignal},
): Promise<ServiceRefusal> {
  const text = await whileReading(name, signal, () => readAll(response.body, errorLimitBytes));
  const {code, words} = readError(text.toString('utf8'));
  const {status} = response;
  const said = [code, words]
    .map((part) => printable(part).trim())
    .filter((part) => part !== '')
    .join(': ');
  const hint = hints[code] ?? (status === 401 || status === 403 ? accessHint : undefined);
  return new ServiceRefusal(status, code, {
    message: `${what}: ${name} answers ${status}${said === '' ? '' : ` ${truncate(said, longestWords)}`}`,
    hint,
    // What failed inside the service need not have failed altogether: only a call that reads is made again.
    retriable: status === 429 || status === 503 || /^(SlowDown|Throttling|RequestLimitExceeded)$/.test(code),
  });
}

function readError(text: string): {readonly code: string; readonly words: string} {
  const error =
    rootOf(text, 'Error') ?? elementsAt(rootOf(text, 'Response') ?? {}, 'Errors', 'Error')[0] ?? {};
  return {code: textAt(error, 'Code') ?? '', words: textAt(error, 'Message') ?? ''};
}

function rootOf(text: string, root: string): XmlTree | undefined {
  try {
    return readXml(text, root, '');
  } catch {
    return undefined;
  }
}

const accessHint = 'Check the access key and the secret key, and what they allow.';

const hints: Readonly<Record<string, string>> = {
  InvalidAccessKeyId: 'Check the access key: the site does not know it.',
  SignatureDoesNotMatch: 'Check the secret key.',
  RequestTimeTooSkewed: 'Set the clock of this host.',
  RequestExpired: 'Set the clock of this host.',
  AccountProblem: 'Ask the administrator of the site: the quota may be used up.',
  QuotaExceeded: 'Delete images that are not needed, or ask for more room.',
  EntityTooLarge: 'Make the disk smaller, or ask the administrator of the site for larger objects.',
};
