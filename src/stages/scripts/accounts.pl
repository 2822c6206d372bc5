# Users and groups of a tree that has no programs of its own for them (shadow's useradd(8) and others; busybox has none of
# that name): passwd(5), group(5), shadow(5) and gshadow(5) are written here. For apply.pl, after it entered the tree by chroot(2).
package Accounts;
use strict;
use warnings;

my %known = (
  groupadd => \&add_group, groupmod => \&change_group, useradd => \&add_user, usermod => \&change_user,
  gpasswd => sub { my (undef, $user, $group) = @_; join_group($user, $group) },
);

# Whether a program is to be stood in for: it is one of these, and the tree has none.
sub stands_in {
  my ($name) = @_;
  return $known{$name} && !grep { -x "$_/$name" } split /:/, $ENV{PATH};
}

sub run {
  my ($name, @words) = @_;
  $known{$name}->(@words);
}

sub add_group {
  my ($name, %said) = named(@_);
  my $gid = $said{gid} // free_number('/etc/group', $said{system});
  insert('/etc/group', $name, 'x', $gid, '');
  insert('/etc/gshadow', $name, '!', '', '') if -e '/etc/gshadow';
}

sub change_group {
  my ($name, %said) = named(@_);
  change('/etc/group', $name, sub { $_[0][2] = $said{gid} if defined $said{gid} });
}

sub add_user {
  my ($name, %said) = named(@_);
  my $uid = $said{uid} // free_number('/etc/passwd', $said{system});
  my $gid;
  if (defined $said{gid}) { $gid = group_number($said{gid}) }
  elsif (defined(my $own = (find('/etc/group', $name))[0])) { $gid = $own->[2] }
  else {
    $gid = (grep { $_->[2] eq $uid } rows('/etc/group')) ? free_number('/etc/group', $said{system}) : $uid;
    add_group('--gid', $gid, $name);
  }
  my $home = $said{home} // "/home/$name";
  my $shell = $said{shell} // '/sbin/nologin';
  insert('/etc/passwd', $name, 'x', $uid, $gid, $said{comment} // '', $home, $shell);
  my $day = int(($ENV{SOURCE_DATE_EPOCH} // time) / 86400);
  insert('/etc/shadow', $name, $said{password} // '!', $day, 0, 99999, 7, '', '', '');
  join_group($name, $_) for split /,/, $said{groups} // '';
  make_home($home, $uid, $gid) if $said{'create-home'};
}

sub change_user {
  my ($name, %said) = named(@_);
  change('/etc/passwd', $name, sub {
    my ($row) = @_;
    my %at = (uid => 2, comment => 4, home => 5, shell => 6);
    for my $key (keys %at) { $row->[$at{$key}] = $said{$key} if defined $said{$key} }
    $row->[3] = group_number($said{gid}) if defined $said{gid};
  });
  insert('/etc/shadow', $name, '!', '', '', '', '', '', '', '') unless find('/etc/shadow', $name);
  change('/etc/shadow', $name, sub {
    my ($row) = @_;
    $row->[1] = $said{password} if defined $said{password};
    $row->[1] = "!$row->[1]" if $said{lock} && $row->[1] !~ /^!/;
  });
  return unless defined $said{groups};
  my %wanted = map { $_ => 1 } split /,/, $said{groups};
  for my $group (rows('/etc/group')) {
    next if $wanted{$group->[0]};
    change('/etc/group', $group->[0], sub { $_[0][3] = join ',', grep { $_ ne $name } split /,/, $_[0][3] });
  }
  join_group($name, $_) for sort keys %wanted;
}

sub join_group {
  my ($user, $group) = @_;
  find('/etc/group', $group) or die "There is no group $group in the image\n";
  for my $path ('/etc/group', -e '/etc/gshadow' && find('/etc/gshadow', $group) ? '/etc/gshadow' : ()) {
    change($path, $group, sub {
      my ($row) = @_;
      my @members = split /,/, $row->[3] // '';
      $row->[3] = join ',', @members, (grep { $_ eq $user } @members) ? () : $user;
    });
  }
}

# With what is in /etc/skel.
sub make_home {
  my ($home, $uid, $gid) = @_;
  return if -e $home;
  my $at = '';
  for my $name (grep { length } split m{/}, $home) {
    $at .= "/$name";
    -d $at or mkdir $at, 0755 or die "Cannot make the folder $at in the image: $!\n";
  }
  copy_folder('/etc/skel', $home, $uid, $gid) if -d '/etc/skel';
  chown $uid, $gid, $home;
}

sub copy_folder {
  my ($from, $to, $uid, $gid) = @_;
  opendir(my $handle, $from) or die "$from: $!\n";
  for my $name (grep { $_ ne '.' && $_ ne '..' } readdir $handle) {
    my ($source, $target) = ("$from/$name", "$to/$name");
    if (-l $source) { symlink readlink $source, $target or die "$target: $!\n"; next }
    my $mode = (stat $source)[2] & 07777;
    if (-d $source) { mkdir $target or die "$target: $!\n"; copy_folder($source, $target, $uid, $gid) }
    elsif (-f $source) { write_text($target, text_of($source)) }
    else { next }
    chown $uid, $gid, $target;
    chmod $mode, $target;
  }
}

# Options of shadow's programs, and the name at their end.
sub named {
  my (@words) = @_;
  my $name = pop @words;
  my %said;
  while (@words) {
    my $key = (shift @words) =~ s/^--//r;
    $said{$key} = $key =~ /^(?:system|create-home|user-group|lock)$/ ? 1 : shift @words;
  }
  return ($name, %said);
}

# As login.defs(5) has it where nothing is set up: from 1000 upwards, of the system from 999 downwards.
sub free_number {
  my ($path, $system) = @_;
  my %taken = map { $_->[2] => 1 } rows($path);
  for my $number ($system ? reverse 100 .. 999 : 1000 .. 59999) { return $number unless $taken{$number} }
  die "There is no free number in $path of the image\n";
}

sub group_number {
  my ($group) = @_;
  return $group if $group =~ /^\d+$/;
  my ($row) = find('/etc/group', $group) or die "There is no group $group in the image\n";
  return $row->[2];
}

sub find {
  my ($path, $name) = @_;
  return grep { $_->[0] eq $name } rows($path);
}

sub insert {
  my ($path, @fields) = @_;
  $path =~ /shadow$/ && !-e $path and write_text($path, '') and chmod 0600, $path;
  /[:\n]/ and die "A field of $path cannot hold a colon: $_\n" for @fields;
  my $text = -e $path ? text_of($path) : '';
  $text .= "\n" if $text ne '' && $text !~ /\n\z/;
  write_text($path, $text . join(':', @fields) . "\n");
}

sub change {
  my ($path, $name, $edit) = @_;
  my @lines = map {
    my @row = split /:/, $_, -1;
    if (@row && $row[0] eq $name) { $edit->(\@row) }
    join(':', @row) . "\n";
  } split /\n/, text_of($path);
  write_text($path, join '', @lines);
}

sub rows {
  my ($path) = @_;
  return () unless -e $path;
  return map { [split /:/, $_, -1] } grep { /:.*:/ } split /\n/, text_of($path);
}

sub text_of {
  my ($path) = @_;
  open(my $in, '<:raw', $path) or die "Cannot read $path in the image: $!\n";
  local $/;
  return scalar(<$in>) // '';
}

sub write_text {
  my ($path, $text) = @_;
  open(my $out, '>:raw', $path) or die "Cannot write $path in the image: $!\n";
  print $out $text;
  close $out or die "Cannot write $path in the image: $!\n";
}

1;
