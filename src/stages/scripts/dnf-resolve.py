#!/usr/bin/python3
# What dnf would do to a tree: resolves what is asked for against repositories whose metadata lie in folders, without
# network, by dnf's library (https://dnf.readthedocs.io/en/latest/api.html). The tree's rpm database is read, nothing else.
#
# usage: dnf-resolve.py REQUEST
# REQUEST is JSON: root, cache (a scratch folder), database (rpm's, below the root), architecture, release,
# repositories (id, folder), install and remove. Each line of output is `package` or `remove`, a tab, and JSON.
import json
import os
import sys

import dnf
import dnf.exceptions
import hawkey

import rpm_database


def main():
    with open(sys.argv[1], encoding='utf-8') as file:
        request = json.load(file)
    base = dnf.Base(configuration(request))
    # After the library has read rpm's own macros, whose folder is the host's choice.
    rpm_database.use(request['root'], request['database'])
    for one in request['repositories']:
        base.repos.add_new_repo(one['id'], base.conf, baseurl=['file://' + one['folder']], skip_if_unavailable=False)
    try:
        base.fill_sack(load_system_repo=True, load_available_repos=True)
        if any(word.startswith('@') for word in request['install']):
            base.read_comps(arch_filter=True)
    except (dnf.exceptions.Error, OSError) as error:
        # What rpm has to say of a database that it cannot read is told above.
        print(error, file=sys.stderr)
        return 1
    unknown = ask(base, request)
    if unknown:
        print('\n'.join(unknown), file=sys.stderr)
        return 1
    try:
        base.resolve(allow_erasing=bool(request['remove']))
    except dnf.exceptions.DepsolveError as error:
        print(error, file=sys.stderr)
        return 1
    tell(base.transaction)
    return 0


def configuration(request):
    conf = dnf.conf.Conf()
    conf.installroot = request['root']
    conf.cachedir = os.path.join(request['cache'], 'cache')
    conf.persistdir = os.path.join(request['cache'], 'persist')
    conf.logdir = os.path.join(request['cache'], 'log')
    os.makedirs(conf.logdir, exist_ok=True)
    conf.reposdir = []
    conf.varsdir = []
    conf.plugins = False
    conf.gpgcheck = False # The folders were verified when they were made, each package is before it is installed.
    conf.install_weak_deps = False
    conf.protected_packages = []
    conf.clean_requirements_on_remove = False
    conf.best = True
    conf.module_platform_id = request.get('platform', '')
    conf.substitutions['arch'] = request['architecture']
    conf.substitutions['basearch'] = request['architecture']
    conf.substitutions['releasever'] = request['release']
    return conf


def ask(base, request):
    unknown = []
    for word in request['install']:
        # As apt-get's `name=version`; dnf's own way of writing is `name-version`.
        name, _, version = word.partition('=')
        try:
            if word.startswith('@'):
                base.install_specs([word])
            else:
                base.install(f'{name}-{version}' if version else name)
        except (dnf.exceptions.MarkingError, dnf.exceptions.MarkingErrors) as error:
            unknown.append(f'No package {word} in the repositories: {error}')
    for word in request['remove']:
        try:
            base.remove(word)
        except dnf.exceptions.MarkingError:
            pass # As with apt-get, what is not installed need not be removed.
    return unknown


def tell(transaction):
    for package in sorted(transaction.install_set, key=str):
        kind, digest = package.chksum
        print('package\t' + json.dumps({
            'name': package.name,
            'epoch': package.epoch,
            'version': package.version,
            'release': package.release,
            'arch': package.arch,
            'repository': package.repoid,
            'location': package.location,
            'base': package.baseurl,
            'size': package.downloadsize,
            'checksum': hawkey.chksum_name(kind),
            'digest': digest.hex(),
        }))
    for package in sorted(transaction.remove_set, key=str):
        print('remove\t' + json.dumps(f'{package.name}-{package.epoch}:{package.version}-{package.release}.{package.arch}'))


if __name__ == '__main__':
    sys.exit(main())
