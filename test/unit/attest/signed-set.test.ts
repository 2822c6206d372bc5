import {execFileSync, spawnSync} from 'node:child_process';
import {copyFileSync, mkdirSync, readFileSync, renameSync, rmSync, symlinkSync, writeFileSync} from 'node:fs';
import {join} from 'node:path';
import {describe, expect, it} from 'vitest';
import {sha256} from '../../../cache/tree.ts';
import {preAuthentication} from '../../../src/attest/dsse.ts';
import {runSign, type SignOptions} from '../../../src/cli/sign.ts';
import {runVerifySignature} from '../../../src/cli/verify-signature.ts';
import {KeyFolder} from './keys.ts';

const statement = '{"_type":"https://in-toto.io/Statement/v1"}\n';
const files = {'web.qcow2': 'disk', 'boot/vmlinuz': 'kernel'};
const documents = {'sbom.spdx.json': '{}', 'provenance.intoto.json': statement};

/** An output folder with web/openstack in it, and keys. */
class Delivered extends KeyFolder {
  readonly output = this.join('artifacts');
  readonly set = this.join('artifacts/web/openstack');
  readonly printed: string[] = [];
  readonly stream = {write: (text: string): unknown => this.printed.push(text)};

  constructor() {
    super();
    const told = (of: Record<string, string>): object[] =>
      Object.entries(of).map(([path, text]) => ({path, size_bytes: text.length, sha256: sha256(text)}));
    const manifest = JSON.stringify({files: told(files), documents: told(documents)});
    for (const [name, text] of Object.entries({...files, ...documents, 'manifest.json': manifest}))
      this.write({[`artifacts/web/openstack/${name}`]: text});
    this.key('ada');
    this.key('eve');
    this.allow(`ada@example.org namespaces="fgimage" ${this.publicKey('ada')}`);
  }

  allow(...lines: readonly string[]): void {
    this.write({allowed: `${lines.join('\n')}\n`});
  }

  sign(options: Partial<SignOptions> = {}): Promise<number> {
    const {output, stream} = this;
    return runSign({artifact: 'web/openstack', key: this.join('ada'), output, stream, env: {}, ...options});
  }

  /** The message of what is wrong; undefined: nothing. */
  async verify(artifact = 'web/openstack', identity?: string): Promise<string | undefined> {
    const {output, stream} = this;
    const allowedSigners = this.join('allowed');
    try {
      await runVerifySignature({artifact, identity, allowedSigners, output, stream});
      return undefined;
    } catch (error) {
      expect(error).toMatchObject({name: 'FgError', exitCode: 2});
      return error instanceof Error ? error.message : '';
    }
  }

  inSet(name: string): string {
    return join(this.set, name);
  }

  fingerprint(name: string): string {
    return execFileSync('ssh-keygen', ['-l', '-f', this.join(name)], {encoding: 'utf8'}).split(' ')[1] ?? '';
  }
}

