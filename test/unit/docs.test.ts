import {existsSync} from 'node:fs';
import {mkdtemp, readdir, readFile, rm, writeFile} from 'node:fs/promises';
import {tmpdir} from 'node:os';
import {dirname, join} from 'node:path';
import {describe, expect, it} from 'vitest';
import {errorCodes, exitCode} from '../../src/errors.ts';
import {packageRoot} from '../../src/package-root.ts';
import {loadSpec} from '../../src/spec/load.ts';

/** A document's text, without the blanks that align its tables. */
async function read(path: string): Promise<string> {
  const text = await readFile(join(packageRoot, path), 'utf8');
  return path.endsWith('.md')
    ? text
        .replaceAll(/ {2,}\|/g, ' |')
        .replaceAll(/\| -+ /g, '| --- ')
        .replaceAll(/-{3,} \|/g, '--- |')
    : text;
}

/** First groups of all matches, in order. */
function all(text: string, pattern: RegExp): readonly string[] {
  return [...text.matchAll(pattern)].map(([, first = '']) => first);
}

/** The text under a heading, up to the next of the same rank. */
function section(text: string, heading: string): string {
  const [, after = ''] = text.split(`\n## ${heading}\n`);
  return after.split('\n## ')[0] ?? '';
}

describe('docs/reference/errors.md', () => {
  it('lists every error code with its exit code, and no other', async () => {
    const rows = [
      ...section(await read('docs/reference/errors.md'), 'Codes').matchAll(/^\| `([A-Z_]+)` \| (\d+) \|/gm),
    ];
    expect(Object.fromEntries(rows.map(([, code, exit]) => [code, Number(exit)]))).toEqual(errorCodes);
  });

  it('lists every exit code', async () => {
    const listed = all(section(await read('docs/reference/errors.md'), 'Exit codes'), /^\| (\d+) \|/gm);
    expect(listed.map(Number)).toEqual([...new Set(Object.values(exitCode))]);
  });

  it('lists every reason of a failed stage with its fields', async () => {
    const union = (await read('src/run/events.ts')).split('export type StageFailure =')[1] ?? '';
    const members = union.split(/^\s*\| \{/m).slice(1);
    const reasons = members.map((member) => [
      all(member, /reason: '([a-z-]+)'/g)[0],
      all(member, /readonly (\w+)\??:/g).filter((field) => field !== 'reason'),
    ]);
    const rows = section(await read('docs/reference/errors.md'), 'Why a stage failed').matchAll(
      /^\| `([a-z-]+)` \|[^|]*\|(.*)\|$/gm,
    );
    expect([...rows].map(([, reason, fields = '']) => [reason, all(fields, /`(\w+)`/g)])).toEqual(reasons);
  });
});

describe('docs/reference/events.md', () => {
  it('describes every type of event, and no other', async () => {
    const sources = (await read('src/run/events.ts')) + (await read('src/run/registration-events.ts'));
    const types = all(sources, /^ {2}readonly type: '([a-z-]+)';$/gm);
    const described = all(await read('docs/reference/events.md'), /^### `([a-z-]+)`$/gm);
    expect([...described].sort()).toEqual([...types].sort());
  });

  it('names every field of an event and an output', async () => {
    const source = (await read('src/run/events.ts')).split('export type StageFailure =')[0] ?? '';
    const fields = new Set(all(source, /readonly (\w+)\??:/g));
    const words = new Set(all(await read('docs/reference/events.md'), /`(\w+)`/g));
    expect([...fields].filter((field) => !words.has(field))).toEqual([]);
  });
});

describe('documents', () => {
  it('link to files that are there', async () => {
    const folders = ['.', 'docs/guide', 'docs/reference'];
    const files = (
      await Promise.all(
        folders.map(async (folder) =>
          (
            await readdir(join(packageRoot, folder))
          )
            .filter((name) => name.endsWith('.md'))
            .map((name) => join(folder, name)),
        ),
      )
    ).flat();
    const broken: string[] = [];
    for (const file of files) {
      for (const link of all(await read(file), /\]\(([^)#:]+)(?:#[^)]*)?\)/g)) {
        if (!existsSync(join(packageRoot, dirname(file), link))) broken.push(`${file}: ${link}`);
      }
    }
    expect(broken).toEqual([]);
  });

  it.each(['README.md', 'docs/guide/getting-started.md'])('show specs that are valid: %s', async (file) => {
    const specs = all(await read(file), /```yaml\n(# fgimage\.yaml\n[^`]*)```/g);
    expect(specs).not.toEqual([]);
    const folder = await mkdtemp(join(tmpdir(), 'fgimage-docs-'));
    try {
      for (const spec of specs) {
        await writeFile(join(folder, 'fgimage.yaml'), spec);
        expect(await loadSpec({file: 'fgimage.yaml', cwd: folder})).toMatchObject({ok: true});
      }
    } finally {
      await rm(folder, {recursive: true});
    }
  });
});
