import {type Check, nothing} from '../check.ts';
import type {Remark, Severity} from '../finding.ts';
import {shown} from '../tree.ts';

/** What an instance is to make for itself: machine-id(5), systemd-random-seed.service(8), systemd-creds(1), iscsi(8). */
const identities: readonly {
  readonly path: RegExp;
  readonly severity: Severity;
  readonly detail: string;
  /** Only with such content. */
  readonly content?: RegExp;
}[] = [
  {
    path: /^\/etc\/machine-id$/,
    severity: 'high',
    detail: 'a machine id: every instance would have the same, and often the same address by DHCP',
    content: /^\s*(?!uninitialized\s*$)\S/,
  },
  {path: /^\/var\/lib\/dbus\/machine-id$/, severity: 'high', detail: "D-Bus's copy of a machine id"},
  {
    path: /^\/var\/lib\/systemd\/credential\.secret$/,
    severity: 'high',
    detail: 'the key that credentials of this machine are encrypted with',
  },
  {
    path: /^\/var\/lib\/systemd\/random-seed$/,
    severity: 'medium',
    detail: 'a random seed: every instance would begin with the same',
  },
  {
    path: /^\/etc\/iscsi\/initiatorname\.iscsi$/,
    severity: 'medium',
    detail: 'the name of an iSCSI initiator: every instance would have the same',
    content: /^[ \t]{0,80}InitiatorName=/m,
  },
  {
    path: /^\/var\/lib\/cloud\/instances\/.+/,
    severity: 'medium',
    detail: 'what cloud-init kept of another instance',
  },
];

export const machineId: Check = {
  name: 'machine-id',
  entry: ({path, type, sizeBytes}, {text}): readonly Remark[] => {
    if (type !== 'file' || sizeBytes === 0) return nothing;
    const found = identities.find((one) => one.path.test(path));
    if (found === undefined) return nothing;
    const {severity, detail, content} = found;
    const isFound = content === undefined || content.test(text() ?? '');
    return isFound ? [{severity, path: shown(path), detail}] : nothing;
  },
};
