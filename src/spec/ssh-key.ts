/** Types that OpenSSH 9.2 accepts by default; ssh-dss it does not. */
const keyTypes: ReadonlySet<string> = new Set([
  'ssh-ed25519',
  'ssh-rsa',
  'ecdsa-sha2-nistp256',
  'ecdsa-sha2-nistp384',
  'ecdsa-sha2-nistp521',
  'sk-ssh-ed25519@openssh.com',
  'sk-ecdsa-sha2-nistp256@openssh.com',
]);

export interface SshKeyProblem {
  readonly reason: string;
  readonly mend: string;
  /** A private key is not shown again. */
  readonly secret: boolean;
}

/**
 * What is wrong with a line of authorized_keys, or undefined. sshd(8): options, type, base64, comment; the base64
 * begins with the type once more, as a length of four bytes and its text (RFC 4253 6.6).
 */
export function sshKeyProblem(key: string): SshKeyProblem | undefined {
  if (/PRIVATE KEY/.test(key)) {
    const mend = 'Write the public key (the .pub file), and make a new pair: this one is no secret any more';
    return {reason: 'This is a private key', mend, secret: true};
  }
  if (/\p{Cc}/u.test(key.trimEnd())) {
    return {
      reason: 'An SSH key is one line',
      mend: 'Write the line of the .pub file; one list entry per key',
      secret: false,
    };
  }
  const fields = key.trim().split(' ');
  const at = fields.findIndex((field) => keyTypes.has(field));
  const type = fields[at];
  if (type === undefined) {
    const mend = `Write the line of the .pub file; it has one of the types ${[...keyTypes].slice(0, 3).join(', ')} …`;
    return {reason: 'This is not a public SSH key: it names no type that sshd accepts', mend, secret: false};
  }
  if (innerType(fields[at + 1] ?? '') !== type) {
    const mend = 'Copy the whole line of the .pub file once more';
    return {reason: `The data of this SSH key is cut or not that of a ${type} key`, mend, secret: false};
  }
  return undefined;
}

function innerType(base64: string): string | undefined {
  if (!/^[A-Za-z0-9+/]{40,}={0,2}$/.test(base64)) return undefined;
  const bytes = Buffer.from(base64, 'base64');
  let offset = 0;
  const parts: Buffer[] = [];
  while (offset + 4 <= bytes.length) {
    const length = bytes.readUInt32BE(offset);
    parts.push(bytes.subarray(offset + 4, offset + 4 + length));
    offset += 4 + length;
  }
  return offset === bytes.length && parts.length > 1 ? parts[0]?.toString('latin1') : undefined;
}
