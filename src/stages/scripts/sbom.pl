#!/usr/bin/perl
# Tells what is in the tree that is `/`, into the folder FOLDER: runs inside the sandbox with the image's own perl-base, so that
# every link is resolved in the image. Lines of fields parted by blanks; in a field every byte that is not a printable
# ASCII character, and `%`, is written as %XX.
#
# Of a tree whose packages are rpm's it is the host's perl, and given the tree's place: then it enters that by chroot(2), finds
# in FOLDER what rpm's database told (rpm-query.py: `owned`, `configuration`), and makes the digests by itself.
#
# Of a tree whose packages nobody knows, WHAT is `all`: each of its files is told, whatever a database in it may say. With
# `apk` that of apk tells whose they are. With `kernels` nothing is told but these, and apk's database.
#
# usage: sbom.pl FOLDER [TREE [WHAT]]
use strict;
use warnings;
use Fcntl qw(:mode);

my ($out, $tree, $what) = @ARGV;
$what //= 'unowned';
if (defined $tree) {
  require Digest::SHA;
  require File::Glob;
  () = glob '/*';
  chroot $tree && chdir '/' or die "Cannot enter $tree: $!\n";
}
# Mounted by the sandbox; in an image they are empty (docs/reference/sbom.md).
my %mounted = map { $_ => 1 } qw(/dev /proc /run /sys /tmp /var/tmp);

if ($what eq 'kernels') { kernels(); apk_database(); exit }
my $owned = $what eq 'all' ? {} : owned_paths();
walk_tree($owned);
accounts();
units();
packages();
digest_files() if defined $tree;

# Paths that a package brought, as the tree has them now: dpkg's lists name paths as they were unpacked, which with a
# merged /usr go through /bin, /lib and /sbin; a diverted file lies where its diversion says (dpkg-divert(1)).
sub owned_paths {
  my %owned;
  my %folders;
  my $canonical;
  $canonical = sub {
    my ($path) = @_;
    return $path if $path eq '';
    return $folders{$path} if exists $folders{$path};
    my ($above, $name) = $path =~ m{^(.*)/([^/]*)$}s;
    my $here = $canonical->($above) . "/$name";
    # Set first: a circle of links ends here.
    $folders{$path} = $here;
    if (-l $here && -d $here) {
      my $target = readlink $here;
      $target = $above . "/$target" if $target !~ m{^/};
      my @names;
      for my $part (split m{/+}, $target) {
        next if $part eq '' || $part eq '.';
        if ($part eq '..') { pop @names }
        else { push @names, $part }
      }
      $here = $canonical->('/' . join '/', @names);
    }
    return $folders{$path} = $here;
  };
  my $own = sub {
    my ($path) = @_;
    return if $path !~ m{^(/.*|)/([^/]+)$}s;
    $owned{$canonical->($1) . "/$2"} = 1;
  };
  if (open(my $in, '<:raw', "$out/owned")) {
    local $/ = "\0";
    while (my $path = <$in>) { chomp $path; $own->($path) }
  }
  if ($what eq 'apk') {
    my $folder = '';
    for (lines_of('/lib/apk/db/installed')) {
      if (/^F:(.*)/) { $folder = $1 eq '' ? '' : "/$1" }
      elsif (/^R:(.*)/) { $own->("$folder/$1") }
    }
  }
  for my $list (glob '/var/lib/dpkg/info/*.list') {
    open(my $in, '<:raw', $list) or die "$list: $!\n";
    while (my $path = <$in>) { chomp $path; $own->($path) }
  }
  if (open(my $in, '<:raw', '/var/lib/dpkg/diversions')) {
    while (defined(my $from = <$in>)) {
      my $to = <$in> // last;
      my $package = <$in> // last;
      chomp $to;
      $own->($to);
    }
  }
  return \%owned;
}

