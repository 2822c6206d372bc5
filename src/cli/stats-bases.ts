import {type ExitCode, exitCode} from '../errors.ts';
import {type BaseStatistics, baseStatistics} from '../run/base-statistics.ts';
import {formatCount, formatPercent, formatTime, printable} from '../ui/format.ts';
import {type Cell, formatTable} from '../ui/table.ts';
import {readStore} from './read-store.ts';
import type {StatsOptions} from './stats.ts';

/** `fgimage stats bases`: how often the roots that images stand on were there when they were wanted. */
export function runStatsBases({file, cacheDir, json, stream = process.stdout}: StatsOptions): ExitCode {
  const store = readStore(cacheDir);
  try {
    const numbers = baseStatistics(store.database, file);
    stream.write(json ? `${JSON.stringify(numbers, undefined, 2)}\n` : `${basesText(numbers).join('\n')}\n`);
    return exitCode.done;
  } finally {
    store.close();
  }
}

function basesText({bases, clones}: BaseStatistics): readonly string[] {
  if (bases.length === 0) return ['No base was wanted yet'];
  const right = (text: string): Cell => ({text, align: 'right'});
  const names = bases.map(({base}) => base);
  const rows = bases.map(({base, os, hits, misses, lastMissAt}): readonly Cell[] => [
    // Of one name there may be several, with archives of their own.
    {
      text: printable(
        names.indexOf(base) === names.lastIndexOf(base)
          ? base
          : `${base} (${os === undefined ? "a project's" : (os.mirror ?? "this host's archive")})`,
      ),
    },
    right(String(hits)),
    right(String(misses)),
    right(formatPercent(hits / (hits + misses))),
    {text: lastMissAt === undefined ? '' : formatTime(lastMissAt)},
  ]);
  const heads = [{text: 'base'}, ...['hits', 'misses', 'rate'].map(right), {text: 'last missed'}];
  const made = clones.cloned + clones.fromScratch;
  return [
    ...formatTable([heads, ...rows]),
    '',
    `packages: installed ${formatCount(made, 'time')}, ${String(clones.cloned)} on what another image has of them`,
  ];
}
