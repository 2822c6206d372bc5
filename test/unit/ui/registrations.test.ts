import {describe, expect, it} from 'vitest';
import {printed, registrationStory} from './events.ts';

describe('registrations', () => {
  it('are told as they happen, with a table at the end', async () => {
    expect(await printed(registrationStory, {mode: 'plain'})).toMatchInlineSnapshot(`
      "building web of fgimage.yaml
      [register:web/openstack] started
      [register:web/openstack] Uploading disk.qcow2 (50 %)
      [register:web/ec2] started
      [register:web/ec2] kept as web-0123456789ab (ami-0123456789abcdef0) at https://ec2.eu-west-1.example.org in 1.0 s, 1 older image deprecated
      [register:web/openstack] registered as web (0c5f3a4e-0000-5000-8000-000000000000) at https://glance.example.org/v2 in 19 s, 1 older image removed
      [register:web/one] started
      [register:web/one] failed after 1.0 s: https://one.example.org/RPC2 refuses: Not enough space in datastore

      register:web/one failed after 1.0 s: https://one.example.org/RPC2 refuses: Not enough space in datastore
        hint: Free some space there

      image  target     registration                       name              id                                    at
      web    openstack  registered, 1 older image removed  web               0c5f3a4e-0000-5000-8000-000000000000  https://glance.example.org/v2
      web    ec2        kept, 1 older image deprecated     web-0123456789ab  ami-0123456789abcdef0                 https://ec2.eu-west-1.example.org

      failed in 21 s: 0 stages run, 0 of 0 cached
      "
    `);
  });

  it('leave their ids and failures where only those are wanted', async () => {
    expect(await printed(registrationStory, {mode: 'quiet'})).toMatchInlineSnapshot(`
      "ami-0123456789abcdef0
      0c5f3a4e-0000-5000-8000-000000000000
      register:web/one failed after 1.0 s: https://one.example.org/RPC2 refuses: Not enough space in datastore
        hint: Free some space there
      "
    `);
  });

  it('stay as lines where the live list was', async () => {
    expect(await printed(registrationStory, {mode: 'tty', columns: 120, rows: 24})).toContain(
      'register web for openstack',
    );
  });
});
