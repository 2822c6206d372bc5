# Where rpm's database in a tree lies, for those that look at it from outside of the tree.
import os
import sys

import rpm


def use(root, database):
    """Has rpm use the database at this path of the tree. What a link leads out of the tree with is the host's: refused."""
    top = os.path.realpath(root)
    folder = os.path.realpath(top + database)
    names = os.listdir(folder) if folder.startswith(top + '/') and os.path.isdir(folder) else []
    links = [database + '/' + name for name in names if os.path.islink(os.path.join(folder, name))]
    if not folder.startswith(top + '/') or links:
        sys.exit(f'{(links or [database])[0]} of the image is a link, and rpm would follow it out of the image')
    rpm.addMacro('_dbpath', database)
