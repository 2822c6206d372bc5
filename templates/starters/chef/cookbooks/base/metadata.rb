name 'base'
version '0.1.0'
description 'What all machines have'
chef_version '>= 16'
