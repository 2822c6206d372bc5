import {createHmac} from 'node:crypto';
import {readAll} from '../http/body.ts';
import {HttpClient, whileReading} from '../http/client.ts';
import {withRetries} from '../http/retry.ts';
import {serviceRefusal} from './service-refusal.ts';
import {readXml, type XmlTree} from './xml-tree.ts';

export interface Ec2QueryAccess {
  /** What it is called in messages. */
  readonly name: string;
  readonly endpoint: URL;
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
  readonly signal: AbortSignal;
  /** Certificates that the server is verified with, PEM. */
  readonly ca?: string | undefined;
}

/** Parameters as the query interface numbers them: `Tag.1.Key`. */
export type Ec2Parameters = Readonly<Record<string, string>>;

const answerLimitBytes = 64 * 2 ** 20;
const silenceMs = 120_000;
/** Only calls that read are made again by themselves. */
const readDelaysMs = [500, 2000, 8000];

/**
 * The query interface of EC2 with signatures of version 2 (Amazon EC2 API Reference, "Query requests"), which every
 * release of Eucalyptus takes.
 */
export class Ec2Query {
  readonly #access: Ec2QueryAccess;
  readonly #http: HttpClient;
  readonly #version: string;

  /** `version`: of the API, which names the namespace of the answers. */
  constructor(access: Ec2QueryAccess, version: string) {
    this.#access = access;
    this.#version = version;
    this.#http = new HttpClient(access.name, {silenceMs, ca: access.ca, serverErrors: 'given'});
  }

  /** Gives what is in the answer's root element. */
  async call(action: string, parameters: Ec2Parameters = {}): Promise<XmlTree> {
    const {signal} = this.#access;
    const isReading = action.startsWith('Describe');
    return withRetries(() => this.#once(action, parameters), {
      signal,
      delaysMs: isReading ? readDelaysMs : [],
    });
  }

  async #once(action: string, parameters: Ec2Parameters): Promise<XmlTree> {
    const {name, endpoint, signal, accessKeyId, secretAccessKey} = this.#access;
    const all = {
      ...parameters,
      Action: action,
      Version: this.#version,
      AWSAccessKeyId: accessKeyId,
      SignatureMethod: 'HmacSHA256',
      SignatureVersion: '2',
      Timestamp: new Date().toISOString().replace(/\.\d+Z$/, 'Z'),
    };
    const query = canonicalQuery(all);
    const signature = createHmac('sha256', secretAccessKey)
      .update(`POST\n${endpoint.host.toLowerCase()}\n${endpoint.pathname}\n${query}`)
      .digest('base64');
    const response = await this.#http.send({
      method: 'POST',
      url: endpoint,
      headers: {'content-type': 'application/x-www-form-urlencoded; charset=utf-8'},
      body: Buffer.from(`${query}&Signature=${encoded(signature)}`),
      signal,
    });
    if (response.status !== 200) throw await serviceRefusal(response, {name, signal, what: action});
    const body = await whileReading(name, signal, () => readAll(response.body, answerLimitBytes));
    return readXml(body.toString('utf8'), `${action}Response`, name);
  }
}

/** Sorted by the bytes of the names, each name and value percent-encoded by RFC 3986. */
function canonicalQuery(parameters: Ec2Parameters): string {
  return Object.keys(parameters)
    .sort()
    .map((name) => `${encoded(name)}=${encoded(parameters[name] ?? '')}`)
    .join('&');
}

function encoded(text: string): string {
  return encodeURIComponent(text).replaceAll(/[!'()*]/g, (character) => {
    return `%${character.charCodeAt(0).toString(16).toUpperCase()}`;
  });
}
