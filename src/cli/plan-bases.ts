import {type BaseChoice, chooseBases, withoutClones} from '../run/base-choice.ts';
import type {Peeked} from '../run/peek.ts';
import {printable} from '../ui/format.ts';
import {type Cell, formatTable} from '../ui/table.ts';
import type {Session} from './session.ts';

/**
 * What the packages of a session's images are put on, for those that are not in the cache. Where nothing is cloned, what
 * could be is told all the same.
 */
export function plannedBases(session: Session, peeked: ReadonlyMap<string, Peeked>): readonly BaseChoice[] {
  const {bases, plan, resolve, lock} = session;
  if (!('notCloned' in bases)) return bases;
  if (lock !== undefined) return [];
  const {choices} = chooseBases({...resolve, nodes: plan.nodes, peeked});
  return withoutClones(choices, bases.notCloned);
}

/** Lines under the stages: those that say something that the stages do not. */
export function basesText(bases: readonly BaseChoice[]): readonly string[] {
  const told = bases.filter(({candidates}) => candidates > 0);
  if (told.length === 0) return [];
  const rows = told.map(({image, choice, reason}): readonly Cell[] => [
    {text: '  '},
    {text: printable(image)},
    {text: choice === 'clone' ? 'cloned' : 'from scratch'},
    {text: printable(reason)},
  ]);
  return ['bases', ...formatTable(rows).map((line) => line.replace(/^ {2} +/, '  '))];
}
