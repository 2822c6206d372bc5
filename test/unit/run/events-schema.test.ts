import {readFileSync} from 'node:fs';
import {join} from 'node:path';
import {describe, expect, it} from 'vitest';
import {packageRoot} from '../../../src/package-root.ts';
import {reasonFields} from '../../../src/plan/explain-reason.ts';
import type {CheckResult, Output, PathStep, RunEvent, StageFailure} from '../../../src/run/events.ts';
import {sequence} from '../../../src/run/events.ts';
import {matches} from '../spec/json-schema-check.ts';
import {at, cachedStory, registrationStory, story} from '../ui/events.ts';

type Schema = Readonly<Record<string, unknown>>;

const schema = JSON.parse(
  readFileSync(join(packageRoot, 'docs/reference/events.schema.json'), 'utf8'),
) as Schema;
const definitions = schema['$defs'] as Readonly<Record<string, Schema>>;

/** The fields of a type, and whether each may be absent: the compiler keeps these tables like the types. */
type Fields<T> = {readonly [K in keyof T]-?: object extends Pick<T, K> ? 'optional' : 'required'};
type EventFields = {
  readonly [Type in RunEvent['type']]: Fields<Omit<Extract<RunEvent, {type: Type}>, 'type' | 'time'>>;
};
type FailureFields = {
  readonly [Reason in StageFailure['reason']]: Fields<
    Omit<Extract<StageFailure, {reason: Reason}>, 'reason'>
  >;
};

const required = 'required';
const optional = 'optional';

const eventFields: EventFields = {
  'run-started': {
    version: required,
    runId: required,
    file: required,
    command: required,
    images: required,
    lock: optional,
  },
  'stage-planned': {
    stage: required,
    kind: required,
    title: required,
    dependsOn: required,
    image: optional,
    target: optional,
  },
  'stage-cached': {
    stage: required,
    key: required,
    digest: required,
    from: required,
    savedMs: required,
    log: optional,
  },
  'stage-fetched': {stage: required, sizeBytes: required, durationMs: required, from: required},
  'stage-waiting': {stage: required, owner: required},
  'stage-started': {stage: required, key: required, logPath: required, reasons: optional},
  'stage-progress': {stage: required, message: required, fraction: optional},
  'stage-log': {stage: required, line: required},
  'stage-finished': {
    stage: required,
    digest: required,
    durationMs: required,
    log: required,
    unchanged: required,
    checks: optional,
  },
  'stage-failed': {
    stage: required,
    durationMs: required,
    failure: required,
    log: optional,
    checks: optional,
    keptWork: optional,
  },
  'stage-skipped': {stage: required, because: optional},
  'registration-started': {registration: required, image: required, target: required, digest: required},
  'registration-progress': {registration: required, message: required, fraction: optional},
  'registration-finished': {
    registration: required,
    did: required,
    endpoint: required,
    id: required,
    name: required,
    durationMs: required,
    changed: required,
    removed: required,
    deprecated: required,
  },
  'registration-failed': {
    registration: required,
    code: required,
    message: required,
    hint: optional,
    durationMs: required,
  },
  'content-corrupt': {stage: required, digest: required, problem: required, place: required},
  warning: {message: required, hint: optional, stage: optional},
  'run-finished': {
    outcome: required,
    durationMs: required,
    stages: required,
    savedMs: required,
    criticalPath: required,
    outputs: required,
    trace: optional,
    remote: optional,
  },
};

const outputFields: Fields<Output> = {
  image: required,
  target: required,
  state: required,
  path: optional,
  file: optional,
  sizeBytes: optional,
  digest: optional,
  tested: optional,
  durationMs: optional,
};
const checkFields: Fields<CheckResult> = {name: required, passed: required, detail: optional};
const stepFields: Fields<PathStep> = {stage: required, durationMs: required};
const lines = {lastLines: required, logPath: required} as const;

const failureFields: FailureFields = {
  'command-failed': {command: required, exitCode: required, signal: required, ...lines, hint: optional},
  'timed-out': {what: required, timeoutMs: required, ...lines, hint: optional},
  'checks-failed': {failed: required, ...lines},
  'unknown-package': {diagnostics: required},
  'input-changed': {paths: required},
  'no-space': {message: required, hint: required},
  'failed-before': {hint: required},
  'io-error': {message: required, hint: required},
  'tool-missing': {tool: required, hint: required},
  refused: {message: required, hint: required, details: optional},
};

/** The same of an object in the schema. */
function fieldsOf(object: Schema, ...without: readonly string[]): Readonly<Record<string, string>> {
  const always = new Set(object['required'] as readonly string[]);
  const names = Object.keys(object['properties'] as Schema).filter((name) => !without.includes(name));
  return Object.fromEntries(names.map((name) => [name, always.has(name) ? required : optional]));
}

