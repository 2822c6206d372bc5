#!/bin/sh
# Writes /etc/apt/sources.list of an image, one line a suite.
#
# usage: image-sources.sh KEY OPTIONS COMPONENTS MAIN SECURITY SECURITY-SUITE SUITE ...
# KEY is where the image is to have the key in /run/fgimage/archive-key; empty: it has the keyring of its distribution.
# MAIN and SECURITY are URIs; where one is empty, it is what the distribution proposes itself, in apt's own example.
# SECURITY-SUITE is empty where there is none.
set -eu
key=$1 options=$2 components=$3 main=$4 security=$5 security_suite=$6
shift 6

# The URI of the first suite that matches the pattern $1, of those that end in -security or of the others: of a one-line
# entry, or of a deb822 stanza, whose URIs come before its Suites.
proposed() {
	awk -v wanted="$1" '
		function matches(suite) { return suite ~ wanted && (wanted ~ /security/) == (suite ~ /-security$/) }
		$1 == "deb" { at = 2; if ($2 ~ /^\[/) { while ($at !~ /\]$/) at++; at++ } if (matches($(at + 1))) { print $at; exit } }
		$1 == "URIs:" { uri = $2 }
		$1 == "Suites:" { for (i = 2; i <= NF; i++) if (matches($i)) { print uri; exit } }
	' /usr/share/doc/apt/examples/*sources* 2>/dev/null || :
}

# The example of testing and unstable may name another release: it is the same archive.
[ -n "$main" ] || main=$(proposed "^$1\$")
[ -n "$main" ] || main=$(proposed '^[a-z]+$')
if [ -z "$security_suite" ]; then
	security=
elif [ -z "$security" ]; then
	security=$(proposed "^$security_suite\$")
	[ -n "$security" ] || security=$(proposed '-security$')
fi
if [ -n "$key" ]; then
	mkdir -p "${key%/*}"
	cp /run/fgimage/archive-key "$key"
	chmod 0644 "$key"
fi
rm -f /etc/apt/sources.list /etc/apt/sources.list.d/0000sources.list
{
	if [ -n "$main" ]; then
		for suite; do echo "deb [$options] $main $suite $components"; done
	fi
	[ -z "$security" ] || echo "deb [$options] $security $security_suite $components"
} > /etc/apt/sources.list
chmod 0644 /etc/apt/sources.list
