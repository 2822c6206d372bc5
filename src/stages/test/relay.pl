#!/usr/bin/perl
# usage: relay.pl SOCKET
#
# QEMU starts it for each connection of the guest to an address that it forwards, with the connection as standard
# input and output. Carries bytes to the socket and back until one side has ended. Needs perl-base only.
use strict;
use warnings;
use IO::Select;
use IO::Socket::UNIX;

my $server = IO::Socket::UNIX->new(Peer => $ARGV[0]) or exit 1;
my $readers = IO::Select->new(\*STDIN, $server);
while ($readers->count > 0) {
    for my $from ($readers->can_read) {
        my $to = $from == $server ? \*STDOUT : $server;
        my $count = sysread $from, my $bytes, 65536;
        # The server has said everything, or there is no guest any more to say it to.
        exit 0 if $from == $server && !$count;
        if (!$count) {
            $readers->remove($from);
            shutdown $server, 1;
            next;
        }
        my $done = 0;
        while ($done < $count) {
            my $written = syswrite $to, $bytes, $count - $done, $done;
            exit 0 unless defined $written;
            $done += $written;
        }
    }
}
