import {execFileSync} from 'node:child_process';
import {chmodSync, mkdirSync, symlinkSync, writeFileSync} from 'node:fs';
import {describe, expect, it} from 'vitest';
import {sha256} from '../../../cache/tree.ts';
import {expandCopies, fingerprint} from '../../../src/plan/fingerprint.ts';
import type {Copy} from '../../../src/spec/image.ts';
import {copyOf} from '../../rig/images.ts';
import {TemporaryFolder} from '../../rig/temporary-folder.ts';

describe('fingerprint()', () => {
  it('is the digest of the content, with the execute bit', () => {
    using project = new TemporaryFolder({'a/run.sh': 'true\n'});
    chmodSync(project.join('a/run.sh'), 0o644);
    expect(fingerprint(project.path, 'a/run.sh')).toBe(sha256('true\n'));
    chmodSync(project.join('a/run.sh'), 0o744);
    expect(fingerprint(project.path, 'a/run.sh')).toBe(`${sha256('true\n')}+x`);
  });

  it('is that of the file that a link leads to', () => {
    using project = new TemporaryFolder({file: ''});
    symlinkSync('file', project.join('link'));
    expect(fingerprint(project.path, 'link')).toBe(fingerprint(project.path, 'file'));
  });

  it.each([
    ['is not there', 'absent'],
    ['is below a file', 'file/below'],
    ['is a folder', 'folder'],
  ])('throws what the user can mend when the path %s', (_, path) => {
    using project = new TemporaryFolder({file: '', 'folder/file': ''});
    expect(() => fingerprint(project.path, path)).toThrow(
      expect.objectContaining({code: 'SPEC_INVALID', message: `Cannot read ${path}, which the spec names`}),
    );
  });
});

/** What `copy` entries bring, as `source -> path permissions`. */
async function expanded(project: TemporaryFolder, ...copies: readonly Copy[]): Promise<readonly string[]> {
  const files = await expandCopies(project.path, copies);
  return files.map(
    ({source, path, permissions, link}) =>
      `${source} -> ${path} ${link === undefined ? permissions : `link ${link}`}`,
  );
}

