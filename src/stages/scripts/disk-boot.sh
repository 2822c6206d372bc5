#!/bin/sh
# Completes a tree for booting from disk, and hands out what goes beside its file systems into the folder $1.
# usage: disk-boot.sh OUT LOADER FIRMWARE CORE-MODULES MOUNT-POINT...
# LOADER: grub, systemd-boot or none; FIRMWARE: bios, uefi or both.
# OUT gets the kernels, the loader's files, and for each mount point an empty folder mounts/N as it is in the tree.
set -eu
out=$1
loader=$2
firmware=$3
modules=$4
shift 4

for kernel in /boot/vmlinuz-*; do
	if [ -f "$kernel" ]; then cp "$kernel" "$out/"; fi
done
for initrd in /run/fgimage/initramfs/initrd.img-*; do
	[ -f "$initrd" ] || continue
	version=${initrd##*/initrd.img-}
	cp "$initrd" "/boot/initrd.img-$version"
	chmod 0644 "/boot/initrd.img-$version"
	# update-initramfs(8) up to Debian 12 updates only what this folder says it made.
	if [ -d /var/lib/initramfs-tools ]; then
		(cd / && sha1sum "/boot/initrd.img-$version") > "/var/lib/initramfs-tools/$version"
	fi
done

if [ "$loader" = grub ]; then
	mkdir -p /boot/grub
	if [ "$firmware" != uefi ]; then
		mkdir -p /boot/grub/i386-pc
		cp /usr/lib/grub/i386-pc/*.mod /usr/lib/grub/i386-pc/*.lst /boot/grub/i386-pc/
		# The modules are words.
		grub-mkimage --format=i386-pc --output="$out/core.img" --config=/run/fgimage/bios.cfg --prefix=/boot/grub $modules
		cp /usr/lib/grub/i386-pc/boot.img "$out/boot.img"
	fi
	if [ "$firmware" != bios ]; then
		mkdir -p /boot/grub/x86_64-efi /boot/efi
		cp /usr/lib/grub/x86_64-efi/*.mod /usr/lib/grub/x86_64-efi/*.lst /boot/grub/x86_64-efi/
		cp /usr/lib/shim/shimx64.efi.signed "$out/shimx64.efi"
		cp /usr/lib/grub/x86_64-efi-signed/grubx64.efi.signed "$out/grubx64.efi"
	fi
elif [ "$loader" = systemd-boot ]; then
	mkdir -p /boot/efi
	cp /usr/lib/systemd/boot/efi/linuxx64.efi.stub /usr/lib/systemd/boot/efi/systemd-bootx64.efi "$out/"
	cp -L /etc/os-release "$out/os-release"
fi

mkdir "$out/mounts"
index=0
for point in "$@"; do
	[ -d "$point" ] || mkdir -p "$point"
	mkdir "$out/mounts/$index"
	tar --directory="$point" --no-recursion --numeric-owner --acls --xattrs --create . |
		tar --directory="$out/mounts/$index" --numeric-owner --acls --xattrs --extract --preserve-permissions
	index=$((index + 1))
done
