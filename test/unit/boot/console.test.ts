import {describe, expect, test} from 'vitest';
import {ConsoleWatch} from '../../../src/stages/test/console.ts';

function watch(...texts: readonly string[]): {
  readonly console: ConsoleWatch;
  readonly stages: readonly string[];
} {
  const console = new ConsoleWatch({inCloud: false});
  const stages = texts.map((text) => console.push(Buffer.from(text))).filter((stage) => stage !== undefined);
  return {console, stages};
}

describe('ConsoleWatch', () => {
  test('tells how far the boot is, once a stage', () => {
    const {stages} = watch(
      'SeaBIOS (version 1.16.2)\r\n',
      'iPXE 1.21.1 -- Open Source Network Boot Firmware -- http://ipxe.org\r\n',
      '[    0.000000] Linux version 6.1.0-40-amd64 (debian-kernel)\n',
      '[    0.1] Linux version 6.1.0 once more\n',
      "[   31.0] cloud-init[398]: Cloud-init v. 22.4.2 running 'init-local' at …\n",
    );

    expect(stages).toEqual(['iPXE started', 'kernel started', 'cloud-init running']);
  });

  test('sees a login prompt, which has no line end', () => {
    expect(watch('Debian GNU/Linux 12 node ttyS0\n\nnode log', 'in: ').console.login).toBe(true);
    expect(watch('node login: [   63.766508] kvm: Nested Virtualization enabled\n').console.login).toBe(true);
    expect(watch('systemd-logind.service - User Login Management\n').console.login).toBe(false);
    expect(watch('login: [info] somebody came\n').console.login).toBe(false);
  });

  test('keeps the last lines readable', () => {
    const {console} = watch(
      '\u001B[0;32m  OK  \u001B[0m] Started\r\n\r\n',
      ...Array<string>(30).fill('x\n'),
      'rest',
    );

    expect(console.lastLines).toHaveLength(21);
    expect(console.lastLines.at(-1)).toBe('rest');
    expect(watch('\u001B[0;32m  OK  \u001B[0m] Started\u0007\r\n').console.lastLines).toEqual([
      'OK  ] Started',
    ]);
  });

  test.each([
    ['[   2.1] Kernel panic - not syncing: VFS: Unable to mount root fs\n', 'the kernel panicked'],
    ['You are in emergency mode. After logging in, type\n', 'systemd dropped to emergency mode'],
    ['(initramfs) ', 'the initial RAM disk gave up and opened a shell'],
    ['\u001B[1;37mBOOT FAILED!\u001B[0m\n', 'live-boot could not mount the root'],
    ['grub rescue> ', 'GRUB found no configuration'],
    ['grub> ', 'GRUB found no configuration'],
    ['No bootable device.\r\n', 'the firmware found nothing to boot'],
    ['BdsDxe: No bootable option or device was found.\r\n', 'the firmware found nothing to boot'],
    ['fgimage: network boot failed\r\n', 'iPXE could not fetch or start the kernel'],
  ])('knows that %j is the end', (text, reason) => {
    expect(watch(text).console.fatal).toBe(reason);
  });

  test('knows that a guest without its cloud is lost, where it is to be in one', () => {
    const text =
      '[  190.3] cloud-init[586]: Cloud-init v. 22.4.2 finished at Sun, 22 Nov 2026 16:10:58 +0000. Datasource DataSourceNone.  Up 190.25 seconds\n';
    const inCloud = new ConsoleWatch({inCloud: true});
    inCloud.push(Buffer.from(text));

    expect(inCloud.fatal).toBe('cloud-init did not find its cloud');
    expect(watch(text).console.fatal).toBeUndefined();
  });

  test('does not take a mention for the end', () => {
    const {console} = watch(
      'Welcome to GRUB!\n',
      'Booting from Hard Disk...\n',
      'echo (initramfs) is not a prompt\n',
    );

    expect(console.fatal).toBeUndefined();
  });
});
