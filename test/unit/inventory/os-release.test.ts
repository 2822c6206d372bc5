import {expect, it} from 'vitest';
import {parseOsRelease} from '../../../src/inventory/os-release.ts';

it('parseOsRelease() reads what a shell would', () => {
  expect(
    parseOsRelease(
      `# a comment\nPRETTY_NAME="Debian \\"GNU\\"/Linux 12"\nID=debian\nVERSION_ID='12'\nVERSION_CODENAME=book\\worm\nNOT A LINE\n`,
    ),
  ).toEqual({id: 'debian', version_id: '12', codename: 'bookworm', name: 'Debian "GNU"/Linux 12'});
});

it('parseOsRelease() gives what the manual says where nothing stands', () => {
  expect(parseOsRelease('')).toEqual({id: 'linux', version_id: '', codename: '', name: 'Linux'});
});