sub walk_tree {
  my ($owned) = @_;
  my ($bytes, $files, $links, $folders) = (0, 0, 0, 0);
  my $unowned = output('unowned');
  my $setuid = output('setuid');
  my $digest = output('to-digest');
  my @open = ('');
  while (defined(my $folder = pop @open)) {
    opendir(my $handle, $folder eq '' ? '/' : $folder) or die "$folder: $!\n";
    for my $name (readdir $handle) {
      next if $name eq '.' || $name eq '..';
      my $path = "$folder/$name";
      next if $mounted{$path};
      my (undef, undef, $mode, undef, $uid, $gid, undef, $size) = lstat $path or die "$path: $!\n";
      my $type = S_IFMT($mode);
      if ($type == S_IFDIR) { $folders++; push @open, $path; next }
      if ($type == S_IFREG) { $files++; $bytes += $size }
      if ($type == S_IFLNK) { $links++ }
      my $bits = sprintf '%04o', S_IMODE($mode);
      print $setuid line($bits, $uid, $gid, $owned->{$path} ? 1 : 0, $path) if $type == S_IFREG && $mode & 06000;
      next if $what ne 'all' && ($owned->{$path} || derived($path, $owned));
      print $unowned line(
        $type == S_IFREG ? 'file' : $type == S_IFLNK ? 'link' : 'other',
        $bits, $uid, $gid, $size, $path, $type == S_IFLNK ? readlink $path : '');
      print $digest "$path\0" if $type == S_IFREG;
    }
    closedir $handle;
  }
  my $total = output('size');
  print $total line($bytes, $files, $links, $folders);
}

# What dpkg, apt and the packages' own scripts make of packages that are told by themselves: their databases, indexes, the
# links of update-alternatives(1), and byte code of Python modules that a package brought (docs/reference/sbom.md).
sub derived {
  my ($path, $owned) = @_;
  return 1 if $path =~ m{^/(?:var/lib/(?:dpkg|apt|rpm|dnf|alternatives)|(?:usr/)?lib/apk/db|usr/lib/sysimage/(?:rpm|dnf)|etc/alternatives|etc/pki/ca-trust/extracted)/};
  return 1 if $path =~ m{^(?:
    /etc/ld\.so\.cache
    | /usr/lib/modules/[^/]+/modules\.(?:alias|builtin\.alias|builtin|dep|devname|softdep|symbols|weakdep)(?:\.bin)?
    | /usr/lib/udev/hwdb\.bin
    | /usr/share/info/dir
    | /var/cache/debconf/(?:config|passwords|templates)\.dat
    | /var/lib/pam/(?:account|auth|password|seen|session|session-noninteractive)
    | /var/lib/shells\.state
    | /var/lib/systemd/catalog/database
    | /var/lib/systemd/deb-systemd-(?:user-)?helper-(?:enabled|masked)/.+
    | /var/lib/ucf/(?:hashfile|registry)(?:\.[0-9])?
    | /var/lib/ucf/cache/[^/]+
  )$}xs;
  return 1 if -l $path && readlink($path) =~ m{^/etc/alternatives/};
  return $path =~ m{^(.*)/__pycache__/([^/]+)\.[^./]+(?:\.opt-[12])?\.pyc$}s && $owned->{"$1/$2.py"};
}

# Never a hash: only whether somebody can log in with a password.
sub accounts {
  my %shadow;
  if (open(my $in, '<:raw', '/etc/shadow')) {
    while (<$in>) { chomp; my ($name, $hash) = split /:/, $_, -1; $shadow{$name} = $hash if defined $hash }
  }
  my $users = output('users');
  for (lines_of('/etc/passwd')) {
    my ($name, $hash, $uid, $gid, undef, $home, $shell) = split /:/, $_, -1;
    next unless defined $shell && $uid =~ /^\d+$/ && $gid =~ /^\d+$/;
    $hash = $shadow{$name} // '*' if $hash eq 'x';
    my $state = $hash eq '' ? 'empty' : $hash =~ m{^[\$_./0-9A-Za-z]} && length $hash >= 13 ? 'hash' : 'locked';
    print $users line($name, $uid, $gid, $home, $shell, $state);
  }
  my $groups = output('groups');
  for (lines_of('/etc/group')) {
    my ($name, undef, $gid, $members) = split /:/, $_, -1;
    print $groups line($name, $gid, $members) if defined $members && $gid =~ /^\d+$/;
  }
}

