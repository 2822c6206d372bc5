import {expect, it} from 'vitest';
import type {StageFailure} from '../../../src/run/events.ts';
import {failureDetails, failureReason} from '../../../src/ui/failure.ts';

const log = {lastLines: ['[  OK  ] Reached target', ''], logPath: '/cache/logs/x.log'};
const command = {reason: 'command-failed', command: ['apt-get', 'install', 'a b'], ...log} as const;

const failures: readonly StageFailure[] = [
  {...command, exitCode: 100, signal: null, hint: 'Run the build again'},
  {...command, exitCode: null, signal: 'SIGKILL', lastLines: []},
  {...command, exitCode: null, signal: null, lastLines: []},
  {reason: 'timed-out', what: 'booting (UEFI)', timeoutMs: 240_000, ...log},
  {reason: 'checks-failed', failed: ['uefi: no failed unit'], ...log},
  {reason: 'unknown-package', diagnostics: ['fgimage.yaml:7:5: no package "ngnix"\n  - ngnix\n    ^']},
  {reason: 'input-changed', paths: ['files/a', 'files/b']},
  {reason: 'no-space', message: 'write /cache/x: 12 MiB left', hint: 'Free some'},
  {reason: 'failed-before', hint: 'Change something'},
  {reason: 'io-error', message: 'EIO: i/o error, read', hint: 'Look at the disk'},
  {reason: 'tool-missing', tool: 'mksquashfs', hint: 'fgimage doctor --install'},
  {reason: 'refused', message: 'The network is not for this stage', hint: 'Say it in packages'},
];

it('tells every kind of failure in one line and its details below', () => {
  const checks = [
    {name: 'uefi: no failed unit', passed: false, detail: 'nginx.service\nssh.service'},
    {name: 'uefi: network up', passed: true},
  ];
  const text = failures.map((failure) =>
    [failureReason(failure), ...failureDetails({failure, checks}).map((line) => `  ${line}`)].join('\n'),
  );
  expect(text.join('\n\n')).toMatchInlineSnapshot(`
    "apt-get exited with 100
      command: apt-get install 'a b'
      last lines of the log:
        | [  OK  ] Reached target
      log: /cache/logs/x.log
      hint: Run the build again

    apt-get was ended by SIGKILL
      command: apt-get install 'a b'
      log: /cache/logs/x.log

    apt-get could not be started
      command: apt-get install 'a b'
      log: /cache/logs/x.log

    booting (UEFI) did not end within 4m 00s
      last lines of the log:
        | [  OK  ] Reached target
      log: /cache/logs/x.log

    1 of the checks failed: uefi: no failed unit
      check: uefi: no failed unit
        nginx.service
        ssh.service
      last lines of the log:
        | [  OK  ] Reached target
      log: /cache/logs/x.log

    a package is not in the repositories
      fgimage.yaml:7:5: no package "ngnix"
        - ngnix
          ^

    files changed while they were being read: files/a, files/b
      hint: Nothing may write to the project while it is built; run the build again

    no space left: write /cache/x: 12 MiB left
      hint: Free some

    it failed before, and nothing that it is made of has changed
      hint: Change something

    the disk fails: EIO: i/o error, read
      hint: Look at the disk

    the host lacks mksquashfs
      hint: fgimage doctor --install

    The network is not for this stage
      hint: Say it in packages"
  `);
});

it('tells last where the work of a stage is kept, as a command to paste', () => {
  const failure = {...command, exitCode: 100, signal: null, hint: 'Run the build again'};
  expect(failureDetails({failure, keptWork: "/cache/kept/it's"}).slice(-2)).toMatchInlineSnapshot(`
    [
      "hint: Run the build again",
      "its work is kept; to run its last command again: '/cache/kept/it'\\''s/rerun.sh'",
    ]
  `);
});
