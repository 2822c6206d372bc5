import type {RegistrationFinished} from '../run/registration-events.ts';
import {formatCount, formatDuration, printable} from './format.ts';
import type {RunModel} from './model.ts';
import type {Style} from './style.ts';
import {type Cell, formatTable} from './table.ts';

const words: Readonly<Record<RegistrationFinished['did'], string>> = {
  created: 'registered',
  finished: 'registered (upload resumed)',
  updated: 'updated',
  kept: 'kept',
};

/** What became of a registration, in one line without its place. */
export function registrationText(event: RegistrationFinished): string {
  return [mainText(event), ...sideTexts(event)].join(', ');
}

/** A line for a log: what became of it, and where it is. */
export function registrationLine(event: RegistrationFinished): string {
  const {name, id, endpoint, durationMs} = event;
  const place = `as ${printable(name)} (${printable(id)}) at ${printable(endpoint)} in ${formatDuration(durationMs)}`;
  return [`${mainText(event)} ${place}`, ...sideTexts(event)].join(', ');
}

function mainText({did, changed}: RegistrationFinished): string {
  return did === 'updated' ? `updated (${changed.map(printable).join(', ')})` : words[did];
}

function sideTexts({removed, deprecated}: RegistrationFinished): readonly string[] {
  return [
    ...(removed.length === 0 ? [] : [`${formatCount(removed.length, 'older image')} removed`]),
    ...(deprecated.length === 0 ? [] : [`${formatCount(deprecated.length, 'older image')} deprecated`]),
  ];
}

/** What was registered, as a table; none where nothing was. */
export function formatRegistrations(model: RunModel, style: Style): readonly string[] {
  const rows = model.stages.flatMap(({plan, registered}) => {
    if (registered === undefined) return [];
    const {name, id, endpoint} = registered;
    const paint = registered.did === 'kept' ? style.dim : style.green;
    return [
      [
        {text: printable(plan.image ?? '')},
        {text: printable(plan.target ?? '')},
        {text: registrationText(registered), style: paint},
        {text: printable(name)},
        {text: printable(id)},
        {text: printable(endpoint)},
      ],
    ];
  });
  if (rows.length === 0) return [];
  const heads = ['image', 'target', 'registration', 'name', 'id', 'at'];
  return formatTable([heads.map((text): Cell => ({text, style: style.dim})), ...rows]);
}
