#!/bin/sh
# Writes what is installed and the kernels into the folder $1.
set -eu
dpkg-query -W -f '${db:Status-Abbrev}\t${Package}\t${Version}\t${Architecture}\n' | sed -n 's/^ii *\t//p' | sort > "$1/packages"
for kernel in /boot/vmlinuz-*; do
	[ -f "$kernel" ] && echo "${kernel#/boot/vmlinuz-}"
done | sort -V > "$1/kernels"
