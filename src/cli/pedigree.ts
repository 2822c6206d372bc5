import type {Recipe, RecipeSource, RecipeStage} from '../../cache/recipes.ts';
import {type ExitCode, exitCode, FgError} from '../errors.ts';
import type {Delivery} from '../plan/plan.ts';
import {nearest} from '../spec/nearest.ts';
import {createStyle} from '../ui/style.ts';
import {formatPedigree, pedigreeTree} from './pedigree-text.ts';
import {readStore} from './read-store.ts';
import {lineOf, named, sourcesOf, stagesOf} from './recipe.ts';
import {openSession, peekSession, type SessionOptions} from './session.ts';
import {findSubjects} from './subjects.ts';

export interface PedigreeOptions {
  /** What says which spec and cache; images and targets are the subject's. */
  readonly session: SessionOptions;
  /** `web`, `web/openstack`, or the digest of an artifact that was built here. */
  readonly subject: string;
  readonly json: boolean;
  readonly color: boolean;
  /** Absent: standard output. */
  readonly stream?: {write(text: string): unknown};
}

/** What an artifact stands on, from what was recorded of it or from what the plan says now. */
export interface Pedigree extends Pick<Recipe, 'image' | 'target' | 'images' | 'profiles' | 'sources'> {
  readonly from: 'plan' | 'record';
  /** Of the artifact; null: it has to be made first. */
  readonly digest: string | null;
  /** Inputs before what is made of them. */
  readonly stages: readonly PedigreeStage[];
}

export type PedigreeStage = Omit<RecipeStage, 'digest' | 'key'> & {
  /** Null: not known before what it stands on was made. */
  readonly key: string | null;
  readonly digest: string | null;
};

/** `fgimage pedigree`: the chain of templates and images that an image stands on, with digests. */
export async function runPedigree(options: PedigreeOptions): Promise<ExitCode> {
  const {subject, json, color, stream = process.stdout} = options;
  const found = isDigest(subject) ? recorded(options) : await planned(options).catch(orRecorded(options));
  if (json) {
    stream.write(`${JSON.stringify({version: 1, pedigrees: found}, undefined, 2)}\n`);
    return exitCode.done;
  }
  const style = createStyle(color);
  const texts = found.map((one) => formatPedigree(pedigreeTree(one), style));
  stream.write(`${texts.join('\n\n')}\n`);
  return exitCode.done;
}

/** As `fgimage images` prints it; an image of such a name is meant by `<image>/<target>`. */
function isDigest(word: string): boolean {
  return /^(?:sha256:[0-9a-f]{8,64}|[0-9a-f]{12,64})$/.test(word);
}

/** Fewer digits, as `purge` and `regenerate` take them, are an image's name where there is one. */
function orRecorded(options: PedigreeOptions): (error: unknown) => readonly Pedigree[] {
  return (error) => {
    const mayBeDigest = /^[0-9a-f]{8,11}$/.test(options.subject);
    const isUnknown = error instanceof FgError && ['USAGE', 'SPEC_NOT_FOUND'].includes(error.code);
    if (!mayBeDigest || !isUnknown) throw error;
    return recorded(options);
  };
}

function recorded({subject, session}: PedigreeOptions): readonly Pedigree[] {
  const store = readStore(session.cacheDir);
  try {
    return findSubjects(store, subject).map(({image, target, digest, recipe}): Pedigree => {
      if (recipe === undefined)
        throw new FgError(
          'RECORD_UNUSABLE',
          `What ${image}/${target} (${digest.slice(0, 12)}) was made from is not in the cache any more`,
          {
            hint: `Name the image instead, for what the spec of now says: fgimage pedigree ${image}/${target}`,
          },
        );
      const {images, profiles, sources, stages} = recipe;
      return {from: 'record', image, target, digest, images, profiles, sources, stages};
    });
  } finally {
    store.close();
  }
}

async function planned({session: options, subject}: PedigreeOptions): Promise<readonly Pedigree[]> {
  const session = await openSession({...options, test: false}, {look: true, warn: () => undefined});
  try {
    const {plan, spec} = session;
    const wanted = plan.deliveries.filter(({image, target}) =>
      [image.name, `${image.name}/${target}`].includes(subject),
    );
    if (wanted.length === 0) throw unknownImage(subject, plan.deliveries, spec.file);
    const peeked = await peekSession(session, AbortSignal.timeout(peekTimeoutMs));
    return wanted.map((delivery): Pedigree => {
      const stages = stagesOf(session, delivery).map((node): PedigreeStage => {
        const state = peeked.get(node.id);
        const {key, digest} = state?.state === 'hit' ? state.known.action : {key: null, digest: null};
        return {...named(node), key, digest};
      });
      const sources: readonly RecipeSource[] = sourcesOf(session, delivery);
      return {
        from: 'plan',
        image: delivery.image.name,
        target: delivery.target,
        digest: stages.find(({stage}) => stage === delivery.pack)?.digest ?? null,
        images: lineOf(session, delivery.image.name),
        profiles: spec.profiles,
        sources,
        stages,
      };
    });
  } finally {
    session.store.close();
  }
}

const peekTimeoutMs = 60_000;

function unknownImage(word: string, deliveries: readonly Delivery[], file: string): FgError {
  const names = deliveries.flatMap(({image, target}) => [image.name, `${image.name}/${target}`]);
  const similar = nearest(word, names);
  return new FgError('USAGE', `There is no image ${word} in ${file}`, {
    hint: similar === undefined ? `There are ${[...new Set(names)].join(', ')}` : `Did you mean ${similar}?`,
  });
}
