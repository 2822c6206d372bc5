import {existsSync, readFileSync} from 'node:fs';
import {join} from 'node:path';
import {packageRoot} from '../../package-root.ts';
import {ok, type Result} from '../../result.ts';
import type {StageFailure} from '../../run/events.ts';
import type {Bind} from '../../sandbox/sandbox.ts';
import type {JsonObject} from '../../spec/image.ts';
import type {StageContext} from '../stage.ts';
import {runInTree, shadowPath} from '../tree.ts';
import {type StepLayer, scratchFolder} from './step-layer.ts';

/** What stands in the place of the programs that ask a running system for something while a step runs. */
export interface ServiceShims {
  readonly binds: readonly Bind[];
  /** Notes down of which units a step wanted what, over all its commands. */
  readonly record: string;
}

/** What became of a unit that a step started or stopped. */
export interface ServiceOutcome {
  readonly unit: string;
  /** The last thing that the step did to it. */
  readonly last: 'start' | 'stop';
  /**
   * What that came to: `enabled` by fgimage, as the unit was started; else as systemctl(1) `is-enabled` says it:
   * `already-enabled`, `disabled`, `masked`, `static`, …
   */
  readonly enablement: string;
}

/** By what name a program is known, the folder below /usr or / that it is in, and what stands before it. */
const programs = [
  ['systemctl', 'bin', 'services.sh'],
  ['service', 'sbin', 'services.sh'],
  ['invoke-rc.d', 'sbin', 'services.sh'],
  ['start-stop-daemon', 'sbin', 'services.sh'],
  ['timedatectl', 'bin', 'settings.sh'],
  ['hostnamectl', 'bin', 'settings.sh'],
  ['localectl', 'bin', 'settings.sh'],
  ['loginctl', 'bin', 'settings.sh'],
  ['hostname', 'bin', 'settings.sh'],
  ['sysctl', 'sbin', 'settings.sh'],
] as const;

/**
 * The shims of a step. They are found in PATH first, and in the place of the programs that the image has: so a program
 * that is called by its path is a shim none the less, and a package that brings such a program anew can do so.
 */
export function serviceShims(context: StageContext, layer: StepLayer): ServiceShims {
  const record = scratchFolder(context, 'services');
  const binds: Bind[] = [
    {source: record, path: '/run/fgimage/services', kind: 'dir', mode: 'rw'},
    // What sd_booted(3) looks for: scripts that ask it then use systemctl, which answers.
    {source: scratchFolder(context, 'systemd'), path: '/run/systemd/system', kind: 'dir', mode: 'rw'},
  ];
  for (const [name, folder, file] of programs) {
    const shim = join(packageRoot, 'src/sandbox/shims', file);
    binds.push({source: shim, path: `${shadowPath}/${name}`, kind: 'file', mode: 'ro'});
    const isMerged = layer.below(folder)?.entry.isDirectory() !== true;
    for (const path of [`usr/${folder}/${name}`, ...(isMerged ? [] : [`${folder}/${name}`])]) {
      const real = layer.below(path);
      if (real?.entry.isFile() !== true) continue;
      layer.add(path, readFileSync(shim), 0o755);
      binds.push({source: real.place, path: `/run/fgimage/real/${name}`, kind: 'file', mode: 'ro'});
    }
  }
  return {binds, record: join(record, 'record')};
}

/**
 * Turns what a step started into what is started at boot: a unit whose last action is a start is enabled, unless the
 * step itself disabled or masked it, or the unit cannot be enabled.
 */
export async function settleServices(
  context: StageContext,
  {binds, record}: ServiceShims,
  layer: StepLayer,
): Promise<Result<JsonObject, StageFailure>> {
  if (!existsSync(record)) return ok({});
  const wishes = unitWishes(readFileSync(record, 'utf8'));
  if (wishes.length === 0) return ok({});
  const found: ServiceOutcome[] = [];
  const settled = await runInTree(context, {
    command: [
      '/bin/sh',
      '-c',
      settleScript,
      'sh',
      ...wishes.flatMap(({unit, last, isOff}) => [unit, last === 'start' && !isOff ? 'enable' : 'leave']),
    ],
    shown: ['systemctl', 'enable', ...wishes.map(({unit}) => unit)],
    writable: true,
    above: [layer.folder],
    binds,
    onLine: (line) => {
      const words = /^fgimage-unit (?<unit>\S+) (?<enablement>\S+)$/.exec(line)?.groups;
      const wish = wishes.find(({unit}) => unit === words?.['unit']);
      if (words === undefined || wish === undefined) return true;
      found.push({unit: wish.unit, last: wish.last, enablement: words['enablement'] ?? ''});
      return false;
    },
  });
  if (!settled.ok) return settled;
  for (const outcome of found) context.log.write(sentence(outcome));
  return ok({services: found.map((one) => ({...one}))});
}

interface UnitWish {
  readonly unit: string;
  readonly last: 'start' | 'stop';
  /** Whether the step's last word on its enablement was that it is off. */
  readonly isOff: boolean;
}

/** Reads the record: every unit that was started or stopped, in the order of their names. */
export function unitWishes(record: string): readonly UnitWish[] {
  const lasts = new Map<string, 'start' | 'stop'>();
  const off = new Map<string, boolean>();
  for (const line of record.split('\n')) {
    const [word, unit = ''] = line.split(' ');
    if (word === 'start' || word === 'stop') lasts.set(unit, word);
    if (word === 'disable' || word === 'mask') off.set(unit, true);
    if (word === 'enable' || word === 'unmask') off.set(unit, false);
  }
  return [...lasts]
    .map(([unit, last]) => ({unit, last, isOff: off.get(unit) === true}))
    .sort((a, b) => (a.unit < b.unit ? -1 : 1));
}

/** Pairs of a unit and what is to be done; tells of each how it stands then. */
export const settleScript = `
while [ $# -gt 0 ]; do
  unit=$1 wish=$2
  shift 2
  before=$(systemctl is-enabled "$unit" 2> /dev/null | head -n 1)
  after=\${before:-not-found}
  case $wish:$before in
    *:enabled | *:alias) after=already-enabled ;;
    enable:disabled | enable:indirect | enable:linked | enable:enabled-runtime)
      if systemctl enable "$unit" > /dev/null; then after=enabled; else exit 1; fi
      ;;
  esac
  echo "fgimage-unit $unit $after"
done
`;

function sentence({unit, last, enablement}: ServiceOutcome): string {
  const done = last === 'start' ? 'started' : 'stopped';
  const so = {
    enabled: 'it is enabled, so that it starts at boot',
    'already-enabled': 'it is enabled already',
    disabled: 'it stays disabled',
    masked: 'it stays masked',
    stopped: 'it is enabled all the same, and starts at boot: only disabling it changes that',
    static: 'it cannot be enabled by itself: other units start it',
  };
  const key = last === 'stop' && enablement === 'already-enabled' ? 'stopped' : enablement;
  const text = key in so ? so[key as keyof typeof so] : `for its enablement systemctl says ${enablement}`;
  return `fgimage: ${unit} was ${done} by this step: ${text}`;
}
