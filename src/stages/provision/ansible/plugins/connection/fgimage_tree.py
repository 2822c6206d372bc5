# Ansible's way into the tree of the image: chroot(8) from the tools image, as community.general.chroot does it, without
# that collection and with the environment that every step has.
# https://docs.ansible.com/ansible/latest/dev_guide/developing_plugins.html#connection-plugins
from __future__ import annotations

import os
import subprocess

from ansible.errors import AnsibleError, AnsibleFileNotFound
from ansible.module_utils.common.text.converters import to_native
from ansible.plugins.connection import ConnectionBase

DOCUMENTATION = """
name: fgimage_tree
short_description: Runs modules inside the tree of an image
description: Runs modules inside the tree of an image, entered by chroot(8).
author: fgimage
options: {}
extends_documentation_fragment: [connection_pipelining]
"""

TREE = "/run/fgimage/tree"
BLOCK = "65536"


class Connection(ConnectionBase):
    transport = "fgimage_tree"
    has_pipelining = True
    default_user = "root"

    def _connect(self):
        self._connected = True
        return self

    def exec_command(self, cmd, in_data=None, sudoable=True):
        super().exec_command(cmd, in_data=in_data, sudoable=sudoable)
        process = self._start(["/bin/sh", "-c", cmd], subprocess.PIPE)
        output, errors = process.communicate(in_data)
        return process.returncode, output, errors

    # Files go through dd in there, so that a link in the tree leads where it leads for the image.
    def put_file(self, in_path, out_path):
        super().put_file(in_path, out_path)
        try:
            source = open(in_path, "rb")
        except OSError as error:
            raise AnsibleFileNotFound(f"cannot read {in_path}: {to_native(error)}") from error
        with source:
            self._copy(["dd", f"of={out_path}", f"bs={BLOCK}"], source, f"write {out_path}")

    def fetch_file(self, in_path, out_path):
        super().fetch_file(in_path, out_path)
        with open(out_path, "wb") as target:
            self._copy(["dd", f"if={in_path}", f"bs={BLOCK}"], subprocess.DEVNULL, f"read {in_path}", target)

    def close(self):
        self._connected = False

    def _copy(self, command, source, what, target=subprocess.PIPE):
        process = self._start(command, source, target)
        _, errors = process.communicate()
        if process.returncode != 0:
            raise AnsibleError(f"cannot {what} in the image: {to_native(errors)}")

    def _start(self, command, source, target=subprocess.PIPE):
        # What is about Ansible itself is of no concern in there, and would be seen as a fact.
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("ANSIBLE_", "FGIMAGE_"))}
        return subprocess.Popen(
            ["chroot", TREE, *command],
            stdin=source,
            stdout=target,
            stderr=subprocess.PIPE,
            env={**kept, "PATH": os.environ["FGIMAGE_TREE_PATH"], "HOME": "/root"},
        )
