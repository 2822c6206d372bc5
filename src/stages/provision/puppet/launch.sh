#!/bin/sh
# Runs puppet apply inside an image.
# usage: launch.sh ENVIRONMENT PUPPET-APPLY-ARGUMENT...
set -eu
state=/tmp/fgimage-puppet
environment=$1
shift
# Where the packages of Puppet's makers and of OpenVox put it.
PATH=$PATH:/opt/puppetlabs/bin
if ! command -v puppet > /dev/null; then
  echo 'fgimage-puppet: {"missing": true}'
  exit 3
fi
mkdir -p "$state/conf" "$state/var/facts.d" "$state/environments/$environment"
cp /run/fgimage/puppet/settings/puppet.conf "$state/conf/"
cp /run/fgimage/puppet/settings/facts.json "$state/var/facts.d/fgimage.json"
code=0
puppet apply --confdir "$state/conf" --vardir "$state/var" "$@" || code=$?
# --detailed-exitcodes: 0 nothing to do, 2 changes, 4 and 6 failures.
if [ "$code" = 2 ]; then code=0; fi
exit "$code"
