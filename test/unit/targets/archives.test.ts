import {describe, expect, it} from 'vitest';
import type {JsonObject} from '../../../src/spec/image.ts';
import {schema as ociSchema} from '../../../targets/oci/schema.ts';
import {targetOfType} from '../../../targets/registry.ts';
import {schema as tarballSchema} from '../../../targets/tarball/schema.ts';
import {image} from '../../rig/images.ts';

const tarball = (options: JsonObject) => targetOfType('tarball').pack(image(), tarballSchema.parse(options));
const oci = (options: JsonObject) => targetOfType('oci').pack(image(), ociSchema.parse(options));

describe('tarball', () => {
  it.each<[JsonObject, string, JsonObject]>([
    [{}, 'root.tar.zst', {algorithm: 'zstd'}],
    [{compression: 'gzip', compression_level: 9}, 'root.tar.gz', {algorithm: 'gzip', level: 9}],
    [{compression: 'none'}, 'root.tar', {algorithm: 'none'}],
  ])('is one archive: %j', (options, fileName, compression) => {
    expect(tarball(options)).toEqual({kind: 'tar', fileName, compression});
  });

  it.each<[JsonObject, string]>([
    [{compression: 'gzip', compression_level: 10}, 'gzip has the levels 1 to 9'],
    [{compression: 'none', compression_level: 1}, 'none has no level'],
    [{compression: 'xz'}, 'Invalid option'],
  ])('refuses what it cannot do: %j', (options, message) => {
    const read = tarballSchema.safeParse(options);
    expect(read.error?.issues.map((issue) => issue.message).join()).toContain(message);
  });
});

describe('oci', () => {
  it('runs a shell where nothing is said', () => {
    expect(oci({})).toMatchObject({
      kind: 'oci',
      compression: {algorithm: 'gzip'},
      config: {Cmd: ['/bin/bash'], Env: [expect.stringMatching(/^PATH=.*\/usr\/sbin/)]},
    });
  });

  it('has the words of the OCI image configuration for its options', () => {
    const {config} = oci({
      entrypoint: ['/usr/sbin/nginx'],
      env: {LANG: 'C.UTF-8', PATH: '/bin'},
      user: 'www-data',
      working_dir: '/srv',
      labels: {'org.opencontainers.image.vendor': 'Example'},
    }) as {config: JsonObject};
    expect(config).toEqual({
      Env: ['PATH=/bin', 'LANG=C.UTF-8'],
      Entrypoint: ['/usr/sbin/nginx'],
      Cmd: [],
      User: 'www-data',
      WorkingDir: '/srv',
      Labels: {'org.opencontainers.image.vendor': 'Example'},
    });
  });

  it.each<[JsonObject, string]>([
    [{working_dir: 'srv'}, 'an absolute path is wanted'],
    [{env: {'A-B': 'x'}}, 'the name of a variable is wanted'],
    [{cmd: []}, 'Too small'],
  ])('refuses what is no configuration: %j', (options, message) => {
    const read = ociSchema.safeParse(options);
    expect(JSON.stringify(read.error?.issues)).toContain(message);
  });
});

describe('an artifact that nothing boots', () => {
  it.each(['tarball', 'oci'])('changes nothing in the tree: %s', (type) => {
    const target = targetOfType(type);
    const {services, ...lists} = target.adapt(image(), {});
    expect([...Object.values(lists), ...Object.values(services)].flat()).toEqual([]);
    expect(target.boot(image(), {})).toEqual([]);
  });
});
