#!/bin/sh
# Vets the tree that is mounted at TREE, from outside of it: runs on the host, in the sandbox that mounts it. What is in
# the tree is never run.
#
# usage: vet.sh NODE MAIN XATTRS-SCRIPT TREE REQUEST XATTRS OUTPUT
set -eu
perl "$3" "$4" > "$6"
exec "$1" "$2" "$5" "$6" "$7"
