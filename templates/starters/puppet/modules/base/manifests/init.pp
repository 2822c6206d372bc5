# What all machines have.
class base (
  String $greeting = 'Hello',
) {
  package { 'chrony':
    ensure => installed,
  }

  file { '/etc/motd':
    ensure  => file,
    mode    => '0644',
    content => epp('base/motd.epp', { 'greeting' => $greeting }),
  }

  # It is not started while the image is built: what is enabled here starts when the image boots.
  service { 'chrony':
    ensure  => running,
    enable  => true,
    require => Package['chrony'],
  }
}
