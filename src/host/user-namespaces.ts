import {readFile} from 'node:fs/promises';
import {isErrno} from '../errors.ts';
import type {HostCheck} from './host-check.ts';

/** Settings by which a kernel keeps ordinary users from making user namespaces. */
const settings: readonly {
  readonly name: string;
  readonly forbids: (value: number) => boolean;
  readonly mend: number;
}[] = [
  {name: 'kernel.unprivileged_userns_clone', forbids: (value) => value === 0, mend: 1},
  {name: 'kernel.apparmor_restrict_unprivileged_userns', forbids: (value) => value !== 0, mend: 0},
  {name: 'user.max_user_namespaces', forbids: (value) => value === 0, mend: 15_000},
];

/** Whether the kernel lets an ordinary user make user namespaces. A setting that a kernel does not have is none. */
export async function checkUserNamespaces(): Promise<readonly HostCheck[]> {
  const values = new Map<string, string>();
  for (const {name} of settings) {
    const value = await readSetting(name);
    if (value !== undefined) values.set(name, value);
  }
  return userNamespaceChecks(values);
}

/** The same of settings that were read. */
export function userNamespaceChecks(values: ReadonlyMap<string, string>): readonly HostCheck[] {
  return settings.flatMap(({name, forbids, mend}): HostCheck[] => {
    const value = values.get(name)?.trim();
    if (value === undefined) return [];
    const found = `${name} = ${value}`;
    if (!forbids(Number(value))) return [{name, ok: true, severity: 'needed', found}];
    /* The file makes it last; sysctl alone would be undone by the next boot. */
    const command = `echo ${name}=${mend} | sudo tee -a /etc/sysctl.d/60-fgimage.conf && sudo sysctl -w ${name}=${mend}`;
    return [{name, ok: false, severity: 'needed', found, mend: command}];
  });
}

async function readSetting(name: string): Promise<string | undefined> {
  try {
    return await readFile(`/proc/sys/${name.replaceAll('.', '/')}`, 'utf8');
  } catch (error) {
    if (isErrno(error, 'ENOENT', 'EACCES')) return undefined;
    throw error;
  }
}
