import {execFileSync} from 'node:child_process';
import {describe, expect, it} from 'vitest';
import {type AptSource, sourceLines} from '../../../src/stages/apt-sources.ts';
import {TemporaryFolder} from '../../rig/temporary-folder.ts';

const archive: AptSource = {
  uri: 'http://mirror.example.org/debian',
  suite: 'bookworm',
  components: ['main', 'contrib'],
  signed_by: '/usr/share/keyrings/debian-archive-keyring.gpg',
  project_key: false,
  expired_ok: false,
};

const own: AptSource = {
  ...archive,
  uri: 'http://extra.example.org/',
  suite: './',
  components: [],
  signed_by: 'keys/extra.asc',
  project_key: true,
};

/** What the host's apt reads from sources, without any network. */
function readByApt(text: string): string {
  using folder = new TemporaryFolder({'sources.list': text, 'lists/partial/.keep': ''});
  return execFileSync(
    'apt-get',
    [
      ...['-o', `Dir::Etc::SourceList=${folder.join('sources.list')}`, '-o', 'Dir::Etc::SourceParts=/dev/null'],
      ...['-o', `Dir::State::Lists=${folder.join('lists')}/`, '-o', 'APT::Architectures=amd64'],
      ...['indextargets', '--format', '$(SIGNED_BY) $(REPO_URI) $(RELEASE) $(COMPONENT)', 'Created-By: Packages'],
    ],
    {encoding: 'utf8', stdio: 'pipe'},
  );
}

describe('sourceLines()', () => {
  it('gives a line for each source', () => {
    expect(sourceLines([archive, {...archive, expired_ok: true}, own], (file) => `/project/${file}`)).toMatchInlineSnapshot(`
      "deb [signed-by="/usr/share/keyrings/debian-archive-keyring.gpg"] http://mirror.example.org/debian bookworm main contrib
      deb [signed-by="/usr/share/keyrings/debian-archive-keyring.gpg" check-valid-until=no] http://mirror.example.org/debian bookworm main contrib
      deb [signed-by="/project/keys/extra.asc"] http://extra.example.org/ ./
      "
    `);
  });

  it('gives lines that apt reads', () => {
    expect(readByApt(sourceLines([archive, own], (file) => `/project/${file}`))).toMatchInlineSnapshot(`""`);
  });

  // apt has no way to write such a path: the key must be copied to one without spaces.
  it.fails('gives lines that apt reads when the path of a key has a space', () => {
    expect(readByApt(sourceLines([own], (file) => `/my project/${file}`))).toContain('/my project/keys/extra.asc');
  });
});
