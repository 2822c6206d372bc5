#!/bin/sh
# Writes /etc/apt/sources.list of an image, one line a suite.
#
# usage: image-sources.sh OPTIONS COMPONENTS MAIN SECURITY SECURITY-SUITE SUITE ...
# MAIN and SECURITY are URIs; where one is empty, it is what the distribution proposes itself, in apt's own example.
set -eu
options=$1 components=$2 main=$3 security=$4 security_suite=$5
shift 5

# The URI of suite $1: of a one-line entry, or of a deb822 stanza, whose URIs come before its Suites.
proposed() {
	awk -v suite="$1" '
		$1 == "deb" { at = 2; if ($2 ~ /^\[/) { while ($at !~ /\]$/) at++; at++ } if ($(at + 1) == suite) { print $at; exit } }
		$1 == "URIs:" { uri = $2 }
		$1 == "Suites:" { for (i = 2; i <= NF; i++) if ($i == suite) { print uri; exit } }
	' /usr/share/doc/apt/examples/*sources* 2>/dev/null || :
}

[ -n "$main" ] || main=$(proposed "$1")
[ -n "$security" ] || security=$(proposed "$security_suite")
rm -f /etc/apt/sources.list /etc/apt/sources.list.d/0000sources.list
{
	if [ -n "$main" ]; then
		for suite; do echo "deb [$options] $main $suite $components"; done
	fi
	[ -z "$security" ] || echo "deb [$options] $security $security_suite $components"
} > /etc/apt/sources.list
chmod 0644 /etc/apt/sources.list