describe('fgimage sign', () => {
  it('makes what coreutils and ssh-keygen can check', async () => {
    using delivered = new Delivered();
    await delivered.sign();
    expect(delivered.printed).toEqual([
      `web/openstack: signed with ${delivered.fingerprint('ada')} (provenance.intoto.dsse.json, SHA256SUMS, SHA256SUMS.sig)\n`,
    ]);
    const sums = readFileSync(delivered.inSet('SHA256SUMS'), 'utf8');
    expect(sums.split('\n').map((line) => line.slice(66))).toEqual([
      'boot/vmlinuz',
      'manifest.json',
      'provenance.intoto.json',
      'sbom.spdx.json',
      'web.qcow2',
      '',
    ]);
    execFileSync('sha256sum', ['--check', '--strict', '--quiet', 'SHA256SUMS'], {cwd: delivered.set});
    const words = ['-f', delivered.join('allowed'), '-I', 'ada@example.org', '-n', 'fgimage'];
    const checked = spawnSync(
      'ssh-keygen',
      ['-Y', 'verify', ...words, '-s', delivered.inSet('SHA256SUMS.sig')],
      {
        input: sums,
        encoding: 'utf8',
      },
    );
    expect(checked.stdout).toMatch(/^Good "fgimage" signature for ada@example.org with ED25519 key SHA256:/);
  });

  it('puts the provenance into an envelope whose signature openssl accepts', async () => {
    using delivered = new Delivered();
    await delivered.sign();
    await delivered.sign({artifact: undefined, printPublicKey: 'pem'});
    const {payload, payloadType, signatures} = JSON.parse(
      readFileSync(delivered.inSet('provenance.intoto.dsse.json'), 'utf8'),
    ) as {payload: string; payloadType: string; signatures: {keyid: string; sig: string}[]};
    expect(Buffer.from(payload, 'base64').toString()).toBe(statement);
    expect(payloadType).toBe('application/vnd.in-toto+json');
    expect(signatures).toMatchObject([{keyid: delivered.fingerprint('ada')}]);
    delivered.write({'key.pem': delivered.printed.at(-1) ?? ''});
    writeFileSync(delivered.join('sig'), Buffer.from(signatures[0]?.sig ?? '', 'base64'));
    writeFileSync(delivered.join('pae'), preAuthentication(payloadType, Buffer.from(statement)));
    const words = ['-pubin', '-inkey', delivered.join('key.pem'), '-sigfile', delivered.join('sig')];
    const told = execFileSync('openssl', [
      'pkeyutl',
      '-verify',
      '-rawin',
      ...words,
      '-in',
      delivered.join('pae'),
    ]);
    expect(told.toString()).toBe('Signature Verified Successfully\n');
  });

  it('signs all targets of an image', async () => {
    using delivered = new Delivered();
    mkdirSync(join(delivered.output, 'web/hpc'));
    for (const name of ['manifest.json', 'web.qcow2'])
      copyFileSync(delivered.inSet(name), join(delivered.output, 'web/hpc', name));
    const manifest = {files: [{path: 'web.qcow2', sha256: sha256('disk')}]};
    delivered.write({'artifacts/web/hpc/manifest.json': JSON.stringify(manifest)});
    await delivered.sign({artifact: 'web'});
    expect(await delivered.verify('web')).toBeUndefined();
    expect(delivered.printed.map((text) => text.split(':')[0])).toEqual([
      'web/hpc',
      'web/openstack',
      'web/hpc',
      'web/openstack',
    ]);
  });

  it('gives the same files a second time', async () => {
    using delivered = new Delivered();
    const read = (): readonly string[] =>
      ['SHA256SUMS', 'SHA256SUMS.sig', 'provenance.intoto.dsse.json'].map((name) =>
        readFileSync(delivered.inSet(name), 'utf8'),
      );
    await delivered.sign();
    const first = read();
    await delivered.sign();
    expect(read()).toEqual(first);
  });

  it.each([
    [
      'a changed file',
      (set: string) => writeFileSync(join(set, 'web.qcow2'), 'DISK'),
      /^web\.qcow2 of .* is not what was built$/,
    ],
    ['a missing file', (set: string) => rmSync(join(set, 'web.qcow2')), /^web\.qcow2 of .* is missing$/],
    [
      'a file of somebody',
      (set: string) => writeFileSync(join(set, 'notes'), ''),
      /^notes in .* is no part of what was built$/,
    ],
    [
      'no manifest',
      (set: string) => writeFileSync(join(set, 'manifest.json'), 'x'),
      /holds no manifest\.json that can be read$/,
    ],
  ])('does not sign a set with %s', async (_, spoil, message) => {
    using delivered = new Delivered();
    spoil(delivered.set);
    await expect(delivered.sign()).rejects.toThrow(message);
  });

  it('prints the public key in three forms', async () => {
    using delivered = new Delivered();
    const print = {artifact: undefined, identity: 'ada@example.org'};
    await delivered.sign({...print, printPublicKey: 'ssh'});
    await delivered.sign({...print, printPublicKey: 'allowed-signers'});
    expect(delivered.printed).toEqual([
      `${delivered.publicLine('ada')}\n`,
      `ada@example.org namespaces="fgimage" ${delivered.publicKey('ada')}\n`,
    ]);
    await expect(delivered.sign({artifact: undefined, printPublicKey: 'allowed-signers'})).rejects.toThrow(
      'A line of allowed signers begins with whom the key is of',
    );
  });

  it.each([
    [{key: undefined}, 'No key to sign with is named'],
    [{oci: 'x/y:z'}, 'Name one thing to sign: an image, or --oci with an artifact in a registry'],
    [{artifact: 'nothing'}, /^There is no nothing in .*, and no such path$/],
    [{artifact: undefined, oci: 'web'}, 'Cannot make sense of web: it names no registry'],
  ])('refuses %j', async (options, message) => {
    using delivered = new Delivered();
    await expect(delivered.sign(options)).rejects.toThrow(message);
  });
});

