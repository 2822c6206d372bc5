import {execFileSync, spawnSync} from 'node:child_process';
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import {tmpdir} from 'node:os';
import {dirname, join} from 'node:path';
import {afterEach, beforeEach, describe, expect, it} from 'vitest';
import {packageRoot} from '../../../src/package-root.ts';

const shims = join(packageRoot, 'src/sandbox/shims');
const names = ['timedatectl', 'hostnamectl', 'localectl', 'loginctl', 'hostname', 'sysctl'];
let root: string;

beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'fgimage-settings-'));
  write('bin/settings', readFileSync(join(shims, 'settings.sh'), 'utf8').replace(/^root=$/m, `root=${root}`));
  for (const name of names) {
    symlinkSync('settings', join(root, 'bin', name));
    write(`run/fgimage/real/${name}`, `#!/bin/sh\necho "the real ${name} $*"\n`);
  }
  write('bin/systemctl', `#!/bin/sh\necho "systemctl $*" >> ${root}/asked\n`);
  write('etc/debian_version', '12\n');
  for (const zone of ['UTC', 'Europe/Berlin']) write(`usr/share/zoneinfo/${zone}`, '');
});
afterEach(() => {
  rmSync(root, {recursive: true, force: true});
});

function write(path: string, text: string): void {
  mkdirSync(dirname(join(root, path)), {recursive: true});
  writeFileSync(join(root, path), text);
  chmodSync(join(root, path), 0o755);
}

function text(path: string): string | undefined {
  return existsSync(join(root, path)) ? readFileSync(join(root, path), 'utf8') : undefined;
}

/** Runs a shim: what it printed, and behind a `!` what it exited with and told. */
function run(name: string, ...args: string[]): string {
  const PATH = `${root}/bin:${process.env['PATH'] ?? ''}`;
  const {status, stdout, stderr} = spawnSync(join(root, 'bin', name), args, {env: {PATH}, encoding: 'utf8'});
  return status === 0 ? stdout : `!${String(status)} ${stderr}`;
}

describe('timedatectl', () => {
  it('sets the time zone of the tree, and says which one it has', () => {
    expect(run('timedatectl', '--no-ask-password', 'set-timezone', 'Europe/Berlin')).toBe('');
    expect(readlinkSync(join(root, 'etc/localtime'))).toBe('/usr/share/zoneinfo/Europe/Berlin');
    expect(text('etc/timezone')).toBe('Europe/Berlin\n');
    expect(run('timedatectl', 'status')).toMatch(/^ *Time zone: Europe\/Berlin \(.*, [+-]\d{4}\)$/m);
    expect(run('timedatectl')).toContain('RTC in local TZ: no\n');
    expect(run('timedatectl', 'show', '--property=Timezone', '--value')).toBe('Europe/Berlin\n');
    expect(run('timedatectl', 'list-timezones')).toBe('Europe/Berlin\nUTC\n');
  });

  it('refuses a zone that is not there, and the clock', () => {
    for (const zone of ['Europe/Bonn', '../../etc/passwd', ''])
      expect(run('timedatectl', 'set-timezone', zone)).toBe(
        `!1 Failed to set time zone: Invalid or not installed time zone '${zone}'\n`,
      );
    expect(run('timedatectl', 'set-time', '12:00')).toMatch(
      /^!1 fgimage: timedatectl set-time asks the machine/,
    );
    expect(existsSync(join(root, 'etc/localtime'))).toBe(false);
  });

  it('has the service of the time started, which is noted down', () => {
    expect(run('timedatectl', 'set-ntp', 'true')).toBe('');
    expect(text('asked')).toMatch(/systemctl enable --now systemd-timesyncd\.service\n$/);
    run('timedatectl', 'set-local-rtc', '1');
    expect(text('etc/adjtime')).toBe('0.0 0 0\n0\nLOCAL\n');
  });
});

describe('hostnamectl', () => {
  it('sets the name of the image, and what else there is of it', () => {
    expect(run('hostnamectl', 'set-hostname', 'web.example.org')).toBe('');
    expect(run('hostnamectl', '--pretty', 'set-hostname', 'The web')).toBe('');
    expect(run('hostnamectl', 'set-location', 'Rack 3')).toBe('');
    expect(text('etc/hostname')).toBe('web.example.org\n');
    expect(text('etc/machine-info')).toBe('PRETTY_HOSTNAME="The web"\nLOCATION="Rack 3"\n');
    expect(run('hostnamectl', 'status')).toContain('Static hostname: web.example.org\n');
    expect(run('hostnamectl', '--static', 'status')).toBe('web.example.org\n');
    expect(run('hostnamectl', 'hostname', 'db', '--static')).toBe('');
    expect(run('hostnamectl', 'hostname')).toBe('db\n');
    expect(run('hostnamectl', 'location')).toBe('Rack 3\n');
  });

  it('refuses what is no name, and does nothing about one of the moment', () => {
    expect(run('hostnamectl', 'set-hostname', 'a b')).toBe("!1 Invalid hostname 'a b'\n");
    expect(run('hostnamectl', '--transient', 'set-hostname', 'db')).toBe('');
    expect(text('etc/hostname')).toBeUndefined();
  });
});

