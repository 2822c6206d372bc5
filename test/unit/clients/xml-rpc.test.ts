import {describe, expect, it} from 'vitest';
import {readResponse, writeCall, XmlRpcFault, type XmlRpcValue} from '../../../src/clients/xml-rpc.ts';

const answer = (value: string): string =>
  `<?xml version="1.0"?><methodResponse><params><param><value>${value}</value></param></params></methodResponse>`;

describe('writeCall()', () => {
  it('writes each type as the specification does', () => {
    const params: readonly XmlRpcValue[] = [
      'a',
      -7,
      1.5,
      1e-7,
      true,
      false,
      Buffer.from([0, 255]),
      ['x', 1],
      {n: 1},
    ];
    expect(writeCall('one.image.info', params)).toBe(
      '<?xml version="1.0" encoding="utf-8"?>\n<methodCall><methodName>one.image.info</methodName><params>' +
        '<param><value><string>a</string></value></param>' +
        '<param><value><int>-7</int></value></param>' +
        '<param><value><double>1.5</double></value></param>' +
        '<param><value><double>0.0000001</double></value></param>' +
        '<param><value><boolean>1</boolean></value></param>' +
        '<param><value><boolean>0</boolean></value></param>' +
        '<param><value><base64>AP8=</base64></value></param>' +
        '<param><value><array><data><value><string>x</string></value><value><int>1</int></value></data></array></value></param>' +
        '<param><value><struct><member><name>n</name><value><int>1</int></value></member></struct></value></param>' +
        '</params></methodCall>',
    );
  });

  it('lets no text end its element', () => {
    expect(writeCall('m', ['</string>]]>&amp;\r\n"\''])).toContain(
      '<string>&lt;/string&gt;]]&gt;&amp;amp;&#13;\n"\'</string>',
    );
  });

  it.each([
    ['a control character', ['a\u0001']],
    ['half a surrogate pair', ['\uD800']],
    ['a number without end', [Number.POSITIVE_INFINITY]],
    ['a whole number of more than 32 bits', [2 ** 31]],
  ])('refuses %s', (_what, params) => {
    expect(() => writeCall('m', params)).toThrow();
  });

  it('refuses a method that is no name', () => {
    expect(() => writeCall('a</methodName>', [])).toThrow('Not a method name');
  });
});

describe('readResponse()', () => {
  it.each<[string, XmlRpcValue]>([
    ['plain text', 'plain text'],
    ['', ''],
    ['<string> a &lt;b&gt; &#65;&#x42;&amp;lt; </string>', ' a <b> AB&lt; '],
    ['<string><![CDATA[<!DOCTYPE x>&amp;]]>]</string>', '<!DOCTYPE x>&amp;]'],
    ['<string><!-- no -->a</string>', 'a'],
    ['<string/>', ''],
    ['<int>-12</int>', -12],
    ['<i4>12</i4>', 12],
    ['<i8>9007199254740991</i8>', 9_007_199_254_740_991],
    ['<double>-12.214</double>', -12.214],
    ['<boolean>1</boolean>', true],
    ['<base64>\neW91\n IQ== </base64>', Buffer.from('you!')],
    ['<array><data>\n <value><int>1</int></value> <value>b</value>\n</data></array>', [1, 'b']],
    ['<array><data/></array>', []],
    [
      '<struct><member><name>__proto__</name><value><int>1</int></value></member></struct>',
      Object.fromEntries([['__proto__', 1]]),
    ],
  ])('reads %s', (value, expected) => {
    expect(readResponse(answer(value))).toStrictEqual(expected);
  });

  it('throws a fault with its code and its text made printable', () => {
    const fault =
      '<methodResponse><fault><value><struct><member><name>faultCode</name><value><int>-506</int></value></member>' +
      "<member><name>faultString</name><value><string>Method 'a\u0085b' not defined</string></value></member></struct></value></fault></methodResponse>";
    expect(() => readResponse(fault)).toThrow(XmlRpcFault);
    expect(() => readResponse(fault)).toThrow(
      /^The server answers with fault -506: Method 'a.*b' not defined$/,
    );
  });

  it.each([
    [
      'a document type',
      '<!DOCTYPE methodResponse [<!ENTITY a "b">]><methodResponse/>',
      '"<!DOCTYPE methodResp" stands in it',
    ],
    ['an entity that was never declared', answer('<string>&a;</string>'), 'it refers to "&a;"'],
    ['a half entity', answer('<string>a & b</string>'), 'it refers to "& b"'],
    ['a character that is none', answer('<string>&#x110000;</string>'), 'it refers to "&#x110000;"'],
    [
      'what is not well-formed',
      '<methodResponse><params></methodResponse>',
      '</methodResponse> has no beginning',
    ],
    ['half a document', '<methodResponse><params>', 'not one whole element'],
    ['an attribute without quotes', '<methodResponse a=b/>', 'stands in it'],
    ['two documents', `${answer('a')}<methodResponse/>`, 'not XML as it should be'],
    ['another document', '<html><body/></html>', 'it is a html'],
    ['no document', 'Method Not Allowed', 'not XML as it should be'],
    ['a type that is none', answer('<nil/>'), 'a value is of type nil'],
    ['two types', answer('<int>1</int><int>2</int>'), 'value does not hold one element'],
    ['text beside a type', answer('a<int>1</int>'), 'value does not hold one element'],
    ['a number that is none', answer('<int>0x10</int>'), '"0x10" is no int'],
    ['a number that is too large', answer('<i8>9007199254740993</i8>'), 'is no i8'],
    ['a boolean that is none', answer('<boolean>true</boolean>'), '"true" is no boolean'],
    ['bytes that are none', answer('<base64>a</base64>'), 'a text is no base64'],
    ['an element in a string', answer('<string><b/></string>'), 'string has elements in it'],
    [
      'a member twice',
      answer(`<struct>${'<member><name>a</name><value>1</value></member>'.repeat(2)}</struct>`),
      'a member twice',
    ],
    [
      'a member without a value',
      answer('<struct><member><name>a</name></member></struct>'),
      'member does not',
    ],
    ['an array of something else', answer('<array><data><int>1</int></data></array>'), 'something else'],
    ['two params', '<methodResponse><params><param/><param/></params></methodResponse>', 'params does not'],
    [
      'elements that go too deep',
      answer(`${'<array><data><value>'.repeat(40)}${'</value></data></array>'.repeat(40)}`),
      'nested too deeply',
    ],
  ])('refuses %s', (_what, text, message) => {
    expect(() => readResponse(text)).toThrow(message);
  });
});
