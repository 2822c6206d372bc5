import {describe, expect, it} from 'vitest';
import {openBackend} from '../../../cache/remote/open.ts';

describe('openBackend()', () => {
  it.each([
    ['/srv/cache', '/srv/cache'],
    ['~/cache', '/home/me/cache'],
    ['file:///srv/my%20cache', '/srv/my cache'],
    ['https://me:secret@cache.example.org/team/?x=1', 'https://cache.example.org/team'],
    ['http://127.0.0.1:8080', 'http://127.0.0.1:8080'],
    ['s3://bucket/a/b/', 's3://bucket/a/b'],
    ['s3://bucket?endpoint=http://127.0.0.1:9000&region=eu-north-1', 's3://bucket'],
    ['oci://me:secret@registry.example.org:5000/team/cache', 'oci://registry.example.org:5000/team/cache'],
  ])('opens %s', (url, name) => {
    expect(openBackend(url, {env: {HOME: '/home/me'}}).name).toBe(name);
  });

  const forms = 'A remote cache is a folder, http(s)://host/path, s3://bucket/prefix or oci://host/name.';
  it.each([
    ['', 'The remote cache "" has no form that fgimage knows', forms],
    ['cache', 'The remote cache "cache" has no form that fgimage knows', forms],
    ['ftp://me:secret@host/x', 'The remote cache "ftp://host/x" has no form that fgimage knows', forms],
    [
      'file://host/srv',
      'The remote cache file://host/srv names a host',
      'Write three slashes: file:///srv/cache',
    ],
    ['s3:///prefix', 'The remote cache s3:// names no bucket', 'Write s3://bucket/prefix'],
    [
      's3://id:secret@bucket',
      'The remote cache s3://bucket has credentials in its URL',
      'Give them as AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or by a profile.',
    ],
    [
      's3://bucket?profile=x',
      'The remote cache s3://bucket has an unknown option "profile"',
      'There are: endpoint, region.',
    ],
    [
      's3://bucket?endpoint=localhost',
      'The endpoint "localhost" is no URL',
      'Write s3://bucket?endpoint=https://host:port',
    ],
    [
      'oci://registry.example.org/Team',
      'The remote cache oci://registry.example.org/Team names no repository of a registry',
      'Write oci://host/name, the name in lower case, as in oci://registry.example.org/team/cache',
    ],
    [
      'oci://host/x?plain=yes',
      '"plain=yes" is neither true nor false',
      'Write ?plain=true for http without TLS',
    ],
  ])('refuses %j', (url, message, hint) => {
    expect(() => openBackend(url, {env: {}})).toThrow(
      expect.objectContaining({name: 'RemoteError', kind: 'usage', message, hint}) as Error,
    );
  });
});
