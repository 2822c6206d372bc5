import {isMap, isNode, isScalar, LineCounter, type Node, parseDocument} from 'yaml';
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
  if (kind === 'script') return scriptProblems(text);
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

/**
 * What of a configuration cloud-init's schema is asked about, each line in its place: all but the keys that are the
 * system's. Undefined where that is nothing.
 */
export function schemaText(text: string): string | undefined {
  const {contents} = parseDocument(text);
  if (!isMap(contents)) return undefined;
  const own = contents.items.filter(({key}) => isScalar(key) && systemKeys.includes(String(key.value)));
  if (own.length === contents.items.length) return undefined;
  if (contents.flow === true) return text;
  return own.reduce((rest, {key, value}) => {
    const [from, to] = [rangeOf(key)?.[0] ?? 0, rangeOf(value)?.[1] ?? rangeOf(key)?.[1] ?? 0];
    return (
      rest.slice(0, from) + rest.slice(from, to).replaceAll(/[^\n]/g, ' ').replace(/^ /, '#') + rest.slice(to)
    );
  }, text);
}

/**
 * What cloud-init's schema says is wrong, with its line: `Cloud config schema errors: users.0: why, runcmd: why`. Empty
 * for any other line of its output.
 */
export function schemaErrors(line: string, text: string): readonly string[] {
  const told = /Cloud config schema errors: (?<errors>.+)$/.exec(line)?.groups?.['errors'];
  if (told === undefined) return [];
  const counter = new LineCounter();
  const document = parseDocument(text, {lineCounter: counter});
  const keys = isMap(document.contents) ? document.contents.items.map(({key}) => String(key)) : [];
  const begins = [...told.matchAll(/(?:^|, )(?<path>[\w-]+(?:\.[^\s:,]+)*): /g)].filter(({groups}) =>
    keys.includes(groups?.['path']?.split('.')[0] ?? ''),
  );
  return begins.map(({index, groups}, nth) => {
    const words = (groups?.['path'] ?? '')
      .split('.')
      .map((word) => (/^\d+$/.test(word) ? Number(word) : word));
    const node: unknown = document.getIn(words, true);
    const {line: at, col} = counter.linePos(rangeOf(node)?.[0] ?? 0);
    return `${String(at)}:${String(col)}: ${told.slice(index, begins[nth + 1]?.index).replace(/^, /, '')}`;
  });
}

function rangeOf(node: unknown): Node['range'] {
  return isNode(node) ? node.range : undefined;
}

/** The kernel takes a carriage return for a part of the interpreter's name. */
function scriptProblems(text: string): readonly UserDataProblem[] {
  if (!/^[^\n]*\r\n/.test(text)) return [];
  return [
    {
      line: 1,
      column: 1,
      message: 'The line with `#!` ends with a carriage return, so that nothing runs the script',
      hint: 'Save it with the line ends of Unix: sed -i "s/\\r$//" FILE',
    },
  ];
}

function keyProblem(
  name: string,
  place: {readonly line: number; readonly column: number},
): readonly UserDataProblem[] {
  if (knownKeys.includes(name) || name === '<<') return [];
  const near = nearest(name, knownKeys);
  return [
    {
      ...place,
      message: `cloud-init knows no key ${JSON.stringify(name)}`,
      hint: near === undefined ? "See cloud-init's module reference" : `Write \`${near}\``,
    },
  ];
}

/** Top-level keys that only files in /etc/cloud/cloud.cfg.d have; cloud-init's schema, which is that of user data, has none. */
const systemKeys: readonly string[] = [
  ...'allow_userdata datasource datasource_list datasource_pkg_list def_log_file'.split(' '),
  ...'disable_network_activation disable_vmware_customization log_basic log_cfgs logcfg'.split(' '),
  ...'manual_cache_clean network resize_rootfs_tmp syslog_fix_perms unverified_modules vendor_data2'.split(
    ' ',
  ),
  ...'warnings'.split(' '),
];

/** The top-level keys of cloud-init 22 to 26: of its JSON schema (schema-cloud-config-v1.json), and those. */
const knownKeys: readonly string[] = [
  ...systemKeys,
  ...'allow_public_ssh_keys ansible apk_repos apt apt_pipelining apt_reboot_if_required apt_update'.split(
    ' ',
  ),
  ...'apt_upgrade authkey_hash autoinstall bootcmd byobu_by_default ca-certs ca_certs chef chpasswd'.split(
    ' ',
  ),
  ...'cloud_config_modules cloud_final_modules cloud_init_modules create_hostname_file device_aliases'.split(
    ' ',
  ),
  ...'disable_ec2_metadata disable_piwiz disable_root disable_root_opts disk_setup drivers'.split(' '),
  ...'enable_rpi_connect fan final_message fqdn fs_setup groups growpart grub-dpkg grub_dpkg hostname'.split(
    ' ',
  ),
  ...'keyboard landscape launch-index locale locale_configfile lxd manage_etc_hosts manage_resolv_conf'.split(
    ' ',
  ),
  ...'mcollective merge_how merge_type migrate mount_default_fields mounts no_ssh_fingerprints ntp'.split(
    ' ',
  ),
  ...'output package_reboot_if_required package_update package_upgrade packages password phone_home'.split(
    ' ',
  ),
  ...'power_state prefer_fqdn_over_hostname preserve_hostname puppet random_seed reporting'.split(' '),
  ...'resize_rootfs resolv_conf rh_subscription rpi rpi_interfaces rpi_userconf rsyslog runcmd'.split(' '),
  ...'salt_minion snap spacewalk ssh ssh_authorized_keys ssh_deletekeys ssh_fp_console_blacklist'.split(' '),
  ...'ssh_genkeytypes ssh_import_id ssh_key_console_blacklist ssh_keys ssh_publish_hostkeys ssh_pwauth'.split(
    ' ',
  ),
  ...'ssh_quiet_keygen swap system_info timezone ubuntu_advantage ubuntu_pro updates user users'.split(' '),
  ...'vendor_data version wireguard write_files yum_repo_dir yum_repos zypper'.split(' '),
];
