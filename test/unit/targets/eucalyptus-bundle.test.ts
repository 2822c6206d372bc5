import {execFileSync} from 'node:child_process';
import {createHash, createPrivateKey, X509Certificate} from 'node:crypto';
import {closeSync, ftruncateSync, openSync, readFileSync, writeFileSync, writeSync} from 'node:fs';
import {describe, expect, it, vi} from 'vitest';
import {
  type Bundle,
  type BundleRequest,
  bundleSecret,
  writeBundle,
} from '../../../targets/eucalyptus/bundle.ts';
import {bundleManifest, type ManifestRequest} from '../../../targets/eucalyptus/manifest.ts';
import {SiteFolder} from './peers/site-folder.ts';

const sha256 = 'a'.repeat(64);
const never = new AbortController().signal;

function bundle(
  folder: SiteFolder,
  request: Partial<BundleRequest> & Pick<BundleRequest, 'sizeBytes'>,
): Promise<Bundle> {
  return writeBundle({
    path: folder.join('disk.raw'),
    prefix: 'fgimage-web',
    secret: bundleSecret('secret', sha256),
    signal: never,
    take: ({fileName}, bytes) => Promise.resolve(writeFileSync(folder.join(fileName), bytes)),
    ...request,
  });
}

function manifest(folder: SiteFolder, made: Bundle, request: Partial<ManifestRequest> = {}): string {
  const certificate = (name: string) => new X509Certificate(readFileSync(folder.join(`${name}-cert.pem`)));
  return bundleManifest({
    bundle: made,
    secret: bundleSecret('secret', sha256),
    kind: 'machine',
    architecture: 'x86_64',
    prefix: 'fgimage-web',
    account: '000123456789',
    cloudCertificate: certificate('cloud'),
    userCertificate: certificate('user'),
    privateKey: createPrivateKey(readFileSync(folder.join('user-key.pem'))),
    ...request,
  });
}

/** A file with data here and there, larger than two parts even when compressed. */
function disk(folder: SiteFolder): Buffer {
  const bytes = Buffer.alloc(3_000_001);
  for (let at = 0; at < 2_500_000; at += 64) createHash('sha512').update(String(at)).digest().copy(bytes, at);
  writeFileSync(folder.join('disk.raw'), bytes);
  return bytes;
}

const run = (program: string, args: readonly string[], input?: Buffer): Buffer =>
  execFileSync(program, args, {input, maxBuffer: 64 * 2 ** 20, stdio: ['pipe', 'pipe', 'ignore']});

// openssl makes keys, which takes its time on a busy host.
vi.setConfig({testTimeout: 60_000, hookTimeout: 60_000});

