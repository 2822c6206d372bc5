#!/usr/bin/perl
# PID 1 of a sandbox: builds the mounts, runs one command, ends with it.
#
# Started by unshare(1) in fresh mount, PID, IPC, UTS (and network) namespaces, as root or as the root of a user
# namespace. Standard input is a pipe that fgimage holds: when it closes, because fgimage ended in whatever way,
# everything in here is killed, and with the last process the mounts are gone. `watch N` names another descriptor for
# that, `watch none` no such; `terminal` leaves standard input and the controlling terminal to the command.
#
# usage: init.pl OPERATION ... exec ARGV ...
# Only perl-base is needed. System calls are made by number, because no module of perl-base wraps them.
use strict;
use warnings;
use Errno qw(EINTR EPERM);
use POSIX ();

my %calls = (
  x86_64  => {mount => 165, pivot_root => 155, umount2 => 166, prctl => 157, sethostname => 170, prlimit => 302},
  aarch64 => {mount => 40, pivot_root => 41, umount2 => 39, prctl => 167, sethostname => 161, prlimit => 261},
);
my $machine = (POSIX::uname())[4];
my $call = $calls{$machine} or die "fgimage sandbox: no system call table for $machine\n";

use constant {
  MS_RDONLY => 1, MS_NOSUID => 2, MS_NODEV => 4, MS_NOEXEC => 8, MS_REMOUNT => 32, MS_BIND => 4096, MS_REC => 16384,
  MNT_DETACH => 2, PR_SET_NAME => 15, PR_CAPBSET_DROP => 24, PR_SET_SECCOMP => 22,
  RLIMIT_CORE => 4,
};
# capabilities(7): nothing in an image build loads modules, touches raw I/O, the clock, the kernel log, makes device
# nodes or mounts. Without SYS_ADMIN and MKNOD a script cannot reach the host's devices even as the real root.
my @dropped_capabilities = (
  14, # IPC_LOCK
  16, # SYS_MODULE
  17, # SYS_RAWIO
  19, # SYS_PTRACE
  20, # SYS_PACCT
  21, # SYS_ADMIN
  22, # SYS_BOOT
  25, # SYS_TIME
  27, # MKNOD
  30, # AUDIT_CONTROL
  32, 33, # MAC_OVERRIDE, MAC_ADMIN
  34, # SYSLOG
  35, # WAKE_ALARM
  36, # BLOCK_SUSPEND
);

sub fail { die "fgimage sandbox: $_[0]: $!\n" }

sub mount {
  my ($source, $target, $type, $flags, $data) = map { "$_" } @_; # syscall wants strings of its own
  return syscall($call->{mount}, $source, $target, $type, $flags + 0, $data) == 0;
}

# A mount point below $root, made where it is absent. A symbolic link on the way is refused: it would lead out of
# the image.
sub mount_point {
  my ($root, $path, $kind) = @_;
  my @names = grep { length } split m{/}, $path;
  my $at = $root;
  while (defined(my $name = shift @names)) {
    $at .= "/$name";
    die "fgimage sandbox: $path is a symbolic link in the image (at /$name): nothing is mounted there\n" if -l $at;
    next if -e $at;
    if (@names || $kind eq 'dir') { mkdir $at, 0755 or fail("mkdir $at") }
    else { open(my $file, '>', $at) or fail("create $at") }
  }
  return $at;
}

sub bind_mount {
  my ($source, $target, $mode) = @_;
  mount($source, $target, '', MS_BIND, '') or fail("bind $source on $target");
  return if $mode eq 'rw';
  # In a user namespace the flags that the source's mount has are locked and must be said again.
  for my $kept (0, MS_NODEV, MS_NOSUID | MS_NODEV, MS_NOSUID | MS_NODEV | MS_NOEXEC, MS_NOSUID) {
    return if mount('', $target, '', MS_REMOUNT | MS_BIND | MS_RDONLY | $kept, '');
    last if $! != EPERM;
  }
  fail("make $target read-only");
}

sub make_dev {
  my ($root) = @_;
  my $dev = mount_point($root, '/dev', 'dir');
  mount('tmpfs', $dev, 'tmpfs', MS_NOSUID | MS_NOEXEC, 'mode=755') or fail("tmpfs on $dev");
  for my $node (qw(null zero full random urandom tty)) {
    bind_mount("/dev/$node", mount_point($root, "/dev/$node", 'file'), 'rw') if -e "/dev/$node";
  }
  mkdir "$dev/pts", 0755;
  mount('devpts', "$dev/pts", 'devpts', MS_NOSUID | MS_NOEXEC, 'newinstance,ptmxmode=0666,mode=0620') or fail('devpts');
  mkdir "$dev/shm", 01777;
  mount('tmpfs', "$dev/shm", 'tmpfs', MS_NOSUID | MS_NODEV, 'mode=1777') or fail('shm');
  symlink 'pts/ptmx', "$dev/ptmx";
  symlink '/proc/self/fd', "$dev/fd";
  symlink "/proc/self/fd/$_->[1]", "$dev/$_->[0]" for ['stdin', 0], ['stdout', 1], ['stderr', 2];
}

