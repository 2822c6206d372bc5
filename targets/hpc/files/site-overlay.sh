#!/bin/sh
# A script of the initial RAM disk, run by live-boot when the root is mounted (live-boot(7), initramfs-tools(7)).
# It copies what a further initial RAM disk brought under /fgimage/overlay over the writable root.
case "$1" in
prereqs)
  echo ""
  exit 0
  ;;
esac

[ -d /fgimage/overlay ] || exit 0
echo "fgimage: adding the site's files to the root"
cp -a /fgimage/overlay/. "${rootmnt:?}/"
