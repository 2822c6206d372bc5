import {readFileSync} from 'node:fs';
import {basename, join} from 'node:path';
import {parse, YAMLParseError} from 'yaml';
import {nearest} from '../../../spec/nearest.ts';
import type {StepProblem} from '../../../spec/provision-kinds.ts';
import {isProjectFile} from '../project-files.ts';
import type {Collections} from './collections.ts';
import type {Roles} from './roles.ts';

export interface Vendored {
  readonly projectDir: string;
  readonly roles: Roles;
  readonly collections: Collections;
}

interface Requirement {
  readonly name?: unknown;
  readonly src?: unknown;
  readonly source?: unknown;
  readonly version?: unknown;
}

/**
 * What a requirements.yml (https://docs.ansible.com/ansible/latest/galaxy/user_guide.html) lists and the project does not
 * have: a build fetches nothing, the digests of the project's own files are in keys and in the lock.
 */
export function requirementProblems(path: string, vendored: Vendored): readonly StepProblem[] {
  const at = ['requirements'];
  let listed: unknown;
  try {
    listed = parse(readFileSync(join(vendored.projectDir, path), 'utf8'));
  } catch (error) {
    if (!(error instanceof YAMLParseError)) throw error;
    const place = error.linePos?.[0];
    const message = `${path}:${String(place?.line ?? 1)}:${String(place?.col ?? 1)}: ${error.message.split(' at line ')[0] ?? ''}`;
    return [{at, message, hint: 'Mend the YAML'}];
  }
  const {roles, collections} = sections(listed);
  return [
    ...roles.flatMap((one) => roleProblem(one, {path, at, ...vendored})),
    ...collections.flatMap((one) => collectionProblem(one, {path, at, ...vendored})),
  ];
}

interface Looking extends Vendored {
  readonly path: string;
  readonly at: StepProblem['at'];
}

function roleProblem({name, src, version}: Requirement, {path, at, roles}: Looking): readonly StepProblem[] {
  const wanted = typeof name === 'string' ? name : typeof src === 'string' ? sourceName(src) : undefined;
  if (wanted === undefined) return [];
  if (roles.find(wanted, '.') !== undefined) {
    const found = roles.versionOf(wanted);
    if (found === undefined || typeof version !== 'string' || version === found) return [];
    return [
      {
        at,
        message: `${path} lists the role ${wanted} ${version}, and the project has ${found}`,
        hint: `Bring that version there: ansible-galaxy role install --force -r ${path} -p roles`,
      },
    ];
  }
  const near = nearest(wanted, roles.names());
  return [
    {
      at,
      message: `${path} lists the role ${wanted}, which is in none of ${roles.places()}${near === undefined ? '' : `; there is ${near}`}`,
      hint: `Bring it into the project: ansible-galaxy role install -r ${path} -p roles`,
    },
  ];
}

function collectionProblem(
  {name, source, version}: Requirement,
  {path, at, projectDir, collections}: Looking,
): readonly StepProblem[] {
  const wanted = typeof name === 'string' ? name : typeof source === 'string' ? source : '';
  // A tarball of the project counts where `collections` names it; of an address the name cannot be told.
  if (isProjectFile(projectDir, wanted) || !/^\w+\.\w+$/.test(wanted)) return [];
  const found = collections.versionOf(wanted);
  if (found === undefined) {
    const near = nearest(wanted, collections.names);
    return [
      {
        at,
        message: `${path} lists the collection ${wanted}, which is not in the project${near === undefined ? '' : `; there is ${near}`}`,
        hint: `Bring it there, and name the folder in \`collections\`: ansible-galaxy collection install -r ${path} -p collections`,
      },
    ];
  }
  const exact =
    typeof version === 'string' ? /^=?=?\s*(?<version>\d+\.\d+\.\d+\S*)$/.exec(version) : undefined;
  const is = exact?.groups?.['version'];
  if (is === undefined || found === '' || is === found) return [];
  return [
    {
      at,
      message: `${path} lists ${wanted} ${is}, and the project has ${found}`,
      hint: `Bring that version there: ansible-galaxy collection install --force -r ${path} -p collections`,
    },
  ];
}

/** A file is a list of roles, or a mapping with both. */
function sections(listed: unknown): {
  readonly roles: readonly Requirement[];
  readonly collections: readonly Requirement[];
} {
  if (Array.isArray(listed)) return {roles: entries(listed), collections: []};
  const {roles, collections} = (typeof listed === 'object' && listed !== null ? listed : {}) as Readonly<
    Record<string, unknown>
  >;
  return {roles: entries(roles), collections: entries(collections)};
}

function entries(list: unknown): readonly Requirement[] {
  if (!Array.isArray(list)) return [];
  return list.map((one: unknown) => (typeof one === 'object' && one !== null ? {...one} : {name: one}));
}

/** As ansible-galaxy(1) names a role that was given by its address alone. */
function sourceName(source: string): string {
  return basename(source).replace(/(\.git|\.tar\.gz|\.tgz)$/, '');
}
