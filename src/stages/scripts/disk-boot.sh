#!/bin/sh
# Completes a tree for booting from disk, and hands out what goes beside the root file system into the folder $1.
# $2: bios, uefi or both.
set -eu
out=$1
firmware=$2

mkdir -p /boot/grub
for initrd in /run/fgimage/initramfs/initrd.img-*; do
	version=${initrd##*/initrd.img-}
	cp "$initrd" "/boot/initrd.img-$version"
	chmod 0644 "/boot/initrd.img-$version"
	# update-initramfs(8) up to Debian 12 updates only what this folder says it made.
	if [ -d /var/lib/initramfs-tools ]; then
		(cd / && sha1sum "/boot/initrd.img-$version") > "/var/lib/initramfs-tools/$version"
	fi
done

if [ "$firmware" != uefi ]; then
	mkdir -p /boot/grub/i386-pc
	cp /usr/lib/grub/i386-pc/*.mod /usr/lib/grub/i386-pc/*.lst /boot/grub/i386-pc/
	grub-mkimage --format=i386-pc --output="$out/core.img" --config=/run/fgimage/bios.cfg --prefix=/boot/grub \
		biosdisk part_gpt ext2 search search_fs_uuid configfile normal
	cp /usr/lib/grub/i386-pc/boot.img "$out/boot.img"
fi
if [ "$firmware" != bios ]; then
	mkdir -p /boot/grub/x86_64-efi /boot/efi
	cp /usr/lib/grub/x86_64-efi/*.mod /usr/lib/grub/x86_64-efi/*.lst /boot/grub/x86_64-efi/
	cp /usr/lib/shim/shimx64.efi.signed "$out/shimx64.efi"
	cp /usr/lib/grub/x86_64-efi-signed/grubx64.efi.signed "$out/grubx64.efi"
fi