describe('fgimage verify-signature', () => {
  it('accepts a set, its folder wherever it lies, and each of its files', async () => {
    using delivered = new Delivered();
    await delivered.sign();
    expect(await delivered.verify()).toBeUndefined();
    expect(await delivered.verify('web/openstack', 'ada@example.org')).toBeUndefined();
    renameSync(delivered.set, delivered.join('elsewhere'));
    expect(await delivered.verify(delivered.join('elsewhere'))).toBeUndefined();
    expect(await delivered.verify(delivered.join('elsewhere/web.qcow2'))).toBeUndefined();
    expect(await delivered.verify(delivered.join('elsewhere/boot/vmlinuz'))).toBeUndefined();
    expect(delivered.printed.at(-1)).toBe(
      `${delivered.join('elsewhere/boot/vmlinuz')}: 1 file signed by ada@example.org with ${delivered.fingerprint('ada')}\n`,
    );
    expect(delivered.printed[1]).toBe(
      `web/openstack: 5 files signed by ada@example.org with ${delivered.fingerprint('ada')}\n`,
    );
  });

  it('accepts what ssh-keygen signed', async () => {
    using delivered = new Delivered();
    const text = Object.entries(files).map(([name, content]) => `${sha256(content)}  ${name}\n`);
    for (const name of ['manifest.json', ...Object.keys(documents)]) rmSync(delivered.inSet(name));
    writeFileSync(delivered.inSet('SHA256SUMS'), text.join(''));
    const words = [
      '-q',
      '-Y',
      'sign',
      '-f',
      delivered.join('ada'),
      '-n',
      'fgimage',
      delivered.inSet('SHA256SUMS'),
    ];
    execFileSync('ssh-keygen', words, {stdio: 'pipe'});
    expect(await delivered.verify(delivered.set)).toBeUndefined();
  });

  it.each<[string, (set: string) => void, string | RegExp]>([
    [
      'a file',
      (set) => writeFileSync(join(set, 'web.qcow2'), 'disc'),
      'web.qcow2 was changed after it was signed',
    ],
    [
      'a file in a folder',
      (set) => writeFileSync(join(set, 'boot/vmlinuz'), ''),
      'boot/vmlinuz was changed after it was signed',
    ],
    [
      'a document',
      (set) => writeFileSync(join(set, 'sbom.spdx.json'), '[]'),
      'sbom.spdx.json was changed after it was signed',
    ],
    [
      'the manifest',
      (set) => writeFileSync(join(set, 'manifest.json'), '{}'),
      'manifest.json was changed after it was signed',
    ],
    ['a file that is gone', (set) => rmSync(join(set, 'web.qcow2')), 'web.qcow2 is missing'],
    [
      'a file for a link to it',
      (set) => {
        renameSync(join(set, 'web.qcow2'), join(set, '../web.qcow2'));
        symlinkSync('../web.qcow2', join(set, 'web.qcow2'));
      },
      'web.qcow2 was changed after it was signed',
    ],
    ['a further file', (set) => writeFileSync(join(set, 'extra'), ''), 'extra is not among what was signed'],
    [
      'two things',
      (set) => {
        rmSync(join(set, 'web.qcow2'));
        writeFileSync(join(set, 'extra'), '');
      },
      'web.qcow2 is missing; extra is not among what was signed',
    ],
    [
      'the signature away',
      (set) => rmSync(join(set, 'SHA256SUMS.sig')),
      'it is not signed, SHA256SUMS.sig is missing',
    ],
    ['the sums away', (set) => rmSync(join(set, 'SHA256SUMS')), 'it is not signed, SHA256SUMS is missing'],
    [
      'the sums',
      (set) => {
        const path = join(set, 'SHA256SUMS');
        writeFileSync(path, readFileSync(path, 'utf8').replace(/^./, '0').replace(/^0{2}/, '1'));
        writeFileSync(path, `${readFileSync(path, 'utf8')}${sha256('')} *extra\n`);
      },
      /^SHA256SUMS\.sig does not hold: it is none of the key SHA256:\S+ over this SHA256SUMS$/,
    ],
    [
      'the signature',
      (set) => writeFileSync(join(set, 'SHA256SUMS.sig'), 'x'),
      'SHA256SUMS.sig does not hold: it is no armored SSH signature',
    ],
    [
      'the envelope away',
      (set) => rmSync(join(set, 'provenance.intoto.dsse.json')),
      'provenance.intoto.dsse.json is missing',
    ],
    [
      "the envelope's payload",
      (set) => editEnvelope(set, {payload: Buffer.from('{}').toString('base64')}),
      /^provenance\.intoto\.dsse\.json does not hold: no signature of it is that of SHA256:/,
    ],
    [
      "the envelope's type",
      (set) => editEnvelope(set, {payloadType: 'text/plain'}),
      'provenance.intoto.dsse.json does not hold: it holds something else than an in-toto statement',
    ],
    [
      "the envelope's signatures",
      (set) => editEnvelope(set, {signatures: []}),
      'provenance.intoto.dsse.json does not hold: it has no signature',
    ],
    [
      'the envelope',
      (set) => writeFileSync(join(set, 'provenance.intoto.dsse.json'), '[]'),
      'provenance.intoto.dsse.json does not hold: it is no DSSE envelope',
    ],
    [
      'provenance and envelope',
      (set) => {
        editEnvelope(set, {payload: Buffer.from('{}').toString('base64')});
        writeFileSync(join(set, 'provenance.intoto.json'), '{}');
      },
      /^provenance\.intoto\.json was changed after it was signed; provenance\.intoto\.dsse\.json does not hold: /,
    ],
  ])('names what was done to %s', async (_, tamper, problem) => {
    using delivered = new Delivered();
    await delivered.sign();
    tamper(delivered.set);
    const told = (await delivered.verify())?.replace('web/openstack is not to be trusted: ', '');
    if (typeof problem === 'string') expect(told).toBe(problem);
    else expect(told).toMatch(problem);
  });

  it('names a key that does not count, and why', async () => {
    using delivered = new Delivered();
    await delivered.sign();
    const ada = delivered.fingerprint('ada');
    const key = delivered.publicKey('ada');
    const told = async (...lines: string[]): Promise<string | undefined> => {
      delivered.allow(...lines);
      return (await delivered.verify('web/openstack', 'ada@example.org'))?.replace(
        'web/openstack is not to be trusted: ',
        '',
      );
    };
    expect(await told(`ada@example.org ${delivered.publicKey('eve')}`)).toBe(
      `the key ${ada} is not among the allowed signers`,
    );
    expect(await told(`* cert-authority ${key}`)).toBe(
      `the key ${ada} is not among the allowed signers; certificate authorities (line 1) do not count, fgimage checks no certificates`,
    );
    expect(await told(`bob@example.org ${key}`)).toBe(`the key ${ada} is that of bob@example.org`);
    expect(await told('# a comment', `ada@example.org namespaces="git" ${key}`)).toBe(
      `the key ${ada} may sign for git only (line 2)`,
    );
    expect(await told(`ada@example.org valid-before="20200101Z" ${key}`)).toBe(
      `the key ${ada} counted until 2020-01-01T00:00:00.000Z (line 1)`,
    );
    expect(await told(`ada@example.org valid-after="20990101Z" ${key}`)).toBe(
      `the key ${ada} counts from 2099-01-01T00:00:00.000Z on (line 1)`,
    );
    delivered.allow('ada');
    expect(await delivered.verify()).toBe(
      `Cannot use ${delivered.join('allowed')}: line 1: no type of a key, e.g. ssh-ed25519, stands where it belongs`,
    );
  });

  it('does not take the signature of another key for the same files', async () => {
    using delivered = new Delivered();
    await delivered.sign({key: delivered.join('eve')});
    expect(await delivered.verify()).toBe(
      `web/openstack is not to be trusted: the key ${delivered.fingerprint('eve')} is not among the allowed signers`,
    );
  });

  it('does not take a signature that was made for something else', async () => {
    using delivered = new Delivered();
    await delivered.sign();
    rmSync(delivered.inSet('SHA256SUMS.sig'));
    const words = [
      '-q',
      '-Y',
      'sign',
      '-f',
      delivered.join('ada'),
      '-n',
      'git',
      delivered.inSet('SHA256SUMS'),
    ];
    execFileSync('ssh-keygen', words, {stdio: 'pipe'});
    expect(await delivered.verify()).toBe(
      'web/openstack is not to be trusted: the signature was made for "git", not for "fgimage"',
    );
  });

  it('does not follow a signed list out of its folder', async () => {
    using delivered = new Delivered();
    await delivered.sign();
    writeFileSync(delivered.inSet('SHA256SUMS'), `${sha256('disk')} *../web.qcow2\n`);
    rmSync(delivered.inSet('SHA256SUMS.sig'));
    const words = [
      '-q',
      '-Y',
      'sign',
      '-f',
      delivered.join('ada'),
      '-n',
      'fgimage',
      delivered.inSet('SHA256SUMS'),
    ];
    execFileSync('ssh-keygen', words, {stdio: 'pipe'});
    expect(await delivered.verify()).toBe(
      'web/openstack is not to be trusted: SHA256SUMS does not hold: line 1 names a file of another folder',
    );
  });

  it('says that a file was not signed', async () => {
    using delivered = new Delivered();
    await delivered.sign();
    writeFileSync(delivered.inSet('extra'), '');
    expect(await delivered.verify(delivered.inSet('extra'))).toBe(
      `${delivered.inSet('extra')} is not to be trusted: extra is not among what was signed`,
    );
    expect(await delivered.verify(delivered.join('allowed'))).toBe(
      `${delivered.join('allowed')} is not to be trusted: it is not signed, SHA256SUMS.sig is missing`,
    );
  });
});

function editEnvelope(set: string, change: object): void {
  const path = join(set, 'provenance.intoto.dsse.json');
  writeFileSync(path, JSON.stringify({...(JSON.parse(readFileSync(path, 'utf8')) as object), ...change}));
}
