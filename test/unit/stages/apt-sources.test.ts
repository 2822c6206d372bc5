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

/** What the host's apt would fetch for sources: it reads them and needs no network for that. */
function readByApt(text: string): string {
  using folder = new TemporaryFolder({'sources.list': text, 'lists/partial/.keep': ''});
  const options = [
    `Dir::Etc::SourceList=${folder.join('sources.list')}`,
    'Dir::Etc::SourceParts=/dev/null',
    `Dir::State::Lists=${folder.join('lists')}/`,
    'APT::Architectures=amd64',
    'Debug::NoLocking=true',
  ];
  return execFileSync('apt-get', [...options.flatMap((option) => ['-o', option]), 'update', '--print-uris'], {
    encoding: 'utf8',
    stdio: 'pipe',
  });
}

describe('sourceLines()', () => {
  it('gives a line for each source', () => {
    expect(
      sourceLines([archive, {...archive, expired_ok: true}, own], (file) => `/project/${file}`),
    ).toMatchInlineSnapshot(`
      "deb [signed-by="/usr/share/keyrings/debian-archive-keyring.gpg"] http://mirror.example.org/debian bookworm main contrib
      deb [signed-by="/usr/share/keyrings/debian-archive-keyring.gpg" check-valid-until=no] http://mirror.example.org/debian bookworm main contrib
      deb [signed-by="/project/keys/extra.asc"] http://extra.example.org/ ./
      "
    `);
  });

  it('gives lines that apt reads', () => {
    expect(readByApt(sourceLines([archive, own], (file) => `/project/${file}`))).toMatchInlineSnapshot(`
      "'http://extra.example.org/./InRelease' extra.example.org_._InRelease 0 
      'http://extra.example.org/./Packages.xz' extra.example.org_._Packages 0 
      'http://mirror.example.org/debian/dists/bookworm/InRelease' mirror.example.org_debian_dists_bookworm_InRelease 0 
      'http://mirror.example.org/debian/dists/bookworm/main/binary-amd64/Packages.xz' mirror.example.org_debian_dists_bookworm_main_binary-amd64_Packages 0 
      'http://mirror.example.org/debian/dists/bookworm/main/binary-all/Packages.xz' mirror.example.org_debian_dists_bookworm_main_binary-all_Packages 0 
      'http://mirror.example.org/debian/dists/bookworm/contrib/binary-amd64/Packages.xz' mirror.example.org_debian_dists_bookworm_contrib_binary-amd64_Packages 0 
      'http://mirror.example.org/debian/dists/bookworm/contrib/binary-all/Packages.xz' mirror.example.org_debian_dists_bookworm_contrib_binary-all_Packages 0 
      "
    `);
  });
});
