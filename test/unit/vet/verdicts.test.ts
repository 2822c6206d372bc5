import {expect, it} from 'vitest';
import {openCatalog} from '../../../src/catalog/database.ts';
import {enterVerdict, newestVerdict, type Verdict, verdictsOf} from '../../../src/catalog/verdicts.ts';
import {TemporaryFolder} from '../../rig/temporary-folder.ts';

it('the newest verdict on a digest counts, and all stay', () => {
  using folder = new TemporaryFolder();
  const catalog = openCatalog(folder.join('catalog.db'));
  try {
    const first: Verdict = {
      ...{
        digest: 'a',
        image: 'web',
        target: 'openstack',
        verdict: 'approved',
        reason: 'fine',
        who: 'ada@host',
      },
      at: 1,
    };
    const second: Verdict = {...first, verdict: 'rejected', reason: 'not fine', at: 1};
    enterVerdict(catalog, first);
    enterVerdict(catalog, {...first, digest: 'b'});
    enterVerdict(catalog, second);

    expect(newestVerdict(catalog, 'a')).toEqual(second);
    expect(verdictsOf(catalog, 'a')).toEqual([second, first]);
    expect(newestVerdict(catalog, 'b')?.verdict).toBe('approved');
    expect(newestVerdict(catalog, 'c')).toBeUndefined();
  } finally {
    catalog.close();
  }
});