# What of /proc belongs to the machine and not to the namespaces: its kernel's settings (core_pattern(5) names a program
# that would be run outside of here), SysRq, interrupts, buses. From whoever is not the real root the kernel guards them
# itself; and in a user namespace a procfs with mounts on it could not be mounted anew, as mmdebstrap does.
sub guard_proc {
  my ($proc) = @_;
  open(my $map, '<', '/proc/self/uid_map') or fail('read uid_map');
  my (undef, $real) = split ' ', <$map> // '';
  return unless defined $real && $real eq '0';
  for my $name (qw(sys sysrq-trigger irq bus fs acpi scsi)) {
    bind_mount("$proc/$name", "$proc/$name", 'ro') if -e "$proc/$name";
  }
}

sub raise_loopback {
  socket(my $socket, 2, 2, 0) or return; # AF_INET, SOCK_DGRAM
  my $request = pack 'Z16 s x22', 'lo', 0x41; # ifreq: IFF_UP | IFF_RUNNING
  ioctl $socket, 0x8914, $request; # SIOCSIFFLAGS
}

sub pivot {
  my ($root) = @_;
  chdir $root or fail("chdir $root");
  my ($new, $old) = ('.', '.');
  syscall($call->{pivot_root}, $new, $old) == 0 or fail('pivot_root');
  syscall($call->{umount2}, $old, MNT_DETACH) == 0 or fail('detach the host root');
  chdir '/' or fail('chdir /');
}

# A process that shares a terminal could type into it, and the caller's shell would read that afterwards: ioctl(2) with
# TIOCSTI and TIOCLINUX is refused by a filter (seccomp(2)), and so is every system call of another kind of machine,
# whose numbers mean something else.
sub refuse_typing {
  my ($arch, $ioctl) = $machine eq 'x86_64' ? (0xC000003E, 16) : (0xC00000B7, 29);
  my $step = sub { pack 'S C C L', @_ };
  my ($load, $equal, $above, $return) = (0x20, 0x15, 0x35, 0x06); # BPF_LD|W|ABS, JMP|JEQ|K, JMP|JGE|K, RET|K
  my $program = join '', (
    $step->($load, 0, 0, 4),               # seccomp_data.arch
    $step->($equal, 0, 7, $arch),
    $step->($load, 0, 0, 0),               # seccomp_data.nr
    $step->($above, 5, 0, 0x40000000),     # x32
    $step->($equal, 0, 3, $ioctl),
    $step->($load, 0, 0, 24),              # low half of args[1]
    $step->($equal, 2, 0, 0x5412),         # TIOCSTI
    $step->($equal, 1, 0, 0x541C),         # TIOCLINUX
    $step->($return, 0, 0, 0x7FFF0000),    # SECCOMP_RET_ALLOW
    $step->($return, 0, 0, 0x00050000 | EPERM),
  );
  my $filter = pack 'S x6 P', length($program) / 8, $program; # sock_fprog
  syscall($call->{prctl}, PR_SET_SECCOMP, 2, $filter, 0, 0) == 0 or fail('seccomp');
}

# No core dump of what has read a secret: it would hold the value. Of one byte, as programs that core_pattern(5) names are
# given a dump of no bytes too; a command may raise the limit again.
sub limit_core {
  my $limits = "\0" x 16;
  syscall($call->{prlimit}, 0, RLIMIT_CORE, 0, $limits) == 0 or fail('ask for the limit of core dumps');
  my (undef, $most) = unpack 'Q2', $limits;
  my $wanted = pack 'Q2', $most < 1 ? 0 : 1, $most;
  syscall($call->{prlimit}, 0, RLIMIT_CORE, $wanted, 0) == 0 or fail('limit core dumps');
}

