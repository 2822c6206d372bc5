import {existsSync} from 'node:fs';
import {listImages} from '../catalog/catalog.ts';
import {catalogFile, openCatalog} from '../catalog/database.ts';
import {newestVerdicts, type Verdict} from '../catalog/verdicts.ts';
import {type ExitCode, exitCode} from '../errors.ts';
import {cacheFolder} from '../host/cache-folder.ts';
import {formatSize} from '../ui/format.ts';
import {formatTable} from '../ui/table.ts';
import {openStore} from './session.ts';

/** `fgimage images`: the local catalog. */
export function runImages({cacheDir, json}: {cacheDir: string | undefined; json: boolean}): ExitCode {
  const store = openStore(cacheFolder(cacheDir));
  try {
    const verdicts = readVerdicts();
    const images = listImages(store.database).map((image) => {
      const verdict = verdicts.get(image.digest);
      return {...image, present: existsSync(image.path), ...(verdict === undefined ? {} : {verdict})};
    });
    if (json) {
      process.stdout.write(`${JSON.stringify(images, undefined, 2)}\n`);
      return exitCode.done;
    }
    if (images.length === 0) {
      process.stdout.write('Nothing was built yet\n');
      return exitCode.done;
    }
    const rows = images.map((image) => [
      image.image,
      image.target,
      formatSize(image.sizeBytes),
      image.verdict === undefined ? image.tested : `${image.tested}, ${image.verdict}`,
      new Date(image.builtAt).toISOString().slice(0, 16).replace('T', ' '),
      image.digest.slice(0, 12),
      image.present ? `${image.path}/${image.file}` : `${image.path} (gone)`,
    ]);
    process.stdout.write(
      `${formatTable([['image', 'target', 'size', 'tested', 'built (UTC)', 'digest', 'where'], ...rows].map((row) => row.map((text) => ({text})))).join('\n')}\n`,
    );
    return exitCode.done;
  } finally {
    store.close();
  }
}

/** What somebody said of an artifact last, by its digest. */
function readVerdicts(): ReadonlyMap<string, Verdict['verdict']> {
  if (!existsSync(catalogFile())) return new Map();
  const catalog = openCatalog();
  try {
    return newestVerdicts(catalog);
  } finally {
    catalog.close();
  }
}
