#!/usr/bin/perl
# Applies a list of changes to the tree that is `/`: runs inside the sandbox with the image's own perl-base, so that
# every path and every name of a user or group is resolved in the image.
#
# Of a tree that may have no perl it is the host's, and given the tree's place: then it enters that by chroot(2) first, and
# makes users and groups by itself where the tree has no programs for them (accounts.pl).
#
# usage: apply.pl CHANGES PAYLOAD-FOLDER PROJECT-FOLDER [TREE]
# CHANGES holds records of fields, each field ended by NUL, each record by an extra NUL.
use strict;
use warnings;
use Fcntl qw(O_WRONLY O_CREAT O_TRUNC O_APPEND O_NOFOLLOW);
use File::Basename qw(dirname);
use File::Glob ();

my ($changes, $payload, $project, $tree) = @ARGV;
if (defined $tree) {
  # The C library settles now where it looks names up, in the host's files' way: modules of the tree are not for it.
  require(dirname(__FILE__) . '/accounts.pl');
  () = (getpwnam('root'), getgrnam('root'), glob('/*'));
  chroot $tree && chdir '/' or die "Cannot enter $tree: $!\n";
}
local $/;
open(my $handle, '<', $changes) or die "$changes: $!\n";
my $text = <$handle>;
my %do = (
  # A regular file with bytes from the payload or the project.
  file => sub {
    my ($path, $owner, $mode, $from, $name, $append) = @_;
    parents($path);
    my $source = ($from eq 'project' ? $project : $payload) . "/$name";
    open(my $in, '<:raw', $source) or die "$source: $!\n";
    # A symbolic link is replaced, not followed: its target may be anything.
    unlink $path if -l $path && !$append;
    my $flags = O_WRONLY | O_CREAT | ($append ? O_APPEND : O_TRUNC);
    sysopen(my $out, $path, $flags, 0600) or die "Cannot write $path in the image: $!\n";
    local $/ = \1048576;
    while (defined(my $block = <$in>)) { print $out $block or die "Cannot write $path in the image: $!\n" }
    close $out or die "Cannot write $path in the image: $!\n";
    settle($path, $owner, $mode);
  },
  dir => sub {
    my ($path, $owner, $mode) = @_;
    parents($path);
    -d $path or mkdir $path, 0755 or die "Cannot make the folder $path in the image: $!\n";
    settle($path, $owner, $mode);
  },
  symlink => sub {
    my ($path, $target) = @_;
    parents($path);
    unlink $path if -l $path || -e $path;
    symlink $target, $path or die "Cannot make the link $path in the image: $!\n";
  },
  group => sub {
    my ($name, @options) = @_;
    run(defined getgrnam($name) ? 'groupmod' : 'groupadd', @options, $name) if @options || !defined getgrnam $name;
  },
  # The part before `--` holds for new users only, the part after it for all.
  user => sub {
    my ($name, @options) = @_;
    my @new;
    while (@options) { my $option = shift @options; last if $option eq '--'; push @new, $option }
    if (!defined getpwnam $name) { run('useradd', @new, @options, $name) }
    elsif (@options) { run('usermod', @options, $name) }
  },
  'authorized-keys' => sub {
    my ($name, $file) = @_;
    my (undef, undef, $uid, $gid, undef, undef, undef, $home) = getpwnam $name or die "There is no user $name in the image\n";
    mkdir "$home/.ssh", 0700;
    open(my $in, '<:raw', "$payload/$file") or die "$payload/$file: $!\n";
    sysopen(my $out, "$home/.ssh/authorized_keys", O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW, 0600) or die "Cannot write $home/.ssh/authorized_keys in the image: $!\n";
    print $out scalar <$in>;
    close $out;
    chown $uid, $gid, "$home/.ssh", "$home/.ssh/authorized_keys";
    chmod 0700, "$home/.ssh";
    chmod 0600, "$home/.ssh/authorized_keys";
  },
  run => sub { run(@_) },
  remove => sub { unlink grep { -l $_ || -f $_ } map { glob } @_ },
);

for my $record (split /\0\0/, $text) {
  my ($operation, @fields) = split /\0/, $record, -1;
  my $code = $do{$operation} or die "unknown change $operation\n";
  local $/;
  $code->(map { s/\A-\z//r } @fields);
}

sub parents {
  my ($path) = @_;
  my $at = '';
  my @names = grep { length } split m{/}, $path;
  pop @names;
  for my $name (@names) {
    $at .= "/$name";
    -d $at or mkdir $at, 0755 or die "Cannot make the folder $at in the image: $!\n";
  }
}

sub settle {
  my ($path, $owner, $mode) = @_;
  my ($user, $group) = split /:/, $owner;
  my $uid = $user =~ /^\d+$/ ? $user : getpwnam $user;
  defined $uid or die "There is no user $user in the image, named as owner of $path\n";
  my $gid = !defined $group || $group eq '' ? (getpwuid $uid)[3] // 0 : $group =~ /^\d+$/ ? $group : getgrnam $group;
  defined $gid or die "There is no group $group in the image, named as owner of $path\n";
  chown $uid, $gid, $path or die "Cannot change the owner of $path in the image: $!\n";
  chmod oct $mode, $path or die "Cannot change the mode of $path in the image: $!\n";
}

sub run {
  my @command = @_;
  print join(' ', '+', @command), "\n";
  $| = 1;
  return Accounts::run(@command) if defined $tree && Accounts::stands_in($command[0]);
  my $status = system { $command[0] } @command;
  return if $status == 0;
  die $status == -1 ? "Cannot run $command[0] in the image: $!\n" : "$command[0] ended with status " . ($status >> 8) . "\n";
}
