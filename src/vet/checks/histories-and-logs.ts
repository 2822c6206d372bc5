import {type Check, nothing} from '../check.ts';
import type {Severity} from '../finding.ts';
import {shown} from '../tree.ts';

/** What people and programs left behind while the image was made. */
const traces: readonly {readonly path: RegExp; readonly severity: Severity; readonly detail: string}[] = [
  {
    path: /\/(?:\.(?:bash|zsh|sh|ash|ksh|dash|fish|python|mysql|psql|sqlite|rediscli|irb|node_repl|octave|scapy)_?history|\.histfile|\.lesshst|\.viminfo|\.wget-hsts|fish_history)$/,
    severity: 'medium',
    detail: 'a history of what was typed',
  },
  {
    path: /^\/var\/(?:spool\/)?mail\/./,
    severity: 'medium',
    detail: 'mail',
  },
  {path: /^\/var\/crash\/./, severity: 'medium', detail: 'the memory of a program that crashed'},
  {path: /\/\.ssh\/known_hosts(?:\.old)?$/, severity: 'low', detail: 'hosts that somebody logged in to'},
  {
    path: /^\/var\/lib\/(?:dhcp|dhclient|dhcpcd|NetworkManager)\/[^/]*\.leases?$/,
    severity: 'low',
    detail: 'an address of the machine that made the image',
  },
  {path: /^\/var\/log\/journal\/./, severity: 'low', detail: 'a journal of the machine that made the image'},
  {path: /^\/var\/log\/./, severity: 'low', detail: 'a log'},
];

/** Empty files are no findings: packages bring them, so that a log has its permissions from the beginning. */
export const historiesAndLogs: Check = {
  name: 'histories-and-logs',
  entry: (entry, {packaged}) => {
    const {path, type, sizeBytes} = entry;
    if (type !== 'file' || sizeBytes === 0) return nothing;
    const found = traces.find((one) => one.path.test(path));
    if (found === undefined || packaged.isUnchanged(entry)) return nothing;
    return [{severity: found.severity, path: shown(path), detail: found.detail}];
  },
};
