class { 'base':
  greeting => 'Configured by Puppet',
}
