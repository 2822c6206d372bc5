#!/usr/bin/perl
# Counts what each file system of a disk will hold.
# usage: measure.pl OUT ROOT PATH...   (PATHs are mount points in the tree at ROOT, `/` among them)
# OUT gets a line for each PATH: files folders links blocks entries mode uid gid path, where blocks are the 4 KiB blocks
# of files, links the symbolic links of more than 59 bytes, entries the bytes of the names in folders, and the rest is of
# the folder itself.
use strict;
use warnings;

my ($out, $root, @paths) = @ARGV;
my %volume = map { $_ => {files => 0, folders => 0, links => 0, blocks => 0, entries => 0} } @paths;
my %seen;
my @folders = (['', $volume{'/'}]);
while (my $next = pop @folders) {
  my ($folder, $at) = @$next;
  $at->{folders}++;
  opendir(my $handle, "$root$folder/") or die "$root$folder: $!\n";
  for my $name (readdir $handle) {
    next if $name eq '.' || $name eq '..';
    my $path = "$folder/$name";
    my @stat = lstat "$root$path" or die "$root$path: $!\n";
    $at->{entries} += length($name) + 12;
    if (-d _) {
      # What is mounted there is an empty folder here.
      $at->{folders}++ if $volume{$path};
      push @folders, [$path, $volume{$path} // $at];
      next;
    }
    next if $stat[3] > 1 && $seen{"$stat[0]:$stat[1]"}++;
    $at->{files}++;
    if (-l _) { $at->{links}++ if $stat[7] > 59 }
    elsif (-f _) { $at->{blocks} += int(($stat[7] + 4095) / 4096) }
  }
}
open(my $file, '>', $out) or die "$out: $!\n";
for my $path (@paths) {
  # A mount point that the tree does not have is made like any other folder.
  my @stat = stat "$root$path";
  @stat = (0, 0, 0755, 0, 0, 0) unless @stat;
  my @counted = @{$volume{$path}}{qw(files folders links blocks entries)};
  print $file join(' ', @counted, $stat[2] & 07777, @stat[4, 5], $path), "\n";
}
close $file or die "$out: $!\n";
