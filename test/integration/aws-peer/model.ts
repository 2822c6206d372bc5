import {readFileSync} from 'node:fs';
import {join} from 'node:path';

/** The parts of botocore's service-2.json that the peer checks by. Published by AWS; read where Debian's package has it. */
export interface Model {
  readonly operations: Readonly<Record<string, Operation>>;
  readonly shapes: Readonly<Record<string, Shape>>;
}

export interface Operation {
  readonly http: {readonly method: string; readonly requestUri: string; readonly responseCode?: number};
  readonly input?: {readonly shape: string};
  readonly output?: {readonly shape: string};
}

export interface Shape {
  readonly type: string;
  readonly members?: Readonly<Record<string, Member>>;
  readonly member?: Member;
  readonly required?: readonly string[];
  readonly enum?: readonly string[];
  readonly min?: number;
  readonly max?: number;
  readonly pattern?: string;
  readonly payload?: string;
}

export interface Member {
  readonly shape: string;
  readonly location?: 'uri' | 'header' | 'querystring';
  readonly locationName?: string;
  readonly queryName?: string;
}

/** What a parameter may be, once it is read. */
export type Value = string | number | boolean | Date | readonly Value[] | {readonly [name: string]: Value};
export type Parameters = Readonly<Record<string, Value>>;

const versions = {ec2: '2016-11-15', ebs: '2019-11-02'} as const;

/** `root`: of a Debian with python3-botocore. */
export function readModel(root: string, service: keyof typeof versions): Model {
  const folder = join(root, 'usr/lib/python3/dist-packages/botocore/data', service, versions[service]);
  return JSON.parse(readFileSync(join(folder, 'service-2.json'), 'utf8')) as Model;
}

export function shapeOf(model: Model, name: string): Shape {
  const shape = model.shapes[name];
  if (shape === undefined) throw new Error(`The model has no shape ${name}`);
  return shape;
}

/** What an answer is refused with: the service's code, and its words. */
export class Refusal extends Error {
  readonly code: string;
  readonly status: number;

  constructor(code: string, message: string, status = 400) {
    super(message);
    this.code = code;
    this.status = status;
  }
}
