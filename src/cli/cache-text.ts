import {type ObjectProblem, problemText} from '../../cache/content.ts';
import type {GcBounds, GcRemoval, GcReport} from '../../cache/gc-report.ts';
import type {RebuildReport} from '../../cache/rebuild.ts';
import type {CacheUsage, FolderName, ImageUsage} from '../../cache/usage.ts';
import type {VerifyReport} from '../../cache/verify.ts';
import {formatCount, formatSize, printable} from '../ui/format.ts';
import {type Cell, formatTable} from '../ui/table.ts';

/** What gc removed or would remove, by rule, and what it leaves. */
export function gcText(report: GcReport, bounds: GcBounds): readonly string[] {
  const {dryRun, removed, freedBytes, forgottenRuns, remaining, short, packagesInUse} = report;
  const rows = removed.map(({rule, kind, count, bytes}): Cell[] => [
    {text: ruleNames[rule]},
    {text: removedNames[kind]},
    {text: String(count), align: 'right'},
    {text: formatSize(bytes), align: 'right'},
  ]);
  const header: Cell[] = [{text: 'why'}, {text: 'what'}, right('count'), right('size')];
  const {maxSizeBytes, maxAgeMs, minFreeBytes} = bounds;
  const isBounded = [maxSizeBytes, maxAgeMs, minFreeBytes].some((bound) => bound !== undefined);
  return [
    ...(rows.length === 0 ? [] : [...formatTable([header, ...rows]), '']),
    `${dryRun ? 'Would free' : 'Freed'} ${formatSize(freedBytes)}; ${formatSize(remaining.bytes)} remain in ${formatCount(remaining.objects, 'object')} and what belongs to them`,
    ...(remaining.keptObjects === 0
      ? []
      : [
          `${formatSize(remaining.keptBytes)} in ${formatCount(remaining.keptObjects, 'object')} stay whatever the bounds: in use, pinned, registered or of the last builds`,
        ]),
    ...(forgottenRuns === 0
      ? []
      : [`${dryRun ? 'Would forget' : 'Forgot'} ${formatCount(forgottenRuns, 'run')} older than 90 days`]),
    ...(packagesInUse ? ['Packages stay while a build runs'] : []),
    ...(short.maxSizeBytes === undefined
      ? []
      : [`The cache stays ${formatSize(short.maxSizeBytes)} above --max-size: nothing more may be removed`]),
    ...(short.minFreeBytes === undefined
      ? []
      : [
          `${formatSize(short.minFreeBytes)} less than --min-free are free: the rest of the disk is not fgimage's to remove`,
        ]),
    ...(isBounded
      ? []
      : ['No bound was given, so only what nothing can need goes: see --max-size, --max-age and --min-free']),
  ];
}

const ruleNames: Readonly<Record<GcRemoval['rule'], string>> = {
  leftover: 'left over',
  orphan: 'no record',
  'max-age': '--max-age',
  'max-size': '--max-size',
  'min-free': '--min-free',
};

const removedNames: Readonly<Record<GcRemoval['kind'], string>> = {
  object: 'content',
  package: 'packages',
  kept: 'kept work',
  trash: 'removed before',
  corrupt: 'corrupt content',
  log: 'logs',
  record: 'records',
  recipe: 'recipes of images',
  trace: 'traces',
  unchanged: 'notes of builds',
  cache: 'caches of steps',
};

/** What takes how much room: images with their stages, then everything once. */
export function usageText(usage: CacheUsage): readonly string[] {
  const {images, earlier, orphans, folders} = usage;
  const several = (name: string): boolean => images.filter(({image}) => image === name).length > 1;
  const stages = images.flatMap((image) => imageRows(image, several(image.image)));
  const objects = ({objects: count, bytes}: {objects: number; bytes: number}, name: string): Cell[] => [
    {text: name},
    size(bytes),
    {text: formatCount(count, 'object')},
  ];
  const rows: Cell[][] = [
    [{text: 'used by one image'}, size(usage.ownBytes)],
    [{text: 'shared by images, counted once'}, size(usage.sharedBytes)],
    objects(earlier, 'of earlier builds'),
    objects(orphans, 'without a record'),
    ...Object.entries(folders).map(([name, bytes]) => [{text: folderNames[name as FolderName]}, size(bytes)]),
    [{text: 'database'}, size(usage.databaseBytes)],
    [{text: 'total'}, size(usage.totalBytes)],
  ];
  const header: Cell[] = [{text: 'image'}, {text: 'stage'}, right('own'), right('shared')];
  return [...(stages.length === 0 ? [] : [...formatTable([header, ...stages]), '']), ...formatTable(rows)];
}

