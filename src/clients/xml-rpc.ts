import {readAll} from '../http/body.ts';
import {type HttpClient, whileReading} from '../http/client.ts';
import {RemoteError} from '../http/error.ts';
import {printable} from '../ui/format.ts';
import {childrenNamed, escapeXml, parseXml, type XmlElement} from './xml.ts';

/**
 * XML-RPC (xmlrpc.com/spec.md): one call, one answer, as a whole. Whole numbers are `int`, others `double`; `i8` is
 * read, since OpenNebula's server sends it. `nil` and dates are refused: who calls here knows neither.
 */
export type XmlRpcValue =
  | string
  | number
  | boolean
  | Uint8Array
  | readonly XmlRpcValue[]
  | {readonly [name: string]: XmlRpcValue};

/** The server's answer to a call that it could not make: an unknown method, arguments of wrong types. */
export class XmlRpcFault extends RemoteError {
  readonly faultCode: number;

  constructor(faultCode: number, faultString: string) {
    super('refused', `The server answers with fault ${faultCode}: ${printable(faultString)}`);
    this.name = 'XmlRpcFault';
    this.faultCode = faultCode;
  }
}

export interface XmlRpcEndpoint {
  readonly http: HttpClient;
  readonly url: URL;
  /** For messages. */
  readonly name: string;
}

export interface XmlRpcCall {
  readonly method: string;
  readonly params: readonly XmlRpcValue[];
  readonly signal: AbortSignal;
  /** An answer that is longer is given up. */
  readonly limitBytes?: number;
}

const usualLimitBytes = 64 << 20;

/** Makes one call. Throws `XmlRpcFault`, or `RemoteError` where there is no answer that can be understood. */
export async function callXmlRpc(endpoint: XmlRpcEndpoint, call: XmlRpcCall): Promise<XmlRpcValue> {
  const {http, url, name} = endpoint;
  const {method, params, signal, limitBytes = usualLimitBytes} = call;
  const response = await http.send({
    method: 'POST',
    url,
    headers: {'content-type': 'text/xml; charset=utf-8', accept: 'text/xml'},
    body: Buffer.from(writeCall(method, params)),
    signal,
    // The body may hold a password: it goes where the user said, and nowhere else.
    redirects: 'refuse',
  });
  if (response.status !== 200) throw http.refused(response, `${method} cannot be called`);
  const body = await whileReading(name, signal, () => readAll(response.body, limitBytes));
  return readResponse(body.toString('utf8'));
}

/** The text of a call. */
export function writeCall(method: string, params: readonly XmlRpcValue[]): string {
  if (!/^[A-Za-z0-9_.:/]+$/.test(method)) throw new Error(`Not a method name: ${method}`);
  const written = params.map((param) => `<param><value>${writeValue(param)}</value></param>`).join('');
  return `<?xml version="1.0" encoding="utf-8"?>\n<methodCall><methodName>${method}</methodName><params>${written}</params></methodCall>`;
}

function writeValue(value: XmlRpcValue): string {
  if (typeof value === 'string') return `<string>${escapeXml(value)}</string>`;
  if (typeof value === 'boolean') return `<boolean>${value ? 1 : 0}</boolean>`;
  if (typeof value === 'number') return writeNumber(value);
  if (value instanceof Uint8Array) return `<base64>${Buffer.from(value).toString('base64')}</base64>`;
  if (isList(value)) {
    const items = value.map((item) => `<value>${writeValue(item)}</value>`).join('');
    return `<array><data>${items}</data></array>`;
  }
  const members = Object.entries(value).map(
    ([name, member]) =>
      `<member><name>${escapeXml(name)}</name><value>${writeValue(member)}</value></member>`,
  );
  return `<struct>${members.join('')}</struct>`;
}

function writeNumber(value: number): string {
  if (!Number.isFinite(value)) throw new Error(`XML-RPC has no ${value}`);
  if (!Number.isInteger(value)) return `<double>${decimal(value)}</double>`;
  if (value < -(2 ** 31) || value >= 2 ** 31) throw new Error(`${value} does not fit into an XML-RPC int`);
  return `<int>${value}</int>`;
}

