#!/usr/bin/perl
# Sets extended attributes of files and folders below the folder $1, from standard input: path NUL name NUL hex NUL …
# Node has no call for it. lsetxattr(2) by number: no module of perl-base wraps it.
use strict;
use warnings;
use POSIX ();

my %calls = (x86_64 => 189, aarch64 => 6);
my $set = $calls{(POSIX::uname())[4]} or die "no system call table for this machine\n";
my $root = $ARGV[0];
binmode STDIN;
local $/ = "\0";
while (defined(my $path = <STDIN>)) {
  my $name = <STDIN> // last;
  my $hex = <STDIN> // last;
  chomp($path, $name, $hex);
  my $full = length $path ? "$root/$path" : $root;
  my $value = pack 'H*', $hex;
  syscall($set, $full, $name, $value, length $value, 0) == 0 or die "$name of $path: $!\n";
}
