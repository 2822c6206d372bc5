#!/usr/bin/python3
# Tells what rpm's database in a tree says: packages, the files that they brought, and the kernels in /boot.
#
# usage: rpm-query.py ROOT DATABASE OUT
# OUT gets packages.json (a list, sorted), owned (paths, each ended by NUL), files.json (package and SHA-256 by path; of a
# file that rpm does not compare the package alone), kernels (versions, one a line).
import glob
import json
import os
import sys

import rpm

import rpm_database

ALGORITHM_SHA256 = 8 # OpenPGP's number, PGPHASHALGO_SHA256.


def main():
    root, database, out = sys.argv[1:]
    rpm_database.use(root, database)
    headers = [header for header in rpm.TransactionSet(root).dbMatch() if header[rpm.RPMTAG_NAME] != 'gpg-pubkey']
    providers = providers_of(headers)
    packages = sorted((package(header, providers) for header in headers), key=lambda one: (one['name'], one['architecture'], one['version']))
    write(out, 'packages.json', json.dumps(packages))
    files = {}
    for header in headers:
        files.update(files_of(header))
    write(out, 'files.json', json.dumps(files, sort_keys=True))
    with open(os.path.join(out, 'owned'), 'wb') as file:
        for path in sorted(files):
            file.write(path.encode('utf-8', 'surrogateescape') + b'\0')
    boot = [] if os.path.islink(root + '/boot') else glob.glob(root + '/boot/vmlinuz-*')
    kernels = [os.path.basename(path).removeprefix('vmlinuz-') for path in boot]
    write(out, 'kernels', ''.join(f'{name}\n' for name in sorted(kernels)))


def write(out, name, text):
    with open(os.path.join(out, name), 'w', encoding='utf-8', errors='surrogateescape') as file:
        file.write(text)


def providers_of(headers):
    providers = {}
    for header in headers:
        for name in [*header[rpm.RPMTAG_PROVIDENAME], *header[rpm.RPMTAG_FILENAMES]]:
            providers.setdefault(name, set()).add(header[rpm.RPMTAG_NAME])
    return providers


def package(header, providers):
    epoch = header[rpm.RPMTAG_EPOCHNUM]
    name = header[rpm.RPMTAG_NAME]
    needed = set()
    for required in header[rpm.RPMTAG_REQUIRENAME]:
        needed |= providers.get(required, set())
    return {
        'name': name,
        'version': (f'{epoch}:' if epoch else '') + f'{header[rpm.RPMTAG_VERSION]}-{header[rpm.RPMTAG_RELEASE]}',
        'architecture': header[rpm.RPMTAG_ARCH],
        'source': header[rpm.RPMTAG_SOURCERPM] or '',
        'group': header[rpm.RPMTAG_GROUP] or '',
        'vendor': header[rpm.RPMTAG_VENDOR] or '',
        'homepage': header[rpm.RPMTAG_URL] or '',
        'licence': header[rpm.RPMTAG_LICENSE] or '',
        'depends': sorted(needed - {name}),
        'size': header[rpm.RPMTAG_LONGSIZE],
        'configuration': sorted(
            [file.name, file.digest] for file in rpm.files(header)
            if file.fflags & rpm.RPMFILE_CONFIG and not file.fflags & rpm.RPMFILE_GHOST and file.digest),
    }


def files_of(header):
    name = header[rpm.RPMTAG_NAME]
    # 0 is what a package without files says.
    is_sha256 = header[rpm.RPMTAG_FILEDIGESTALGO] in (ALGORITHM_SHA256, None, 0)
    return {
        file.name: [name, file.digest] if is_sha256 and len(file.digest) == 64 and not file.fflags & rpm.RPMFILE_GHOST else [name]
        for file in rpm.files(header)
    }


if __name__ == '__main__':
    try:
        main()
    except rpm.error as error:
        sys.exit(str(error))
