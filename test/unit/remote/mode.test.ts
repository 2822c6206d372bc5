import {describe, expect, it} from 'vitest';
import {defaultRemoteMode, parseCacheModes} from '../../../cache/remote/mode.ts';

describe('parseCacheModes()', () => {
  it.each([
    ['local:rw,remote:r', {local: 'rw', remote: 'r'}],
    ['remote:w', {remote: 'w'}],
    ['local:off', {local: 'off'}],
    ['local:,remote:', {local: 'off', remote: 'off'}],
    [' remote:rw , local:r', {local: 'r', remote: 'rw'}],
  ])('reads %j', (text, modes) => {
    expect(parseCacheModes(text)).toEqual({ok: true, value: modes});
  });

  it.each([
    ['', '"" names no cache; there are local and remote, as in local:rw,remote:r'],
    ['rw', '"rw" names no cache; there are local and remote, as in local:rw,remote:r'],
    ['disk:rw', '"disk:rw" names no cache; there are local and remote, as in local:rw,remote:r'],
    ['local:rx', '"local:rx" is no mode of the local cache; it can be rw, r, w or off'],
    ['remote', '"remote" is no mode of the remote cache; it can be rw, r, w or off'],
    ['remote:r:w', '"remote:r:w" is no mode of the remote cache; it can be rw, r, w or off'],
    ['remote:toString', '"remote:toString" is no mode of the remote cache; it can be rw, r, w or off'],
    ['remote:r,remote:w', 'The remote cache is named twice'],
  ])('refuses %j', (text, message) => {
    expect(parseCacheModes(text)).toEqual({ok: false, error: message});
  });
});

describe('defaultRemoteMode()', () => {
  it.each([
    [{}, 'rw'],
    [{CI: 'true', GITHUB_EVENT_NAME: 'push'}, 'rw'],
    [{GITHUB_EVENT_NAME: 'pull_request'}, 'r'],
    [{GITHUB_EVENT_NAME: 'pull_request_target'}, 'r'],
    [{CI_MERGE_REQUEST_IID: '12'}, 'r'],
    [{CI_MERGE_REQUEST_IID: ''}, 'rw'],
    [{BITBUCKET_PR_ID: '7'}, 'r'],
    [{CHANGE_ID: '3'}, 'r'],
    [{BUILDKITE_PULL_REQUEST: 'false'}, 'rw'],
    [{BUILDKITE_PULL_REQUEST: '44'}, 'r'],
    [{SYSTEM_PULLREQUEST_PULLREQUESTID: '9'}, 'r'],
  ])('of %j is %s', (env, mode) => {
    expect(defaultRemoteMode(env)).toBe(mode);
  });
});
