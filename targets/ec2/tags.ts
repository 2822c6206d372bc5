import {type Mark, markNames, type RemoteProperties} from '../registrar.ts';
import type {Ec2RegisterOptions} from './schema.ts';

/** As the SDK's types have it: everything may be absent. */
export interface Tag {
  Key?: string | undefined;
  Value?: string | undefined;
}

/** Where an AMI says which copies of it there are: `fgimage_copy_us-west-2`. */
export const copyTag = 'fgimage_copy_';

/** What AMI, snapshot and import task get as soon as they are there. */
export function ownTags(mark: Mark, {tags = {}}: Ec2RegisterOptions): {Key: string; Value: string}[] {
  const all = {...tags, [markNames.digest]: mark.digest, [markNames.lineage]: mark.lineage};
  return Object.entries(all).map(([Key, Value]) => ({Key, Value}));
}

export function tagsOf(tags: readonly Tag[] | undefined): RemoteProperties {
  return Object.fromEntries((tags ?? []).map(({Key = '', Value = ''}) => [Key, Value]));
}

/** The mark in tags; absent: it is not fgimage's. */
export function markOf(tags: RemoteProperties): Mark | undefined {
  const {[markNames.digest]: digest, [markNames.lineage]: lineage} = tags;
  return digest === undefined || lineage === undefined ? undefined : {digest, lineage};
}
