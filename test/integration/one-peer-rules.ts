import type {PeerDatastore, PeerObject, Template} from './one-peer-objects.ts';
import {Fault} from './one-peer-wire.ts';

/** Who may do what at the peer, and how it says no: ErrorCode and texts of include/Request.h and src/rm/Request.cc. */
export const codes = {
  authentication: 0x100,
  authorization: 0x200,
  noExists: 0x400,
  action: 0x800,
  internal: 0x2000,
  allocate: 0x4000,
} as const;

export const usualDatastores: readonly PeerDatastore[] = [
  {id: 0, name: 'system', type: 1, freeMiB: 100_000},
  {id: 1, name: 'default', type: 0, freeMiB: 100_000},
  {id: 2, name: 'files', type: 2, freeMiB: 100_000},
];

/** What a method says no with. */
export class Refusal extends Error {
  readonly code: number;

  constructor(code: keyof typeof codes, message: string) {
    super(message);
    this.code = codes[code];
  }
}

export interface Caller {
  readonly uid: number;
  readonly name: string;
}

export function checkTypes(
  method: string,
  signature: string,
  params: readonly (string | number | boolean)[],
): void {
  const [needed = '', optional = ''] = signature.split('?');
  const letters = {string: 's', number: 'i', boolean: 'b'} as const;
  const given = params.map((param) => letters[typeof param as keyof typeof letters]).join('');
  const isLongEnough = given.length >= needed.length && given.length <= (needed + optional).length;
  if (!isLongEnough || !(needed + optional).startsWith(given))
    throw new Fault(-501, `${method} takes ${signature}, not ${given}`);
}

/** Filter flags: -4 of the own group, -3 own, -2 all that may be used, -1 own and of the own groups, n of user n. */
export function maySee({uid}: Caller, object: PeerObject, filter: number): boolean {
  if (filter === -3) return object.uid === uid;
  if (filter >= 0 && object.uid !== filter) return false;
  const [, , , groupUse, , , otherUse] = object.permissions;
  const isInGroup = object.gid === (uid === 0 ? 0 : 1);
  if (filter === -4) return isInGroup;
  if (uid === 0 || object.uid === uid || (isInGroup && groupUse === 1)) return true;
  return filter !== -1 && otherUse === 1;
}

export function datastoreDocument({id, name, type, freeMiB}: PeerDatastore): string {
  return `<DATASTORE><ID>${id}</ID><UID>0</UID><GID>0</GID><UNAME>oneadmin</UNAME><GNAME>oneadmin</GNAME><NAME>${name}</NAME><TYPE>${type}</TYPE><FREE_MB>${freeMiB}</FREE_MB><TEMPLATE><DS_MAD><![CDATA[fs]]></DS_MAD></TEMPLATE></DATASTORE>`;
}

export function checkedName(name: string, refusal: (why: string) => Refusal): string {
  if (name === '') throw refusal('Invalid NAME, it cannot be empty');
  const wrong = /[&|:\\";/'#{}$<>\t\n\v\f\r]/.exec(name)?.[0];
  if (wrong !== undefined) throw refusal(`Invalid NAME, char '${wrong}' is not allowed`);
  if (Buffer.byteLength(name) > 128) throw refusal('Invalid NAME, max length is 128 chars');
  return name;
}

export function single(template: Template, name: string): string {
  const value = template.get(name)?.[0];
  return typeof value === 'string' ? value : '';
}

export function gone(kind: string, id: number): Refusal {
  return new Refusal('noExists', `Error getting ${kind.replace('VMTEMPLATE', 'TEMPLATE')} [${id}].`);
}

export function unauthorized({uid}: Caller, kind: string): Refusal {
  return new Refusal('authorization', `User [${uid}] not authorized to perform action on ${kind}.`);
}
