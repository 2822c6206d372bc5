import type {InventoryUnit} from './inventory.ts';

/** What src/stages/scripts/sbom.pl saw of a unit of systemd. */
export interface UnitSight {
  /**
   * `installable`: a unit file with an [Install] section. `wanted`, `alias`: somebody followed it. `masked`: leads to
   * /dev/null, or is empty.
   */
  readonly what: string;
  readonly name: string;
}

/** The states that systemctl(1) `is-enabled` gives; an instance that is enabled makes its template enabled. */
export function unitStates(sights: readonly UnitSight[]): readonly InventoryUnit[] {
  const states = new Map<string, InventoryUnit['state']>();
  const rank = {disabled: 0, enabled: 1, masked: 2} as const;
  const enter = (name: string, state: InventoryUnit['state']): void => {
    const known = states.get(name);
    if (known === undefined || rank[known] < rank[state]) states.set(name, state);
  };
  for (const {what, name} of sights) {
    if (what === 'installable') enter(name, 'disabled');
    if (what === 'masked') enter(name, 'masked');
    if (what === 'wanted' || what === 'alias') {
      enter(name, 'enabled');
      const template = name.replace(/@[^@]+(\.[a-z]+)$/, '@$1');
      if (template !== name) enter(template, 'enabled');
    }
  }
  return [...states].sort(([a], [b]) => (a < b ? -1 : 1)).map(([name, state]) => ({name, state}));
}