function property(object: Schema | undefined, name: string): Schema {
  const properties = (object?.['properties'] ?? {}) as Readonly<Record<string, Schema>>;
  return properties[name] ?? {};
}

/** The schema with every object closed but a reason: a field that no definition knows is a mistake. */
function closed(node: unknown, at = ''): unknown {
  if (Array.isArray(node)) return node.map((one) => closed(one, at));
  if (typeof node !== 'object' || node === null) return node;
  const inner = Object.fromEntries(
    Object.entries(node).map(([key, value]) => [key, closed(value, `${at}/${key}`)]),
  );
  return inner['type'] === 'object' && !at.endsWith('/reason')
    ? {...inner, additionalProperties: false}
    : inner;
}

const strict = closed(schema) as Schema;

function sequenced(events: readonly RunEvent[]): readonly unknown[] {
  const lines: unknown[] = [];
  const emit = sequence((event) => lines.push(JSON.parse(JSON.stringify(event))));
  for (const event of events) emit(event);
  return lines;
}

describe('docs/reference/events.schema.json', () => {
  it('has every type of event with its fields, and no other', () => {
    expect(schema['anyOf']).toEqual(Object.keys(eventFields).map((type) => ({$ref: `#/$defs/${type}`})));
    const written = Object.keys(eventFields).map((type) => [
      type,
      fieldsOf(definitions[type] ?? {}, 'seq', 'type', 'time'),
    ]);
    expect(Object.fromEntries(written)).toEqual(eventFields);
    for (const type of Object.keys(eventFields)) {
      expect(property(definitions[type], 'type')).toEqual({const: type});
      expect(definitions[type]?.['required']).toEqual(expect.arrayContaining(['seq', 'type', 'time']));
    }
  });

  it('has the fields of what events hold', () => {
    const kinds = (definitions['failure']?.['anyOf'] ?? []) as readonly Schema[];
    const failures = kinds.map((one) => [property(one, 'reason')['const'], fieldsOf(one, 'reason')]);
    expect(Object.fromEntries(failures)).toEqual(failureFields);
    expect(fieldsOf(definitions['output'] ?? {})).toEqual(outputFields);
    expect(fieldsOf(definitions['check'] ?? {})).toEqual(checkFields);
    const steps = property(definitions['run-finished'], 'criticalPath');
    expect(fieldsOf(steps['items'] as Schema)).toEqual(stepFields);
    expect(property(definitions['reason'], 'reason')['enum']).toEqual(Object.keys(reasonFields));
  });

  it('takes every event of the stories, which have each type', () => {
    const events = [story, cachedStory, registrationStory].flatMap(sequenced);
    expect(events.filter((event) => !matches(strict, event))).toEqual([]);
    expect(new Set([...story, ...registrationStory].map(({type}) => type))).toEqual(
      new Set(Object.keys(eventFields)),
    );
  });

  it('takes no event that lacks a field it must have', () => {
    const [first] = sequenced(story) as readonly [Readonly<Record<string, unknown>>];
    let dropped = 0;
    for (const event of sequenced(story) as readonly Record<string, unknown>[]) {
      for (const name of ['seq', 'time', ...requiredOf(event['type'])]) {
        const rest = Object.fromEntries(Object.entries(event).filter(([key]) => key !== name));
        expect(matches(schema, rest), `${String(event['type'])} without ${name}`).toBe(false);
        dropped += 1;
      }
    }
    expect(dropped).toBeGreaterThan(100);
    expect(matches(schema, {...first, later: 1})).toBe(true);
    expect(matches(strict, {...first, later: 1})).toBe(false);
  });

  it.each([
    ['another version', {type: 'run-started', version: 1, runId: 'r', file: 'f', command: 'c', images: []}],
    ['an unknown type', {type: 'stage-thought', stage: 'base:x'}],
    ['an unknown failure', {type: 'stage-failed', stage: 'base:x', durationMs: 1, failure: {reason: 'mood'}}],
    ['a digest that is none', {type: 'content-corrupt', stage: 's', digest: 'd', problem: 'p', place: '/'}],
    ['more than the whole', {type: 'stage-progress', stage: 'base:x', message: 'm', fraction: 1.5}],
    ['a text for a number', {type: 'stage-fetched', stage: 's', sizeBytes: '1', durationMs: 1, from: 'r'}],
  ])('takes no event with %s', (_, event) => {
    expect(matches(schema, {seq: 1, time: at(0), ...event})).toBe(false);
  });
});

function requiredOf(type: unknown): readonly string[] {
  const fields: Readonly<Record<string, string>> = eventFields[type as RunEvent['type']];
  return Object.keys(fields).filter((name) => fields[name] === required);
}

describe('sequence()', () => {
  it('numbers the events of a run from 1, without gaps', () => {
    const numbers: number[] = [];
    const emit = sequence(({seq}) => numbers.push(seq));
    for (const event of story) emit(event);
    expect(numbers).toEqual(story.map((_, index) => index + 1));
  });
});
