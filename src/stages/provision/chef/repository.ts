import {chmodSync, copyFileSync, mkdirSync, statSync, writeFileSync} from 'node:fs';
import {dirname, join} from 'node:path';
import {policyGroup} from './client-config.ts';
import type {ChefInputs} from './inputs.ts';

/**
 * Makes the repository that the client reads: copies of what the key names, and nothing else. A policy is laid out as
 * `chef export` does it (https://docs.chef.io/workstation/ctl_chef/#chef-export).
 */
export function makeRepository(
  projectDir: string,
  {staged, policy}: Pick<ChefInputs, 'staged' | 'policy'>,
  repository: string,
): void {
  mkdirSync(join(repository, 'cookbooks'), {recursive: true});
  for (const {source, path} of staged) {
    const from = join(projectDir, source);
    const to = join(repository, path);
    mkdirSync(dirname(to), {recursive: true});
    copyFileSync(from, to);
    // The rest of a mode depends on who checked the project out, and is in no key.
    chmodSync(to, (statSync(from).mode & 0o100) === 0 ? 0o644 : 0o755);
  }
  if (policy === undefined) return;
  mkdirSync(join(repository, 'policy_groups'), {recursive: true});
  const group = {name: policyGroup, policies: {[policy.name]: {revision_id: policy.revision}}};
  writeFileSync(join(repository, 'policy_groups', `${policyGroup}.json`), JSON.stringify(group));
}