function imageRows({image, file, stages, ownBytes, sharedBytes}: ImageUsage, withFile: boolean): Cell[][] {
  return [
    [{text: image}, {text: withFile ? file : ''}, size(ownBytes), size(sharedBytes)],
    ...stages.map((stage) => [
      {text: ''},
      {text: stage.stage},
      stage.ownBytes === 0 ? right('') : size(stage.ownBytes),
      stage.sharedBytes === 0 ? right('') : size(stage.sharedBytes),
    ]),
  ];
}

const folderNames: Readonly<Record<FolderName, string>> = {
  packages: 'packages',
  records: 'records',
  logs: 'logs',
  traces: 'traces',
  kept: 'kept work',
  caches: 'caches of steps',
  corrupt: 'corrupt content',
  trash: 'being removed',
  tmp: 'work of builds that run',
  locks: 'locks',
};

/** What is wrong, each with the stages that gave it, and what became of it. */
export function verifyText(report: VerifyReport): readonly string[] {
  const {isDeep, isSound, contentFaults, recordFaults, unrecordedObjects, unrecordedRecords} = report;
  const looked = `${formatCount(report.objects, 'object')} and ${formatCount(report.records, 'record')}`;
  return [
    ...contentFaults.flatMap(({digest, stages, problem, repair, place}) => [
      `${digest.slice(0, 12)} (${stages.join(', ')}): ${printable(problemText(problem))}`,
      ...pathLines(problem),
      ...(repair === 'none' ? [] : [`  ${repairText(repair, place)}`]),
    ]),
    ...recordFaults.map(
      ({key, stage, problem, isRepaired}) =>
        `record ${key.slice(0, 12)} (${stage}): its copy beside the content is ${problem}${isRepaired ? ', written anew' : ''}`,
    ),
    ...(unrecordedObjects + unrecordedRecords === 0
      ? []
      : [
          `${formatCount(unrecordedObjects, 'object')} and ${formatCount(unrecordedRecords, 'record')} are not in the database: "fgimage cache gc" removes them, "fgimage cache rebuild" takes them up`,
        ]),
    contentFaults.length + recordFaults.length === 0
      ? `${looked} are sound${isDeep ? '' : '; what is in the files was not read, see --deep'}`
      : isSound
        ? `${looked} were checked; what was wrong is mended, and the next build makes it again`
        : `${looked} were checked, ${formatCount(contentFaults.length + recordFaults.length, 'fault')} found${contentFaults.every(({repair}) => repair === 'none') ? ': --repair sets them aside' : ''}`,
  ];
}

function pathLines(problem: ObjectProblem): readonly string[] {
  return problem.problem === 'content' && problem.count > 1
    ? problem.paths.map((path) => `  ${printable(path)}`)
    : [];
}

function repairText(repair: 'set-aside' | 'in-use', place: string | undefined): string {
  if (repair === 'in-use') return 'a build uses it now: check again when that has ended';
  return place === undefined ? 'its records are forgotten' : `set aside: ${place}`;
}

/** What a database that was made again holds. */
export function rebuildText(report: RebuildReport): readonly string[] {
  const {brokenDatabase, recorded, withoutContent, known, skipped, corrupt, pins} = report;
  return [
    ...(brokenDatabase === undefined ? [] : [`The broken database is now ${brokenDatabase}`]),
    ...corrupt.map((digest) => `${digest.slice(0, 12)} is not what it was: set aside`),
    ...(skipped.length === 0
      ? []
      : [`${formatCount(skipped.length, 'file')} in records/ are no records of this release`]),
    `${formatCount(recorded, 'record')} with content and ${formatCount(withoutContent, 'record')} without taken up, ${known} known before, ${formatCount(pins, 'pin')} restored`,
  ];
}

function size(bytes: number): Cell {
  return right(formatSize(bytes));
}

function right(text: string): Cell {
  return {text, align: 'right'};
}
