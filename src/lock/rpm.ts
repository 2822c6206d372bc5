import {FgError} from '../errors.ts';
import type {Image, Os} from '../spec/image.ts';
import {readTemplate} from '../spec/template.ts';

/** Refuses a lock for images of which one has its packages from dnf: no lock can name those yet. */
export function refuseRpmLock(images: readonly Image[]): void {
  const [first] = images.filter(({os}) => readTemplate(os.distribution).package_manager === 'dnf');
  if (first !== undefined) throw noRpmLock(first.os);
}

export function noRpmLock({distribution, release}: Pick<Os, 'distribution' | 'release'>): FgError {
  return new FgError(
    'LOCK_UNSUPPORTED',
    `A lock cannot name the packages of ${distribution} ${release} yet: it knows those that apt installs`,
    {
      hint: 'Keep this image in a spec of its own, and build it without a lock; its documents tell what is in it',
    },
  );
}