# Unit files with an [Install] section, and the links that follow or mask one (systemd.unit(5)).
sub units {
  my $units = output('units');
  for my $folder ('/usr/lib/systemd/system', '/lib/systemd/system', '/usr/local/lib/systemd/system', '/etc/systemd/system') {
    next if $folder eq '/lib/systemd/system' && -l '/lib';
    for my $path (glob "$folder/*") {
      my ($name) = $path =~ m{([^/]+)$};
      next unless $name =~ /\.(?:automount|mount|path|scope|service|slice|socket|swap|target|timer)$/;
      my $target = -l $path ? readlink $path : undef;
      if (defined $target && $target eq '/dev/null' || -f $path && -z $path) { print $units line('masked', $name) }
      elsif (defined $target) {
        my ($other) = $target =~ m{([^/]+)$};
        print $units line('alias', $other) if $folder =~ m{^/etc/} && defined $other && $other ne $name;
        print $units line('linked', $name) if $folder =~ m{^/etc/} && defined $other && $other eq $name;
      }
      elsif (-f $path) {
        print $units line('installable', $name) if grep { /^\s*(?:WantedBy|RequiredBy|UpheldBy|Alias|Also)\s*=/ } lines_of($path);
      }
    }
  }
  for my $path (glob '/etc/systemd/system/*.wants/* /etc/systemd/system/*.requires/* /etc/systemd/system/*.upholds/*') {
    my ($name) = $path =~ m{([^/]+)$};
    print $units line('wanted', $name) if -l $path;
  }
}

# dpkg's and apt's own tables, copyright files by package, and the configuration files that packages brought.
sub packages {
  copy(-e '/etc/os-release' ? '/etc/os-release' : '/usr/lib/os-release', 'os-release');
  kernels();
  apk_database() if $what eq 'apk';
  return if $what eq 'all' || $what eq 'apk';
  copy('/var/lib/dpkg/status', 'status');
  copy('/var/lib/apt/extended_states', 'extended_states');
  mkdir "$out/copyright";
  my $conffiles = output('conffiles');
  my ($package, $inside);
  for (lines_of('/var/lib/dpkg/status')) {
    if (/^Package: ([a-z0-9][a-z0-9+.-]*)$/) {
      $package = $1;
      copy("/usr/share/doc/$package/copyright", "copyright/$package") unless -e "$out/copyright/$package";
    }
    if (/^(\S+):/) { $inside = $1 eq 'Conffiles' }
    elsif ($inside && m{^ (/.*) [0-9a-f]{32}}) { print $conffiles "$1\0" if -f $1 }
  }
}

# apk's table of packages and their files (apk-package(5)).
sub apk_database { copy('/lib/apk/db/installed', 'apk-installed') }

sub kernels {
  my $kernels = output('kernels');
  for (glob '/boot/vmlinuz-*') { print $kernels line(substr $_, length '/boot/vmlinuz-') if -f $_ }
}

# As sha256sum(1) -z and sha1sum(1) -z print them: of files that no package owns, and of configuration files.
sub digest_files {
  my %algorithms = (sha256 => [qw(to-digest configuration)], sha1 => [qw(to-digest)]);
  for my $algorithm (sort keys %algorithms) {
    my $file = output($algorithm);
    for my $list (@{$algorithms{$algorithm}}) {
      open(my $in, '<:raw', "$out/$list") or next;
      local $/ = "\0";
      while (my $path = <$in>) {
        chomp $path;
        next unless -f $path;
        print $file Digest::SHA->new($algorithm)->addfile($path, 'b')->hexdigest, "  $path\0";
      }
    }
  }
}

sub copy {
  my ($from, $to) = @_;
  open(my $in, '<:raw', $from) or return;
  local $/;
  my $text = <$in>;
  my $file = output($to);
  print $file $text // '';
}

sub lines_of {
  my ($path) = @_;
  open(my $in, '<:raw', $path) or return;
  my @lines = <$in>;
  chomp @lines;
  return @lines;
}

sub line {
  my @fields = @_;
  s/([^!-\$&-~])/sprintf '%%%02X', ord $1/ge for @fields;
  return join(' ', @fields) . "\n";
}

sub output {
  my ($name) = @_;
  open(my $file, '>:raw', "$out/$name") or die "$out/$name: $!\n";
  return $file;
}