describe('expandCopies()', () => {
  it('gives a single file the path as it stands', async () => {
    using project = new TemporaryFolder({'conf/app.conf': ''});
    expect(await expanded(project, copyOf('conf/app.conf', '/etc/app/main.conf'))).toEqual([
      'conf/app.conf -> /etc/app/main.conf 0644',
    ]);
  });

  it('puts a single file into a folder when the path ends in a slash', async () => {
    using project = new TemporaryFolder({'conf/app.conf': ''});
    expect(await expanded(project, copyOf('conf/app.conf', '/etc/app/'))).toEqual([
      'conf/app.conf -> /etc/app/app.conf 0644',
    ]);
  });

  it('puts several files into the folder of the path', async () => {
    using project = new TemporaryFolder({'a/one': '', 'b/two': ''});
    expect(await expanded(project, copyOf(['b/two', 'a/one'], '/srv'))).toEqual([
      'a/one -> /srv/one 0644',
      'b/two -> /srv/two 0644',
    ]);
  });

  it('brings what is below a folder, files that begin with a dot too', async () => {
    using project = new TemporaryFolder({
      'site/index.html': '',
      'site/.htaccess': '',
      'site/css/.x/a.css': '',
    });
    const expected = [
      'site/.htaccess -> /srv/www/.htaccess 0644',
      'site/css/.x/a.css -> /srv/www/css/.x/a.css 0644',
      'site/index.html -> /srv/www/index.html 0644',
    ];
    for (const source of ['site', 'site/'])
      for (const path of ['/srv/www', '/srv/www/'])
        expect(await expanded(project, copyOf(source, path))).toEqual(expected);
  });

  it('puts matches of a pattern below the path, without the part before the first wildcard', async () => {
    using project = new TemporaryFolder({
      'conf/a.conf': '',
      'conf/d/b.conf': '',
      'conf/c.txt': '',
      'conf/.e.conf': '',
    });
    expect(await expanded(project, copyOf('conf/**/*.conf', '/etc/app'))).toEqual([
      'conf/.e.conf -> /etc/app/.e.conf 0644',
      'conf/a.conf -> /etc/app/a.conf 0644',
      'conf/d/b.conf -> /etc/app/d/b.conf 0644',
    ]);
    expect(await expanded(project, copyOf('*/c.txt', '/etc/app'))).toEqual([
      'conf/c.txt -> /etc/app/conf/c.txt 0644',
    ]);
    expect(await expanded(project, copyOf('conf/{a.conf,c.txt}', '/x'))).toEqual([
      'conf/a.conf -> /x/a.conf 0644',
      'conf/c.txt -> /x/c.txt 0644',
    ]);
  });

  it('brings the whole project for a dot', async () => {
    using project = new TemporaryFolder({a: '', 'b/c': ''});
    expect(await expanded(project, copyOf('.', '/srv'))).toEqual([
      'a -> /srv/a 0644',
      'b/c -> /srv/b/c 0644',
    ]);
  });

  it('leaves out what is excluded', async () => {
    using project = new TemporaryFolder({
      'site/a': '',
      'site/b.bak': '',
      'site/.git/config': '',
      'site/d/c.bak': '',
    });
    const copy = copyOf('site', '/srv', {exclude: ['**/*.bak', 'site/.git/**']});
    expect(await expanded(project, copy)).toEqual(['site/a -> /srv/a 0644']);
  });

  it('keeps the execute bit of the owner, unless the spec says the mode', async () => {
    using project = new TemporaryFolder({'bin/run': '', 'bin/data': ''});
    chmodSync(project.join('bin/run'), 0o700);
    chmodSync(project.join('bin/data'), 0o666);
    expect(await expanded(project, copyOf('bin', '/opt'))).toEqual([
      'bin/data -> /opt/data 0644',
      'bin/run -> /opt/run 0755',
    ]);
    expect(await expanded(project, copyOf('bin', '/opt', {permissions: '0600'}))).toEqual([
      'bin/data -> /opt/data 0600',
      'bin/run -> /opt/run 0600',
    ]);
  });

  it('copies symbolic links as links, whatever they lead to', async () => {
    using project = new TemporaryFolder({'tree/file': '', 'other/x': ''});
    symlinkSync('file', project.join('tree/link'));
    symlinkSync('../other', project.join('tree/folder'));
    symlinkSync('nowhere', project.join('tree/broken'));
    expect(await expanded(project, copyOf('tree', '/srv'))).toEqual([
      'tree/broken -> /srv/broken link nowhere',
      'tree/file -> /srv/file 0644',
      'tree/folder -> /srv/folder link ../other',
      'tree/link -> /srv/link link file',
    ]);
    expect(await expanded(project, copyOf('tree/link', '/srv/it'))).toEqual([
      'tree/link -> /srv/it link file',
    ]);
  });

  it('takes the characters of patterns in the name of a file or folder as they are', async () => {
    using project = new TemporaryFolder({'pages/[id].html': '', 'a (b)/*': '', 'pages/i.html': ''});
    expect(await expanded(project, copyOf('pages/[id].html', '/srv/'))).toEqual([
      'pages/[id].html -> /srv/[id].html 0644',
    ]);
    expect(await expanded(project, copyOf('a (b)', '/srv'))).toEqual(['a (b)/* -> /srv/* 0644']);
  });

  it('sorts bytewise, whatever order the files were made in', async () => {
    using project = new TemporaryFolder({
      't/b': '',
      't/é': '',
      't/Z': '',
      't/a/z': '',
      't/a.x': '',
      't/😀': '',
      't/\uFF5E': '',
    });
    expect((await expandCopies(project.path, [copyOf('t', '/')])).map(({path}) => path)).toEqual([
      '/Z',
      '/a.x',
      '/a/z',
      '/b',
      '/é',
      '/\uFF5E',
      '/😀',
    ]);
  });

  it('keeps the order of the entries of copy', async () => {
    using project = new TemporaryFolder({b: '', a: ''});
    expect(await expanded(project, copyOf('b', '/x/b'), copyOf('a', '/x/a'))).toEqual([
      'b -> /x/b 0644',
      'a -> /x/a 0644',
    ]);
  });

  it('copies a link that leads nowhere to the path as it stands', async () => {
    using project = new TemporaryFolder({'tree/file': ''});
    symlinkSync('nowhere', project.join('tree/broken'));
    expect(await expanded(project, copyOf('tree/broken', '/srv/it'))).toEqual([
      'tree/broken -> /srv/it link nowhere',
    ]);
  });

  it('throws what the user can mend for a name that is not UTF-8', async () => {
    using project = new TemporaryFolder({'tree/file': ''});
    writeFileSync(Buffer.concat([Buffer.from(`${project.join('tree')}/`), Buffer.from([0xe9])]), '');
    await expect(expandCopies(project.path, [copyOf('tree', '/srv')])).rejects.toMatchObject({
      code: 'SPEC_INVALID',
    });
  });

  it('throws what the user can mend for what is neither file, folder nor link', async () => {
    using project = new TemporaryFolder();
    mkdirSync(project.join('tree'));
    execFileSync('mkfifo', [project.join('tree/pipe')]);
    await expect(expandCopies(project.path, [copyOf('tree', '/srv')])).rejects.toMatchObject({
      code: 'SPEC_INVALID',
    });
  });

  it('throws what the user can mend for a pattern that matches nothing any more', async () => {
    using project = new TemporaryFolder();
    await expect(expandCopies(project.path, [copyOf('conf/*.conf', '/etc')])).rejects.toMatchObject({
      code: 'SPEC_INVALID',
    });
  });
});
