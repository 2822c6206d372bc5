import {checkKvm} from '../../host/kvm.ts';
import {findProgram} from '../../host/requirements.ts';
import type {Os} from '../../spec/image.ts';
import type {Accelerator} from './qemu.ts';

let known: Promise<Accelerator> | undefined;

/** `kvm` where a guest really runs under it, else `tcg`: as `fgimage doctor` says. Asked once a process. */
export function findAccelerator(architecture: Os['architecture']): Promise<Accelerator> {
  // Hosts are amd64 (src/host/doctor.ts).
  if (architecture !== 'amd64') return Promise.resolve('tcg');
  known ??= findProgram('qemu-system-x86_64')
    .then((qemu) => checkKvm({qemu, userName: ''}))
    .then(({ok}) => (ok ? 'kvm' : 'tcg'));
  return known;
}
