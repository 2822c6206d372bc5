#!/usr/bin/python3
# Installs and removes packages in a tree in one transaction, by rpm's library. Their signatures were verified before.
# Times in the database come from SOURCE_DATE_EPOCH, which rpm itself heeds.
#
# usage: rpm-transaction.py REQUEST
# REQUEST is JSON: root, database (below the root), install (paths of packages), remove (name-epoch:version-release.arch).
# Lines of output that begin with `progress` and a tab tell how far it is: fraction, package. `warn` and a tab: a
# scriptlet failed, which as rpm sees it does not undo an installation.
import glob
import json
import os
import shutil
import sys

import rpm

import rpm_database


def main():
    with open(sys.argv[1], encoding='utf-8') as file:
        request = json.load(file)
    root = request['root']
    rpm_database.use(root, request['database'])
    # It is mounted while scriptlets run, and nobody may change its owner; the base has the folder.
    rpm.addMacro('_netsharedpath', '/proc')
    transaction = rpm.TransactionSet(root)
    transaction.setVSFlags(rpm._RPMVSF_NOSIGNATURES)
    for path in request['install']:
        descriptor = os.open(path, os.O_RDONLY)
        header = transaction.hdrFromFdno(descriptor)
        os.close(descriptor)
        transaction.addInstall(header, path, 'u')
    for name in request['remove']:
        transaction.addErase(name)
    problems = [str(problem) for problem in transaction.check() or []]
    if not problems:
        transaction.order()
        progress = Progress(len(request['install']))
        problems = [text for text, _ in transaction.run(progress.tell, '') or []]
        problems += progress.failures
    transaction.closeDB()
    if problems:
        print('\n'.join(problems), file=sys.stderr)
        return 1
    # From here on a link of the image leads to what it leads to in the image.
    os.chroot(root)
    os.chdir('/')
    tidy(request['database'])
    return 0


class Progress:
    def __init__(self, total):
        self.total = total
        self.done = 0
        self.failures = []
        self.descriptor = None

    def tell(self, what, amount, total, path, _):
        if what == rpm.RPMCALLBACK_INST_OPEN_FILE:
            name = os.path.basename(path).removesuffix('.rpm')
            print(f'progress\t{self.done / max(1, self.total):.3f}\t{name}', flush=True)
            self.descriptor = os.open(path, os.O_RDONLY)
            return self.descriptor
        if what == rpm.RPMCALLBACK_INST_CLOSE_FILE:
            os.close(self.descriptor)
            self.done += 1
        elif what in (rpm.RPMCALLBACK_UNPACK_ERROR, rpm.RPMCALLBACK_CPIO_ERROR):
            self.failures.append(f'{path}: its files cannot be unpacked')
        elif what == rpm.RPMCALLBACK_SCRIPT_ERROR:
            # `total` is zero where the package was installed all the same.
            if total == 0:
                print(f'warn\t{path}', flush=True)
            else:
                self.failures.append(f'{path}: its scriptlet before the installation failed')
        return None


def tidy(database):
    for name in ('.rpm.lock', 'rpmdb.sqlite-shm', 'rpmdb.sqlite-wal'):
        path = os.path.join(database, name)
        if not os.path.lexists(path):
            continue
        if name.endswith('-wal') and os.path.getsize(path) > 0:
            raise RuntimeError(f'{path} was not merged into the database')
        os.remove(path)
    # ldconfig(8) notes down times and inode numbers.
    for name in ('/var/cache/ldconfig/aux-cache',):
        if os.path.isfile(name):
            os.remove(name)
    # kernel-install(8), which is held back, would put kernels there, under this name.
    for kernel in glob.glob('/usr/lib/modules/*/vmlinuz'):
        place = f'/boot/vmlinuz-{os.path.basename(os.path.dirname(kernel))}'
        if not os.path.lexists(place):
            shutil.copyfile(kernel, place)
            shutil.copymode(kernel, place)
            shutil.copystat(kernel, place)


if __name__ == '__main__':
    try:
        sys.exit(main())
    except rpm.error as error:
        sys.exit(str(error))
