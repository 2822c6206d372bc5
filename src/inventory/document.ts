import {createHash} from 'node:crypto';
import {digestUuid} from '../plan/key.ts';
import type {JsonObject} from '../spec/image.ts';
import type {Taken} from './gathered.ts';
import type {InventoryPackage} from './inventory.ts';
import {apkPurl, debPurl, rpmPurl} from './purl.ts';

/** What a document is made of; nothing else goes in, so that equal images have equal documents. */
export interface DocumentSource extends Taken {
  /** SOURCE_DATE_EPOCH, in seconds. */
  readonly epoch: number;
}

/** A name for a document that follows from its content (RFC 9562). */
export function contentUuid(document: JsonObject): string {
  return digestUuid(createHash('sha256').update(JSON.stringify(document)).digest('hex'));
}

/**
 * What a document is about, e.g. `debian-12-amd64`. Not the image's name: that is no part of what an image is, and one
 * document is of all images with the same tree.
 */
export function subjectOf({inventory: {os}}: Taken): string {
  return [os.id, os.version_id === '' ? os.codename : os.version_id, os.architecture]
    .filter((part) => part !== '')
    .join('-');
}

export function timestamp(epoch: number): string {
  return new Date(epoch * 1000).toISOString().replace('.000Z', 'Z');
}

export function purlOf({inventory}: Taken, one: InventoryPackage): string {
  const {os} = inventory;
  if (os.id === 'alpine') return apkPurl({...one, os});
  return isRpm(one) ? rpmPurl({...one, os}) : debPurl({...one, os});
}

/** dpkg's versions may lack a revision, and its architectures are not called so. */
function isRpm({architecture}: InventoryPackage): boolean {
  return ['x86_64', 'aarch64', 'noarch', 'i686'].includes(architecture);
}

/** The name that others call a package by in `depends`. */
export function idsOf({inventory}: Taken): ReadonlyMap<string, InventoryPackage> {
  const {packages, os} = inventory;
  return new Map(
    packages.map((one) => {
      const isForeign = one.architecture !== os.architecture && !['all', 'noarch'].includes(one.architecture);
      return [isForeign ? `${one.name}:${one.architecture}` : one.name, one];
    }),
  );
}

/** `Name <address>` of a Maintainer field. */
export function parseMaintainer(maintainer: string): {
  readonly name: string;
  readonly address?: string;
  readonly isPerson: boolean;
} {
  const found = /^"?(?<name>[^"<]*?)"?\s*<(?<address>[^<>\s]+)>/.exec(maintainer)?.groups;
  const name = (found?.['name'] ?? maintainer).trim();
  const address = found?.['address'];
  const isPerson = !/\b(?:team|teams|group|developers?|maintainers?|project|packagers?|debian|qa)\b/i.test(
    name,
  );
  return {name, isPerson, ...(address === undefined ? {} : {address})};
}

/** A URI as RFC 3986 has it; undefined: leave it out. */
export function plainUri(text: string | undefined): string | undefined {
  return text !== undefined && uri.test(text) && URL.canParse(text) ? text : undefined;
}

const uri =
  /^https?:\/\/(?:[A-Za-z0-9._~:/?@!$&'()*+,;=-]|%[0-9A-Fa-f]{2})+(?:#(?:[A-Za-z0-9._~:/?@!$&'()*+,;=-]|%[0-9A-Fa-f]{2})*)?$/;

export function documentText(document: JsonObject): string {
  return `${JSON.stringify(document, undefined, 2)}\n`;
}
