#!/bin/sh
# Completes a tree for booting from disk, and hands out what goes beside its file systems into the folder $1.
# usage: disk-boot.sh OUT LOADER FIRMWARE EFI CORE-MODULES MOUNT-POINT...
# LOADER: grub, systemd-boot or none; FIRMWARE: bios, uefi or both; EFI: what ends the names of loaders, x64 or aa64.
# FAMILY in the environment is deb or rpm, VENDOR the folder of the system's loaders below EFI.
# OUT gets the kernels, the loader's files, and for each mount point an empty folder mounts/N as it is in the tree.
set -eu
out=$1
loader=$2
firmware=$3
efi=$4
modules=$5
shift 5
case $efi in
aa64) platform=arm64-efi ;;
*) platform=x86_64-efi ;;
esac

for kernel in /boot/vmlinuz-*; do
	if [ -f "$kernel" ]; then cp "$kernel" "$out/"; fi
done
for initrd in /run/fgimage/initramfs/initrd.img-*; do
	[ -f "$initrd" ] || continue
	version=${initrd##*/initrd.img-}
	if [ "$FAMILY" = rpm ]; then place=/boot/initramfs-$version.img; else place=/boot/initrd.img-$version; fi
	cp "$initrd" "$place"
	chmod 0644 "$place"
	# update-initramfs(8) up to Debian 12 updates only what this folder says it made.
	if [ -d /var/lib/initramfs-tools ]; then
		(cd / && sha1sum "/boot/initrd.img-$version") > "/var/lib/initramfs-tools/$version"
	fi
done

# Files that were made without SELinux have no labels: the first boot gives them some where there is a policy.
if [ "$FAMILY" = rpm ] && [ -e /etc/selinux/config ]; then : > /.autorelabel; fi

if [ "$loader" = grub ] && [ "$FAMILY" = rpm ]; then
	mkdir -p /boot/grub2 /boot/efi
	if [ "$firmware" != uefi ]; then
		mkdir -p /boot/grub2/i386-pc
		cp /usr/lib/grub/i386-pc/*.mod /usr/lib/grub/i386-pc/*.lst /boot/grub2/i386-pc/
		# The modules are words.
		grub2-mkimage --format=i386-pc --output="$out/core.img" --config=/run/fgimage/bios.cfg --prefix=/boot/grub2 $modules
		cp /usr/lib/grub/i386-pc/boot.img "$out/boot.img"
	fi
	if [ "$firmware" != bios ]; then
		cp "/boot/efi/EFI/$VENDOR/shim$efi.efi" "$out/shim$efi.efi"
		cp "/boot/efi/EFI/$VENDOR/grub$efi.efi" "$out/grub$efi.efi"
	fi
elif [ "$loader" = grub ]; then
	mkdir -p /boot/grub
	if [ "$firmware" != uefi ]; then
		mkdir -p /boot/grub/i386-pc
		cp /usr/lib/grub/i386-pc/*.mod /usr/lib/grub/i386-pc/*.lst /boot/grub/i386-pc/
		# The modules are words.
		grub-mkimage --format=i386-pc --output="$out/core.img" --config=/run/fgimage/bios.cfg --prefix=/boot/grub $modules
		cp /usr/lib/grub/i386-pc/boot.img "$out/boot.img"
	fi
	if [ "$firmware" != bios ]; then
		mkdir -p "/boot/grub/$platform" /boot/efi
		cp "/usr/lib/grub/$platform/"*.mod "/usr/lib/grub/$platform/"*.lst "/boot/grub/$platform/"
		cp "/usr/lib/shim/shim$efi.efi.signed" "$out/shim$efi.efi"
		cp "/usr/lib/grub/$platform-signed/grub$efi.efi.signed" "$out/grub$efi.efi"
	fi
elif [ "$loader" = systemd-boot ]; then
	mkdir -p /boot/efi
	cp "/usr/lib/systemd/boot/efi/linux$efi.efi.stub" "/usr/lib/systemd/boot/efi/systemd-boot$efi.efi" "$out/"
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
