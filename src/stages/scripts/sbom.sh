#!/bin/sh
# Gathers into the folder $1 what the documents of an image are made of: runs inside the sandbox, with nothing but what
# every Debian has (perl-base, coreutils, findutils). See sbom.pl.
set -eu
perl /run/fgimage/sbom.pl "$1"
cat "$1/to-digest" "$1/conffiles" | xargs -0 -r sha256sum -z -- >"$1/sha256"
xargs -0 -r sha1sum -z -- <"$1/to-digest" >"$1/sha1"
xargs -0 -r md5sum -z -- <"$1/conffiles" >"$1/md5"
