import {XMLParser} from 'fast-xml-parser';

/** XML-RPC as the peer reads and writes it; a reader of its own, so that fgimage's is not its own judge. */
export interface Call {
  readonly method: string;
  readonly params: readonly (string | number | boolean)[];
}

export class Fault extends Error {
  readonly code: number;

  constructor(code: number, message: string) {
    super(message);
    this.code = code;
  }
}

const parser = new XMLParser({
  parseTagValue: false,
  trimValues: false,
  ignoreDeclaration: true,
  htmlEntities: true,
  isArray: (name) => name === 'param',
});

interface CallDocument {
  readonly methodCall?: {
    readonly methodName?: string;
    readonly params?: {readonly param?: readonly {readonly value?: Readonly<Record<string, string>>}[]};
  };
}

export function readCall(text: string): Call {
  const {methodCall} = parser.parse(text) as CallDocument;
  if (methodCall?.methodName === undefined) throw new Fault(-503, 'Call is not well-formed XML-RPC');
  const params = (methodCall.params?.param ?? []).map(({value}) => {
    const [typed, ...more] = Object.entries(value ?? {});
    if (typed === undefined || more.length > 0) throw new Fault(-503, 'A value does not have one type');
    const [type, content] = typed;
    switch (type) {
      case 'string':
        return content;
      case 'int':
      case 'i4':
        if (!/^-?\d+$/.test(content)) throw new Fault(-501, `"${content}" is no int`);
        return Number(content);
      case 'boolean':
        if (!/^[01]$/.test(content)) throw new Fault(-501, `"${content}" is no boolean`);
        return content === '1';
      default:
        throw new Fault(-501, `oned takes no ${type}`);
    }
  });
  return {method: methodCall.methodName, params};
}

/** `[did, value, code, …]`, as xmlrpc-c writes it: with CR LF between the elements, and one i8 at the end of a refusal. */
export function answerOf(values: readonly (string | number | boolean)[]): string {
  const written = values.map((value, index) => {
    if (typeof value === 'string') return `<value><string>${escaped(value)}</string></value>`;
    if (typeof value === 'boolean') return `<value><boolean>${value ? 1 : 0}</boolean></value>`;
    const type = index === 4 ? 'i8' : 'i4';
    return `<value><${type}>${value}</${type}></value>`;
  });
  return response(
    `<params>\r\n<param><value><array><data>\r\n${written.join('\r\n')}\r\n</data></array></value></param>\r\n</params>`,
  );
}

export function faultOf({code, message}: Fault): string {
  return response(
    `<fault>\r\n<value><struct>\r\n<member><name>faultCode</name>\r\n<value><i4>${code}</i4></value></member>\r\n<member><name>faultString</name>\r\n<value><string>${escaped(message)}</string></value></member>\r\n</struct></value>\r\n</fault>`,
  );
}

function response(content: string): string {
  return `<?xml version="1.0" encoding="UTF-8"?>\r\n<methodResponse>\r\n${content}\r\n</methodResponse>\r\n`;
}

function escaped(text: string): string {
  return text
    .replaceAll('&', '&amp;')
    .replaceAll('<', '&lt;')
    .replaceAll('>', '&gt;')
    .replaceAll('\r', '&#x0d;');
}
