#!/bin/sh
# Makes the initial RAM disk of every kernel in the image into the folder $1, with dracut: for any machine, and with the same
# bytes each time.
set -eu
out=$1
if ! command -v dracut > /dev/null; then
	echo "The image has no dracut: is it among remove_packages?"
	exit 1
fi
made=0
for kernel in /usr/lib/modules/*/vmlinuz; do
	[ -f "$kernel" ] || continue
	version=${kernel%/vmlinuz}
	version=${version##*/}
	echo "dracut $version"
	dracut --force --no-hostonly --no-hostonly-cmdline --reproducible --tmpdir /tmp --kver "$version" \
		--compress "zstd -q -9 -T1" "$out/initrd.img-$version"
	chmod 0644 "$out/initrd.img-$version"
	made=1
done
if [ $made = 0 ]; then
	echo "There is no kernel in /usr/lib/modules"
	exit 1
fi