describe('localectl', () => {
  it('sets the locale where the distribution has it', () => {
    expect(run('localectl', 'set-locale', 'LANG=C.UTF-8', 'LC_TIME=C')).toBe('');
    expect(text('etc/default/locale')).toBe('LANG=C.UTF-8\nLC_TIME=C\n');
    expect(run('localectl')).toContain('System Locale: LANG=C.UTF-8\n');
    rmSync(join(root, 'etc/debian_version'));
    expect(run('localectl', 'set-locale', 'C.UTF-8')).toBe('');
    expect(text('etc/locale.conf')).toBe('LANG=C.UTF-8\n');
  });

  it('refuses one that is not made, and keyboards', () => {
    expect(run('localectl', 'set-locale', 'LANG=xx_XX.UTF-8')).toMatch(
      /^!1 Locale xx_XX\.UTF-8 is not installed/,
    );
    expect(run('localectl', 'set-keymap', 'de')).toContain('/etc/default/keyboard');
  });
});

describe('what is about the machine that runs', () => {
  it('is left undone by sysctl, which answers from the kernel', () => {
    expect(run('sysctl', '-w', 'vm.swappiness=19')).toBe('vm.swappiness = 19\n');
    for (const words of [['-p'], ['-e', '-p'], ['-qp', '/etc/sysctl.conf'], ['--system'], ['-q', 'a.b=1']])
      expect(run('sysctl', ...words)).toBe('');
    expect(run('sysctl', '-n', '-e', 'vm.swappiness')).toBe('the real sysctl -n -e vm.swappiness\n');
  });

  it('is left undone by hostname', () => {
    expect(run('hostname', 'web')).toBe('');
    expect(run('hostname', '-F', '/etc/hostname')).toBe('');
    expect(run('hostname', '-s')).toBe('the real hostname -s\n');
  });

  it('is what loginctl keeps for a user without a session', () => {
    const user = execFileSync('id', ['-un'], {encoding: 'utf8'}).trim();
    expect(run('loginctl', 'enable-linger', user)).toBe('');
    expect(text(`var/lib/systemd/linger/${user}`)).toBe('');
    expect(run('loginctl', 'disable-linger', user)).toBe('');
    expect(text(`var/lib/systemd/linger/${user}`)).toBeUndefined();
    expect(run('loginctl', 'terminate-user', user)).toMatch(/^!1 fgimage: loginctl terminate-user/);
  });

  it('is not there where the image has no such program', () => {
    rmSync(join(root, 'run/fgimage/real/sysctl'));
    expect(run('sysctl', '-w', 'a.b=1')).toBe('!127 sysctl: there is no such program in this image\n');
  });
});

it.each(['reboot', 'shutdown', 'poweroff'])('%s, a name of systemctl, does nothing and succeeds', (name) => {
  symlinkSync(join(shims, 'services.sh'), join(root, name));
  const {status, stderr} = spawnSync('/bin/sh', [join(root, name), '-r', 'now'], {encoding: 'utf8'});
  expect([status, stderr]).toEqual([0, `fgimage: ${name} does nothing while an image is built\n`]);
});

it('is a program that can be run, like all shims', () => {
  for (const name of readdirSync(shims))
    expect([name, statSync(join(shims, name)).mode & 0o111]).toEqual([name, 0o111]);
});

it('lists what was started, and nothing of it as failed', () => {
  const shim = readFileSync(join(shims, 'services.sh'), 'utf8');
  write('bin/services', shim.replace(/^state=.*$/m, `state=${root}`));
  write('record', 'start a.service\nstart b.socket\nstart c.service\nstop c.service\n');
  rmSync(join(root, 'bin/systemctl'));
  symlinkSync('services', join(root, 'bin/systemctl'));

  expect(run('systemctl', 'list-units', '--type=service')).toBe(
    'a.service loaded active running a.service\n',
  );
  for (const words of [['--failed'], ['list-units', '--state=failed']])
    expect(run('systemctl', ...words)).toBe('');
});
