#!/bin/sh
# Makes the initial RAM disk of every kernel in the image into the folder $1, with initramfs-tools.
set -eu
out=$1
if ! command -v mkinitramfs > /dev/null; then
	echo "The image has no mkinitramfs: its kernel package should bring initramfs-tools"
	exit 1
fi
cp -a /etc/initramfs-tools /tmp/initramfs-tools
cp /run/fgimage/initramfs.conf /tmp/initramfs-tools/conf.d/zz-fgimage
made=0
for kernel in /boot/vmlinuz-*; do
	[ -f "$kernel" ] || continue
	version=${kernel#/boot/vmlinuz-}
	echo "mkinitramfs $version"
	mkinitramfs -d /tmp/initramfs-tools -o "$out/initrd.img-$version" "$version"
	made=1
done
if [ $made = 0 ]; then
	echo "There is no kernel in /boot"
	exit 1
fi
