import {writeFileSync} from 'node:fs';
import {describe, expect, it} from 'vitest';
import {DebIndex} from '../../../src/inventory/debs.ts';
import {TemporaryFolder} from '../../rig/temporary-folder.ts';

const bash = {name: 'bash', version: '5.2-1', architecture: 'amd64'};
const tzdata = {name: 'tzdata', version: '1', architecture: 'all'};

function paragraph(fields: Readonly<Record<string, string>>): string {
  return Object.entries(fields)
    .map(([name, value]) => `${name}: ${value}\n`)
    .join('');
}

const packages = [
  {Package: 'bas', Version: '5.2-1', Architecture: 'amd64', Filename: 'pool/bas.deb', SHA256: '00'},
  {Package: 'bash', Version: '5.1-1', Architecture: 'amd64', Filename: 'pool/old.deb', SHA256: '11'},
  {Package: 'bash', Version: '5.2-1', Architecture: 'amd64', Filename: './pool/bash.deb', SHA256: '22'},
  {Package: 'bash', Version: '5.2-1', Architecture: 'i386', Filename: 'pool/i386.deb', SHA256: '33'},
  {Package: 'tzdata', Version: '1', Architecture: 'all', Filename: 'pool/tzdata.deb', SHA256: '44'},
]
  .map(paragraph)
  .join('\n');

describe('DebIndex', () => {
  it('finds by name, version and architecture, and keeps nothing else', () => {
    const index = new DebIndex([tzdata, bash]);
    index.addPackages(packages);
    expect(index.find(bash)).toEqual({path: 'pool/bash.deb', sha256: '22'});
    expect(index.all()).toEqual([
      {...bash, path: 'pool/bash.deb', sha256: '22'},
      {...tzdata, path: 'pool/tzdata.deb', sha256: '44'},
    ]);
  });

  it('does not tell what is told in two ways', () => {
    const index = new DebIndex([bash, tzdata]);
    index.add({...bash, path: 'pool/bash.deb', sha256: '22'});
    index.add({...tzdata, path: 'pool/tzdata.deb', sha256: '44'});
    index.add({...bash, path: 'elsewhere/bash.deb', sha256: '22'});
    index.add({...tzdata, path: 'pool/tzdata.deb', sha256: '55'});
    index.add({...tzdata, path: 'pool/tzdata.deb', sha256: '44'});
    expect(index.find(bash)).toEqual({path: 'pool/bash.deb', sha256: '22'});
    expect(index.find(tzdata)).toBeUndefined();
    expect(index.all()).toHaveLength(1);
  });

  it('reads all lists of a folder, and no other file of it', () => {
    using folder = new TemporaryFolder();
    writeFileSync(folder.join('mirror_dists_a_main_binary-amd64_Packages'), packages);
    writeFileSync(
      folder.join('mirror_dists_a_InRelease'),
      paragraph({Package: 'bash', Version: '5.2-1', Architecture: 'amd64', Filename: 'x', SHA256: '99'}),
    );
    const index = new DebIndex([bash]);
    index.addLists(folder.path);
    expect(index.find(bash)).toEqual({path: 'pool/bash.deb', sha256: '22'});
  });
});
