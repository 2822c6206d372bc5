#!/bin/sh
# Runs ansible-playbook on an image: from the tools image (`chroot`), or from within (`image`).
# usage: launch.sh chroot|image TARBALL... -- ANSIBLE-PLAYBOOK-ARGUMENT...
set -eu
mark='fgimage-ansible:'
via=$1
shift

in_image() {
  if [ "$via" = chroot ]; then chroot /run/fgimage/tree "$@"; else "$@"; fi
}

if ! in_image /bin/sh -c 'command -v python3' > /dev/null 2>&1; then
  echo "$mark {\"event\": \"no-python\"}"
  exit 3
fi
if ! command -v ansible-playbook > /dev/null; then
  echo "$mark {\"event\": \"no-ansible\"}"
  exit 3
fi

# Tarballs of collections are named <namespace>-<name>-<version>.tar.gz.
while [ "$1" != -- ]; do
  name=${1##*/}
  rest=${name#*-}
  folder=/tmp/fgimage-ansible/collections/ansible_collections/${name%%-*}/${rest%%-*}
  mkdir -p "$folder"
  tar -xzf "$1" -C "$folder" --no-same-owner
  shift
done
shift

exec ansible-playbook "$@"
