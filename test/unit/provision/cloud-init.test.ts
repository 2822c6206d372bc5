import {describe, expect, it} from 'vitest';
import {freePath} from '../../../src/stages/provision/cloud-init/run.ts';
import {
  schemaErrors,
  schemaText,
  userDataKind,
  userDataProblems,
} from '../../../src/stages/provision/cloud-init/user-data.ts';

describe('user data', () => {
  it('is configuration, a script, or refused', () => {
    expect(userDataKind('#cloud-config\nruncmd: []\n')).toBe('config');
    expect(userDataKind('#!/bin/sh\ntrue\n')).toBe('script');
    expect(userDataProblems('#include\nhttp://example.org/\n')).toMatchObject([{line: 1, column: 1}]);
  });

  it('is told the line of a key that cloud-init does not know, and of what is no YAML', () => {
    expect(userDataProblems('#cloud-config\n\nruncmds: []\nusers: [a]\n')).toEqual([
      {line: 3, column: 1, message: 'cloud-init knows no key "runcmds"', hint: 'Write `runcmd`'},
    ]);
    expect(userDataProblems('#cloud-config\nusers: [a\n')).toMatchObject([{line: 3}]);
    expect(userDataProblems('#cloud-config\n- a\n')).toHaveLength(1);
    expect(userDataProblems('#cloud-config\nusers: [a]\n')).toEqual([]);
  });

  it('may have the keys of /etc/cloud/cloud.cfg.d, and merge keys', () => {
    const text = '#cloud-config\nallow_userdata: false\nx: &a {}\n<<: *a\n';
    expect(userDataProblems(text).map(({line}) => line)).toEqual([3]);
  });

  it('is refused where nothing can run it: a line with `#!` of another system', () => {
    expect(userDataProblems('#!/bin/sh\r\ntrue\r\n')).toMatchObject([{line: 1}]);
    expect(userDataProblems('#!/bin/sh\ntrue\r\n')).toEqual([]);
    expect(userDataProblems('#cloud-config\r\nusers: []\r\n')).toEqual([]);
  });

  it("is shown to cloud-init's schema without what only the system's files have", () => {
    const text = '#cloud-config\nnetwork:\n  config: disabled # why\nruncmd: [a]\n';
    expect(schemaText(text)?.split('\n')).toEqual([
      '#cloud-config',
      '#       ',
      '                        ',
      'runcmd: [a]',
      '',
    ]);
    expect(schemaText('#cloud-config\nruncmd: [a]\n')).toBe('#cloud-config\nruncmd: [a]\n');
    expect(schemaText('#cloud-config\ndatasource_list: [None]\n')).toBeUndefined();
    expect(schemaText('#cloud-config\n')).toBeUndefined();
    const flow = '#cloud-config\n{network: {}, runcmd: [a]}\n';
    expect(schemaText(flow)).toBe(flow);
  });

  it("is told the lines of what cloud-init's schema refuses", () => {
    const line =
      "Cloud config schema errors: runcmd: 5 is not of type 'array', write_files.0: 'path' is a required property, write_files.0: Additional properties are not allowed ('pat', 'a: b' were unexpected)";
    const text = '#cloud-config\nwrite_files:\n  - pat: /a\nruncmd: 5\n';
    expect(schemaErrors(line, text)).toEqual([
      "4:9: runcmd: 5 is not of type 'array'",
      "3:5: write_files.0: 'path' is a required property",
      "3:5: write_files.0: Additional properties are not allowed ('pat', 'a: b' were unexpected)",
    ]);
    expect(schemaErrors('Valid cloud-config: x', text)).toEqual([]);
  });

  it('has a place of its own, behind that of earlier steps and of images below', () => {
    const taken = new Set<string>();
    const next = (kind: 'config' | 'script'): string => {
      const path = freePath(kind, (one) => taken.has(one));
      taken.add(path);
      return path;
    };
    expect([next('config'), next('config'), next('script')]).toEqual([
      '/etc/cloud/cloud.cfg.d/95-fgimage-01.cfg',
      '/etc/cloud/cloud.cfg.d/95-fgimage-02.cfg',
      '/var/lib/cloud/scripts/per-instance/95-fgimage-01',
    ]);
  });
});
