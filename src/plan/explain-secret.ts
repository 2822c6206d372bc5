import type {JsonValue} from '../spec/image.ts';
import {isJsonObject} from './explain-parts.ts';

/** What stands in the place of a secret inside a value that is told. */
const hidden = '(secret)';

/** Names of options and variables whose text is not for everyone; base64 may hold key data. */
const secretName =
  /passw(?:or)?d|passphrase|secret|token|credential|private|cookie|content_base64|(?:^|[._-])auth$|(?:api|access|host|ssl|tls|signing|encryption)_?key|key_?data/i;

/**
 * Text that gives itself away: private keys, crypt(5) hashes, the user information of a URI (RFC 3986, 3.2.1), and what
 * a script assigns to a variable with such a name.
 */
const secretTexts: readonly RegExp[] = [
  /-----BEGIN [A-Z ]*PRIVATE KEY-----[\s\S]*?(?:-----END [A-Z ]*PRIVATE KEY-----|$)/g,
  /\$(?:[156]|2[abxy]?|y|gy|7|sha1|md5)\$[^\s:'"]{8,}/g,
  /(?<=:\/\/)[^\s/@]+(?=@)/g,
  /(?<=(?:passw(?:or)?d|passphrase|secret|token|api_?key)\w*["']?\s*[=:]\s*)(?:"[^"]*"|'[^']*'|[^\s"']+)/gi,
];

/** Whether an option's path (`users[1].hashed_passwd`) or a variable's name says that its text is a secret. */
export function isSecretName(name: string): boolean {
  return (name.match(/[A-Za-z_][\w-]*/g) ?? []).some((word) => secretName.test(word));
}

/** A value without the secrets in it. Numbers and switches (`lock_passwd: true`) are none. */
export function withoutSecrets(value: JsonValue, secret = false): JsonValue {
  if (typeof value === 'string') return secret ? hidden : maskSecrets(value);
  if (Array.isArray(value)) return value.map((one: JsonValue) => withoutSecrets(one, secret));
  if (!isJsonObject(value)) return value;
  const members = Object.entries(value).map(([key, one]): [string, JsonValue] => [
    key,
    withoutSecrets(one, secret || secretName.test(key)),
  ]);
  return Object.fromEntries(members);
}

/** Text without the secrets that give themselves away. */
export function maskSecrets(text: string): string {
  return secretTexts.reduce((masked, pattern) => masked.replaceAll(pattern, hidden), text);
}