# A file on the tmpfs at /run, for the root of the tree alone. Its content is on no command line: it comes from standard
# input, a file of the host or a variable, which the command does not inherit.
sub write_secret {
  my ($at, $how, $from) = @_;
  my $value = '';
  if ($how eq 'input') {
    while (length $value < $from) { sysread(STDIN, $value, $from - length $value, length $value) or fail('read a secret') }
  }
  elsif ($how eq 'file') { open(my $file, '<', $from) or fail("open $from"); local $/; $value = <$file> // '' }
  else { $value = delete $ENV{$from} // die "fgimage sandbox: \$$from is not set\n" }
  limit_core();
  umask 0377;
  open(my $secret, '>', $at) or fail("create $at");
  print {$secret} $value;
  close $secret or fail("write $at");
  umask 022;
}

# What mmdebstrap has to do in its own namespaces: mount into the root that it makes, and make that root's device nodes.
sub may_mount {
  @dropped_capabilities = grep { $_ != 21 && $_ != 27 } @dropped_capabilities; # SYS_ADMIN, MKNOD
}

sub drop_capabilities {
  syscall($call->{prctl}, PR_CAPBSET_DROP, $_, 0, 0, 0) for @dropped_capabilities;
}

my $root = '';
my ($watched, $terminal) = (0, 0);
umask 022;
while (defined(my $operation = shift @ARGV)) {
  if    ($operation eq 'chdir')    { my $d = shift @ARGV; chdir $d or fail("chdir $d") }
  elsif ($operation eq 'hostname') { my $n = shift @ARGV; syscall($call->{sethostname}, $n, length $n) }
  elsif ($operation eq 'loopback') { raise_loopback() }
  elsif ($operation eq 'name')     { my $n = shift @ARGV; syscall($call->{prctl}, PR_SET_NAME, $n, 0, 0, 0) }
  elsif ($operation eq 'overlay')  { my ($at, $data) = splice @ARGV, 0, 2; mount('overlay', $at, 'overlay', 0, $data) or fail("overlay on $at ($data)") }
  elsif ($operation eq 'root')     { $root = shift @ARGV }
  elsif ($operation eq 'folder')   { mount_point($root, shift @ARGV, 'dir') }
  elsif ($operation eq 'bind')     { my ($kind, $mode, $source, $at) = splice @ARGV, 0, 4; bind_mount($source, mount_point($root, $at, $kind), $mode) }
  elsif ($operation eq 'tmpfs')    { my ($at, $mode) = splice @ARGV, 0, 2; mount('tmpfs', mount_point($root, $at, 'dir'), 'tmpfs', MS_NOSUID | MS_NODEV, "mode=$mode") or fail("tmpfs on $at") }
  elsif ($operation eq 'proc')     { mount('proc', mount_point($root, '/proc', 'dir'), 'proc', MS_NOSUID | MS_NODEV | MS_NOEXEC, '') or fail('proc'); guard_proc("$root/proc") }
  elsif ($operation eq 'dev')      { make_dev($root) }
  elsif ($operation eq 'secret')   { my ($at, $how, $from) = splice @ARGV, 0, 3; my ($in) = $at =~ m{^(.*)/}; write_secret(mount_point($root, $in, 'dir') . substr($at, length $in), $how, $from) }
  elsif ($operation eq 'pivot')    { pivot($root) }
  elsif ($operation eq 'may-mount') { may_mount() }
  elsif ($operation eq 'drop-capabilities') { drop_capabilities() }
  elsif ($operation eq 'watch')    { $watched = shift @ARGV }
  elsif ($operation eq 'terminal') { $terminal = 1 }
  elsif ($operation eq 'exec')     { last }
  else { die "fgimage sandbox: unknown operation $operation\n" }
}
@ARGV or die "fgimage sandbox: nothing to run\n";

my $pipe = $watched eq '0' ? \*STDIN : undef;
if (!defined $pipe && $watched ne 'none') { open($pipe, "<&=$watched") or fail("descriptor $watched") }
refuse_typing() if $terminal;

my $child = fork;
defined $child or fail('fork');
if ($child == 0) {
  if ($terminal) { POSIX::close(fileno $pipe) if defined $pipe && fileno $pipe > 2 }
  else { open STDIN, '<', '/dev/null'; POSIX::setsid() }
  no warnings 'exec';
  exec { $ARGV[0] } @ARGV or do { print STDERR "fgimage sandbox: cannot run $ARGV[0]: $!\n"; POSIX::_exit(127) };
}

# The pipe wakes us when fgimage is gone, SIGCHLD when a child ended: both interrupt select(2).
my $status;
$SIG{CHLD} = sub { };
$SIG{TERM} = $SIG{INT} = sub { kill 'KILL', -1 };
# Ctrl-C reaches every process in the terminal's foreground, this one too: there it is the command's to answer.
$SIG{INT} = $SIG{QUIT} = 'IGNORE' if $terminal;
until (defined $status) {
  while ((my $ended = waitpid(-1, POSIX::WNOHANG())) > 0) { $status = $? if $ended == $child }
  last if defined $status;
  my $ready = '';
  vec($ready, fileno $pipe, 1) = 1 if defined $pipe;
  my $count = select($ready, undef, undef, 0.5);
  next if $count <= 0;
  my $read = sysread $pipe, my $byte, 1;
  if (defined $read && $read == 0) { kill 'KILL', -1; POSIX::_exit(137) }
}
POSIX::_exit($status & 127 ? 128 + ($status & 127) : $status >> 8);