/** The specification knows no exponents. */
function decimal(value: number): string {
  const text = String(value);
  return text.includes('e') ? value.toFixed(20).replace(/0+$/, '') : text;
}

/** What the server answered. Throws `XmlRpcFault` for a fault. */
export function readResponse(text: string): XmlRpcValue {
  const root = parseXml(text);
  if (root.name !== 'methodResponse') throw damaged(`it is a ${root.name}`);
  const fault = only(root);
  if (fault.name === 'fault') throw faultOf(readValue(onlyNamed(fault, 'value')));
  if (fault.name !== 'params') throw damaged(`${fault.name} stands in a methodResponse`);
  return readValue(onlyNamed(onlyNamed(fault, 'param'), 'value'));
}

function faultOf(value: XmlRpcValue): XmlRpcFault {
  if (typeof value !== 'object' || isList(value) || value instanceof Uint8Array)
    throw damaged('a fault is no struct');
  const {faultCode, faultString} = value;
  if (typeof faultCode !== 'number' || typeof faultString !== 'string')
    throw damaged('a fault has no faultCode and faultString');
  return new XmlRpcFault(faultCode, faultString);
}

function readValue(value: XmlElement): XmlRpcValue {
  // "If no type is indicated, the type is string."
  if (value.children.length === 0) return value.text;
  const typed = only(value);
  const {name, text, children} = typed;
  if (name === 'array') return childrenOnly(onlyNamed(typed, 'data'), 'value').map(readValue);
  if (name === 'struct') return readStruct(typed);
  if (children.length > 0) throw damaged(`${name} has elements in it`);
  const word = text.trim();
  switch (name) {
    case 'string':
      return text;
    case 'int':
    case 'i4':
    case 'i8':
      return readNumber(/^[+-]?\d{1,19}$/, word, name);
    case 'double':
      return readNumber(/^[+-]?\d+(\.\d+)?([eE][+-]?\d+)?$/, word, name);
    case 'boolean':
      if (word !== '0' && word !== '1') throw damaged(`"${printable(word)}" is no boolean`);
      return word === '1';
    case 'base64': {
      const packed = text.replaceAll(/\s/g, '');
      if (packed.length % 4 !== 0 || !/^[A-Za-z0-9+/]*={0,2}$/.test(packed))
        throw damaged('a text is no base64');
      return Buffer.from(packed, 'base64');
    }
    default:
      throw damaged(`a value is of type ${name}`);
  }
}

function readNumber(form: RegExp, word: string, type: string): number {
  const value = form.test(word) ? Number(word) : Number.NaN;
  if (Number.isNaN(value) || (type !== 'double' && !Number.isSafeInteger(value)))
    throw damaged(`"${printable(word)}" is no ${type}`);
  return value;
}

function readStruct(struct: XmlElement): XmlRpcValue {
  const members: [string, XmlRpcValue][] = childrenOnly(struct, 'member').map((member) => [
    onlyNamed(member, 'name', 2).text,
    readValue(onlyNamed(member, 'value', 2)),
  ]);
  if (new Set(members.map(([name]) => name)).size !== members.length)
    throw damaged('a struct has a member twice');
  return Object.fromEntries(members);
}

function isList(value: XmlRpcValue): value is readonly XmlRpcValue[] {
  return Array.isArray(value);
}

function only(element: XmlElement): XmlElement {
  const [child] = element.children;
  if (child === undefined || element.children.length > 1 || element.text.trim() !== '')
    throw damaged(`${element.name} does not hold one element`);
  return child;
}

function onlyNamed(element: XmlElement, name: string, of = 1): XmlElement {
  const [child, ...more] = childrenNamed(element, name);
  if (child === undefined || more.length > 0 || element.children.length !== of)
    throw damaged(`${element.name} does not hold one ${name}`);
  return child;
}

function childrenOnly(element: XmlElement, name: string): readonly XmlElement[] {
  if (element.children.some((child) => child.name !== name) || element.text.trim() !== '')
    throw damaged(`${element.name} holds something else than ${name}`);
  return element.children;
}

function damaged(why: string): RemoteError {
  return new RemoteError('damaged', `An answer is not XML-RPC: ${why}`);
}
