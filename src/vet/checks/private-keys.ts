import type {Check} from '../check.ts';
import {type SecretFile, type SecretPattern, SecretSearch} from '../secrets.ts';

/**
 * A header and the beginning of what follows it, so that a program that only knows the header is none: RFC 7468, RFC 4716,
 * RFC 4880 section 6.2, and OpenSSH's PROTOCOL.key. In JSON and in programs line breaks are `\n`, and lines are quoted. No
 * two parts of the pattern can match the same characters: a hostile text must not keep the search busy.
 */
const lineBreak = String.raw`(?:\r?\n|\\r|\\n)`;
const lineBreaks = String.raw`(?:[ \t"'+,]*${lineBreak})+[ \t"'+,]*`;
const fields = String.raw`(?:[A-Za-z-]{1,40}:[^\r\n\\]*(?:${lineBreak}[ \t"'+,]*)+){0,4}`;
const begins = (header: string): RegExp => new RegExp(`${header}${lineBreaks}${fields}[A-Za-z0-9+/]{20}`);

const patterns: readonly SecretPattern[] = [
  {
    detail: 'a private key (PEM or OpenSSH)',
    severity: 'high',
    word: 'PRIVATE KEY-----',
    content: begins('-----BEGIN (?:[A-Z0-9]+ ){0,3}PRIVATE KEY-----'),
  },
  {
    detail: 'a private key (OpenPGP)',
    severity: 'high',
    word: 'PGP PRIVATE KEY BLOCK',
    content: begins('-----BEGIN PGP PRIVATE KEY BLOCK-----'),
  },
  {
    detail: 'a private key (SSH2)',
    severity: 'high',
    word: 'SSH2 ENCRYPTED PRIVATE KEY',
    content: begins('---- BEGIN SSH2 ENCRYPTED PRIVATE KEY ----'),
  },
  {
    detail: 'a private key (PuTTY)',
    severity: 'high',
    word: 'PuTTY-User-Key-File-',
    content: /^PuTTY-User-Key-File-\d: [a-z0-9-]+\r?\n/m,
  },
  {
    detail: 'a private key (age)',
    severity: 'high',
    word: 'AGE-SECRET-KEY-1',
    content: /\bAGE-SECRET-KEY-1[QPZRY9X8GF2TVDW0S3JN54KHCE6MUA7L]{58}\b/,
  },
  {
    detail: 'a private key (WireGuard)',
    severity: 'high',
    path: /\.(?:conf|netdev|nmconnection)$/,
    word: '=',
    content: /^[ \t]{0,80}(?:PrivateKey|private-key|PresharedKey)[ \t]{0,80}=[ \t]{0,80}[A-Za-z0-9+/]{43}=/m,
  },
];

const files: readonly SecretFile[] = [
  {
    detail: "a private key in GnuPG's folder",
    severity: 'high',
    path: /\/(?:private-keys-v1\.d\/[^/]+\.key|secring\.gpg)$/,
  },
  {
    detail: "munge's key: whoever has it can be anybody on the cluster",
    severity: 'high',
    path: /^\/etc\/munge\/munge\.key$/,
  },
  {
    detail: 'a key of Slurm: whoever has it can be anybody on the cluster',
    severity: 'high',
    path: /^\/etc\/slurm[^/]*\/(?:slurm|jwks?|jwt_[a-z0-9]+)\.(?:key|jwks)$/,
  },
  {detail: 'a Kerberos keytab', severity: 'high', path: /(?:^\/etc\/krb5[^/]*\.keytab|\.keytab)$/},
  {detail: 'the key that controls a name server', severity: 'high', path: /^\/etc\/(?:bind\/)?rndc\.key$/},
  {
    detail: 'a store of keys (PKCS #12 or Java)',
    severity: 'medium',
    path: /\.(?:p12|pfx|jks|keystore)$/,
  },
];

const search = new SecretSearch(patterns, files);

/** Keys that are the same in every instance, or somebody's own. */
export const privateKeys: Check = {
  name: 'private-keys',
  entry: (entry, look) => search.in(entry, look),
};