describe('a bundle', () => {
  it('is unbundled again by openssl, gzip and tar, and its signature verified by openssl', async () => {
    using folder = new SiteFolder();
    folder.certificates();
    const bytes = disk(folder);
    const made = await bundle(folder, {sizeBytes: bytes.length, partBytes: 1_000_000});
    const xml = manifest(folder, made);

    const element = (name: string): string =>
      new RegExp(`<${name}[^>]*>([^<]*)</${name}>`).exec(xml)?.[1] ?? '';
    const decrypt = (hex: string, owner: string): string =>
      run(
        'openssl',
        [
          'pkeyutl',
          '-decrypt',
          '-inkey',
          folder.join(`${owner}-key.pem`),
          '-pkeyopt',
          'rsa_padding_mode:pkcs1',
        ],
        Buffer.from(hex, 'hex'),
      ).toString();
    const key = decrypt(element('ec2_encrypted_key'), 'cloud');
    const iv = decrypt(element('ec2_encrypted_iv'), 'cloud');
    expect([key, iv]).toEqual([
      expect.stringMatching(/^[0-9a-f]{32}$/),
      expect.stringMatching(/^[0-9a-f]{32}$/),
    ]);
    expect(decrypt(element('user_encrypted_key'), 'user')).toBe(key);
    expect(decrypt(element('user_encrypted_iv'), 'user')).toBe(iv);

    const names = [...xml.matchAll(/<filename>([^<]+)<\/filename>/g)].map(([, name = '']) => name);
    expect(names).toEqual(['fgimage-web.part.00', 'fgimage-web.part.01', 'fgimage-web.part.02']);
    const digests = [...xml.matchAll(/<\/filename><digest algorithm="SHA1">([^<]+)</g)].map(
      ([, digest]) => digest,
    );
    const sums = run(
      'sha1sum',
      names.map((name) => folder.join(name)),
    ).toString();
    expect(sums.split('\n').flatMap((line) => line.split(' ')[0] || [])).toEqual(digests);

    const bundled = Buffer.concat(names.map((name) => readFileSync(folder.join(name))));
    expect(bundled.length).toBe(Number(element('bundled_size')));
    const gzipped = run('openssl', ['enc', '-d', '-aes-128-cbc', '-K', key, '-iv', iv], bundled);
    const tar = run('gzip', ['-dc'], gzipped);
    expect(tar.length % 10_240).toBe(0);
    expect(run('openssl', ['dgst', '-sha1', '-r'], tar).toString()).toContain(made.sha1);
    expect(element('image')).toBe('');
    expect(xml).toContain(`<digest algorithm="SHA1">${made.sha1}</digest><size>3000001</size>`);
    expect(run('tar', ['-tvf', '-'], tar).toString()).toMatch(
      /^-rw-r--r-- 0\/0 +3000001 1970-01-01 00:00 fgimage-web\n$/,
    );
    expect(run('tar', ['-xOf', '-'], tar).equals(bytes)).toBe(true);

    const signed = /<machine_configuration>.*<\/image>/s.exec(xml)?.[0] ?? '';
    folder.write({signed});
    writeFileSync(folder.join('signature'), Buffer.from(element('signature'), 'hex'));
    const publicKey = run('openssl', ['x509', '-in', folder.join('user-cert.pem'), '-noout', '-pubkey']);
    writeFileSync(folder.join('public.pem'), publicKey);
    const verified = [
      'dgst',
      '-sha1',
      '-verify',
      folder.join('public.pem'),
      '-signature',
      folder.join('signature'),
    ];
    expect(run('openssl', [...verified, folder.join('signed')]).toString()).toBe('Verified OK\n');
  });

  it('has the elements in the order that sites want, and says where nobody has signed it', async () => {
    using folder = new SiteFolder();
    folder.certificates();
    writeFileSync(folder.join('disk.raw'), 'kernel');
    const made = await bundle(folder, {sizeBytes: 6});
    const xml = manifest(folder, made, {kind: 'kernel'});
    const shown = xml
      .replaceAll(/[0-9a-f]{512}/g, 'ENCRYPTED')
      .replaceAll(/[0-9a-f]{40}/g, 'SHA1')
      .replaceAll('><', '>\n<');
    expect(shown).toMatchInlineSnapshot(`
      "<?xml version='1.0' encoding='ASCII'?>
      <manifest>
      <version>2007-10-10</version>
      <bundler>
      <name>fgimage</name>
      <version>1</version>
      <release>0</release>
      </bundler>
      <machine_configuration>
      <architecture>x86_64</architecture>
      <kernel_id>true</kernel_id>
      </machine_configuration>
      <image>
      <name>fgimage-web</name>
      <user>000123456789</user>
      <type>kernel</type>
      <digest algorithm="SHA1">SHA1</digest>
      <size>6</size>
      <bundled_size>128</bundled_size>
      <ec2_encrypted_key algorithm="AES-128-CBC">ENCRYPTED</ec2_encrypted_key>
      <user_encrypted_key algorithm="AES-128-CBC">ENCRYPTED</user_encrypted_key>
      <ec2_encrypted_iv>ENCRYPTED</ec2_encrypted_iv>
      <user_encrypted_iv>ENCRYPTED</user_encrypted_iv>
      <parts count="1">
      <part index="0">
      <filename>fgimage-web.part.00</filename>
      <digest algorithm="SHA1">SHA1</digest>
      </part>
      </parts>
      </image>
      <signature>ENCRYPTED</signature>
      </manifest>"
    `);
    const bare = bundleManifest({
      bundle: made,
      secret: bundleSecret('secret', sha256),
      kind: 'ramdisk',
      architecture: 'x86_64',
      prefix: 'p',
      account: '000123456789',
      cloudCertificate: new X509Certificate(readFileSync(folder.join('cloud-cert.pem'))),
    });
    expect(bare).toContain('<signature>UNSIGNED</signature>');
    expect(bare).toContain('<ramdisk_id>true</ramdisk_id>');
    expect(bare).toContain('<user_encrypted_key algorithm="AES-128-CBC"/>');
    expect(bare).toContain('<user_encrypted_iv/>');
  });

  it('is the same when it is made again, and another one for another owner or file', async () => {
    using folder = new SiteFolder();
    const bytes = disk(folder);
    const request = {sizeBytes: bytes.length, partBytes: 1_000_000};
    const [one, two] = [await bundle(folder, request), await bundle(folder, request)];
    expect(two).toEqual(one);
    const other = await bundle(folder, {...request, secret: bundleSecret('other', sha256)});
    expect(other.parts[0]?.sha1).not.toBe(one.parts[0]?.sha1);
    expect(bundleSecret('secret', 'b'.repeat(64))).not.toEqual(bundleSecret('secret', sha256));
  });

  it('tells of a disk beyond 8 GiB as tar does', async () => {
    using folder = new SiteFolder();
    const sizeBytes = 9 * 2 ** 30;
    const file = openSync(folder.join('disk.raw'), 'w');
    ftruncateSync(file, sizeBytes);
    closeSync(file);
    let first: Buffer | undefined;
    const stop = new AbortController();
    const making = bundle(folder, {
      sizeBytes,
      partBytes: 1024,
      signal: stop.signal,
      take: (_part, bytes) => {
        first ??= bytes;
        stop.abort(new Error('enough'));
        return Promise.resolve();
      },
    });
    await expect(making).rejects.toThrow('enough');
    const {key, iv} = bundleSecret('secret', sha256);
    const decrypt = [
      'enc',
      '-d',
      '-aes-128-cbc',
      '-nopad',
      '-K',
      key.toString('hex'),
      '-iv',
      iv.toString('hex'),
    ];
    const list = `openssl ${decrypt.join(' ')} | gzip -dc 2>&- | tar -tvf - 2>&- || true`;
    expect(run('sh', ['-c', list], first).toString()).toContain(` ${sizeBytes} `);
  });

  it('fails with what happened to a part, and with a file that is not as long as it was', async () => {
    using folder = new SiteFolder();
    const bytes = disk(folder);
    const take = ({index}: {readonly index: number}): Promise<void> =>
      index === 1 ? Promise.reject(new Error('no room')) : Promise.resolve();
    await expect(bundle(folder, {sizeBytes: bytes.length, partBytes: 100_000, take})).rejects.toThrow(
      'no room',
    );
    const file = openSync(folder.join('disk.raw'), 'a');
    writeSync(file, 'more');
    closeSync(file);
    await expect(bundle(folder, {sizeBytes: bytes.length})).rejects.toThrow(
      'has 3000005 bytes, and should have',
    );
  });
});
