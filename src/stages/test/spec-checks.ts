import {unreachable} from '../../result.ts';
import type {ImageTest} from '../../spec/image.ts';
import {brief, type Check, fact, failed, passed, type Verdict, verdict} from './check.ts';
import {type Facts, textWord} from './serial-protocol.ts';

type TestOf<Kind extends ImageTest['kind']> = Extract<ImageTest, {kind: Kind}>;

/** The check that an entry of the spec's `tests` asks for. */
export function specCheck(test: ImageTest): Check {
  switch (test.kind) {
    case 'command':
      return commandCheck(test);
    case 'service':
      return serviceCheck(test);
    case 'port':
      return portCheck(test);
    case 'file':
      return fileCheck(test);
    default:
      return unreachable(test);
  }
}

function commandCheck({command, exit_status: wanted, stdout}: TestOf<'command'>): Check {
  return {
    name: `command: ${brief(command, 60)}`,
    request: {kind: 'command', words: [command, ...stdout].map(textWord)},
    judge(facts) {
      const status = Number(fact(facts, 'status'));
      const output = brief(fact(facts, 'stdout')) || 'nothing';
      const errors = brief(fact(facts, 'stderr'));
      if (wanted !== 124 && status === 124) return failed('it did not end within 120 s');
      return verdict([
        status === wanted
          ? undefined
          : `exit status ${status}, not ${wanted}${errors === '' ? '' : `: ${errors}`}`,
        ...missing(facts, stdout).map((text) => `stdout lacks "${brief(text, 60)}"; it is: ${output}`),
      ]);
    },
  };
}

function serviceCheck({service, running, enabled}: TestOf<'service'>): Check {
  const wanted = [
    ...(running === undefined ? [] : [running ? 'running' : 'not running']),
    ...(enabled === undefined ? [] : [enabled ? 'enabled' : 'not enabled']),
  ];
  return {
    name: `service: ${service}${wanted.length === 0 ? '' : ` is ${wanted.join(' and ')}`}`,
    request: {kind: 'service', words: [textWord(service), running === true ? 'active' : 'any']},
    judge(facts) {
      const active = fact(facts, 'active');
      const state = fact(facts, 'enabled') || 'not found';
      // systemctl(1), is-enabled: these are the answers with exit status 0 that stand for a start at boot.
      const isEnabled = ['enabled', 'enabled-runtime', 'alias', 'static', 'generated', 'indirect'].includes(
        state,
      );
      const isRunning = active === 'active';
      return verdict([
        running === undefined || running === isRunning
          ? undefined
          : `it is ${active || 'unknown'}: ${brief(fact(facts, 'status'))}`,
        enabled === undefined || enabled === isEnabled ? undefined : `it is ${brief(state)}`,
      ]);
    },
  };
}

function portCheck({port, protocol, listening}: TestOf<'port'>): Check {
  const hexadecimal = port.toString(16).toUpperCase().padStart(4, '0');
  return {
    name: `port: ${port}/${protocol} ${listening ? 'is listening' : 'is not listening'}`,
    request: {kind: 'port', words: [protocol, hexadecimal, listening ? 'yes' : 'no']},
    judge(facts) {
      const isListening = fact(facts, 'listening') === 'yes';
      if (isListening === listening) return passed;
      return failed(isListening ? 'something listens' : 'nothing listens');
    },
  };
}

function fileCheck(test: TestOf<'file'>): Check {
  const {file, contains} = test;
  return {
    name: `file: ${brief(file, 80)}`,
    request: {kind: 'file', words: [file, ...contains].map(textWord)},
    judge: (facts) => judgeFile(test, facts),
  };
}

function judgeFile({exists, contains, owner, permissions}: TestOf<'file'>, facts: Facts): Verdict {
  const isThere = fact(facts, 'exists') === 'yes';
  if (!isThere || !exists)
    return isThere === exists ? passed : failed(isThere ? 'it exists' : 'it does not exist');
  const names = fact(facts, 'owner');
  const mode = fact(facts, 'permissions');
  return verdict([
    ...missing(facts, contains).map((text) => `it lacks "${brief(text, 60)}"`),
    owner === undefined || ownerMatches(owner, [names, fact(facts, 'ids')])
      ? undefined
      : `its owner is ${names}`,
    permissions === undefined || Number.parseInt(mode, 8) === Number.parseInt(permissions, 8)
      ? undefined
      : `its permissions are ${mode.padStart(4, '0')}`,
  ]);
}

/** `user`, `user:group` or `:group`, each by name or number. */
function ownerMatches(wanted: string, found: readonly string[]): boolean {
  return wanted
    .split(':')
    .every((part, index) => part === '' || found.some((pair) => pair.split(':')[index] === part));
}

/** The texts that the guest did not find; a guest that could not look found none. */
function missing(facts: Facts, texts: readonly string[]): readonly string[] {
  const found = fact(facts, 'found');
  return texts.filter((_, index) => found[index] !== '1');
}
