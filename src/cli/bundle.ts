import {resolve} from 'node:path';
import {type ExitCode, exitCode} from '../errors.ts';
import {formatCount, formatSize} from '../ui/format.ts';
import {knownArtifacts, newestDate, projectContents} from './bundle-project.ts';
import {endProgress, fetchLocked, showProgress, withLockedSession} from './fetch.ts';
import type {SessionOptions} from './session.ts';

export interface BundleOptions extends Omit<SessionOptions, 'output'> {
  /** The archive to write. */
  readonly archive: string;
  /** Whether the source packages go with it. */
  readonly sources: boolean;
}

/** `fgimage bundle`: one archive from which a machine without any network makes the images. */
export async function runBundle(options: BundleOptions): Promise<ExitCode> {
  const archive = resolve(options.archive);
  const {writeBundle} = await import('../lock/bundle-write.ts');
  const line = await withLockedSession(
    {...options, output: resolve('artifacts')},
    async (session, signal) => {
      const project = await projectContents(session);
      const {debs, sources} = await fetchLocked(session, {sources: options.sources, signal});
      const images = [...new Set(session.plan.deliveries.map(({image}) => image.name))].sort();
      const contents = {
        ...project,
        images,
        packages: debs,
        sources: sources?.files ?? [],
        artifacts: await knownArtifacts(session, signal),
        mtime: newestDate(session),
      };
      try {
        const sizeBytes = await writeBundle(archive, contents, {
          signal,
          onBytes: (bytes, total) => showProgress('Writing the bundle', bytes / total),
        });
        const parts = [
          formatCount(images.length, 'image'),
          formatCount(project.files.length + project.links.length, 'file'),
          formatCount(debs.length, 'package'),
          ...(sources === undefined ? [] : [formatCount(sources.packages, 'source package')]),
        ];
        return `${options.archive}: ${formatSize(sizeBytes)}, ${parts.join(', ')}`;
      } finally {
        endProgress();
      }
    },
  );
  process.stdout.write(`${line}\n`);
  return exitCode.done;
}
