import {isMap, isScalar, LineCounter, type Node, parseDocument} from 'yaml';
import {nearest} from '../../../spec/nearest.ts';

/** How cloud-init takes user data, by its first line (cloud-init's documentation, "User-data formats"). */
export type UserDataKind = 'config' | 'script';

export interface UserDataProblem {
  /** From 1; absent: it is about the whole. */
  readonly line?: number;
  readonly column?: number;
  readonly message: string;
  readonly hint: string;
}

/** `#cloud-config` or a script; undefined for the formats that are only a wrapping of those. */
export function userDataKind(text: string): UserDataKind | undefined {
  if (/^#cloud-config\s*(?:\n|$)/.test(text)) return 'config';
  return text.startsWith('#!') ? 'script' : undefined;
}

/** What is wrong with user data, as far as it can be told without cloud-init: its kind, its YAML, its top-level keys. */
export function userDataProblems(text: string): readonly UserDataProblem[] {
  const kind = userDataKind(text);
  if (kind === 'script') return [];
  if (kind === undefined)
    return [
      {
        line: 1,
        column: 1,
        message: 'User data begins with neither `#cloud-config` nor `#!`',
        hint: 'Begin the configuration with the line `#cloud-config`, a script with `#!/bin/sh`; parts of a MIME message are steps of their own',
      },
    ];
  const counter = new LineCounter();
  const document = parseDocument(text, {lineCounter: counter, uniqueKeys: true});
  const at = (offset: number): {line: number; column: number} => {
    const {line, col} = counter.linePos(offset);
    return {line, column: col};
  };
  if (document.errors.length > 0)
    return document.errors.map(({message, pos}) => ({
      ...at(pos[0]),
      message: `It is no YAML: ${message.replace(/\n[\s\S]*$/, '').replace(/ at line \d+, column \d+:?$/, '')}`,
      hint: 'Mend it as YAML 1.2 wants it',
    }));
  const {contents} = document;
  if (contents === null) return [];
  if (!isMap(contents))
    return [{message: 'It is no mapping of modules', hint: 'Write `key: value`, e.g. `runcmd: [...]`'}];
  return contents.items.flatMap(({key}) => {
    const node: Node = key;
    return isScalar(node) ? keyProblem(String(node.value), at(node.range?.[0] ?? 0)) : [];
  });
}

function keyProblem(
  name: string,
  place: {readonly line: number; readonly column: number},
): readonly UserDataProblem[] {
  if (knownKeys.includes(name)) return [];
  const near = nearest(name, knownKeys);
  return [
    {
      ...place,
      message: `cloud-init knows no key ${JSON.stringify(name)}`,
      hint: near === undefined ? "See cloud-init's module reference" : `Write \`${near}\``,
    },
  ];
}

/**
 * The top-level keys of cloud-init 22 to 26: of its JSON schema (schema-cloud-config-v1.json), and those that only
 * files in /etc/cloud/cloud.cfg.d have.
 */
const knownKeys: readonly string[] = [
  ...'allow_public_ssh_keys ansible apk_repos apt apt_pipelining apt_reboot_if_required apt_update'.split(
    ' ',
  ),
  ...'apt_upgrade authkey_hash autoinstall bootcmd byobu_by_default ca-certs ca_certs chef chpasswd'.split(
    ' ',
  ),
  ...'cloud_config_modules cloud_final_modules cloud_init_modules create_hostname_file datasource'.split(' '),
  ...'datasource_list def_log_file device_aliases disable_ec2_metadata disable_root disable_root_opts'.split(
    ' ',
  ),
  ...'disk_setup drivers fan final_message fqdn fs_setup groups growpart grub-dpkg grub_dpkg hostname'.split(
    ' ',
  ),
  ...'keyboard landscape launch-index locale locale_configfile log_cfgs lxd manage_etc_hosts'.split(' '),
  ...'manage_resolv_conf mcollective merge_how merge_type migrate mount_default_fields mounts network'.split(
    ' ',
  ),
  ...'no_ssh_fingerprints ntp output package_reboot_if_required package_update package_upgrade packages'.split(
    ' ',
  ),
  ...'password phone_home power_state prefer_fqdn_over_hostname preserve_hostname puppet random_seed'.split(
    ' ',
  ),
  ...'reporting resize_rootfs resolv_conf rh_subscription rpi rsyslog runcmd salt_minion snap spacewalk'.split(
    ' ',
  ),
  ...'ssh ssh_authorized_keys ssh_deletekeys ssh_fp_console_blacklist ssh_genkeytypes ssh_import_id'.split(
    ' ',
  ),
  ...'ssh_key_console_blacklist ssh_keys ssh_publish_hostkeys ssh_pwauth ssh_quiet_keygen swap'.split(' '),
  ...'syslog_fix_perms system_info timezone ubuntu_advantage ubuntu_pro updates user users vendor_data'.split(
    ' ',
  ),
  ...'vendor_data2 version warnings wireguard write_files yum_repo_dir yum_repos zypper'.split(' '),
];
