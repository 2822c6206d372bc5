import {expect, test} from 'vitest';
import {chainScript} from '../../../src/stages/test/netboot.ts';
import {ipxeScript, pxelinuxConfig} from '../../../targets/hpc/boot-scripts.ts';

const files = {kernel: 'vmlinuz', initrd: 'initrd.img', rootfs: 'root.squashfs'};

test('ipxeScript() takes the files from base-url, else from where it came from itself', () => {
  expect(ipxeScript({files, cmdline: 'boot=live  console=ttyS0'})).toMatchInlineSnapshot(`
    "#!ipxe
    # Settings that may be made before this script is chained: base-url, fgimage-args, fgimage-initrd.
    isset \${base-url} && set fgimage-from \${base-url}/ || set fgimage-from \${cwduri}
    isset \${fgimage-initrd} && set fgimage-second initrd=site.img || clear fgimage-second
    set fgimage-root fetch=\${fgimage-from}root.squashfs BOOTIF=01-\${netX/mac:hexhyp}
    set fgimage-all initrd=initrd.img \${fgimage-second} \${fgimage-root} boot=live console=ttyS0 \${fgimage-args}
    kernel \${fgimage-from}vmlinuz \${fgimage-all} || goto failed
    initrd --name initrd.img \${fgimage-from}initrd.img || goto failed
    isset \${fgimage-initrd} || goto start
    initrd --name site.img \${fgimage-initrd} || goto failed
    :start
    boot || goto failed
    :failed
    echo fgimage: network boot failed
    sleep 10
    exit 1
    "
  `);
});

test('ipxeScript() with a base URL leaves a site its own', () => {
  const script = ipxeScript({files, cmdline: '', baseUrl: 'http://boot.example/images/a/'});

  expect(script.split('\n')[2]).toBe(`isset \${base-url} || set base-url http://boot.example/images/a`);
});

test('pxelinuxConfig() asks the next server by HTTP, or the base URL', () => {
  expect(pxelinuxConfig({files, cmdline: 'boot=live'})).toMatchInlineSnapshot(`
    "DEFAULT fgimage
    PROMPT 0
    LABEL fgimage
      KERNEL vmlinuz
      APPEND initrd=initrd.img fetch=http:///root.squashfs boot=live
      IPAPPEND 2
    "
  `);
  expect(pxelinuxConfig({files, cmdline: 'boot=live', baseUrl: 'http://192.0.2.1/a/'})).toContain(
    ' fetch=http://192.0.2.1/a/root.squashfs boot=live\n',
  );
});

test.each([ipxeScript, pxelinuxConfig])('%o keeps a command line on its line', (generate) => {
  const script = generate({files, cmdline: 'a\nboot http://evil.example/\r\n  b'});

  expect(script).toContain(' a boot http://evil.example/ b');
});

test('chainScript() makes the settings that the boot script reads', () => {
  const script = chainScript({
    baseUrl: 'http://10.0.2.2:8080/abc',
    script: 'boot.ipxe',
    siteInitrd: 'test.img',
  });

  expect(script).toMatchInlineSnapshot(`
    "#!ipxe
    set base-url http://10.0.2.2:8080/abc
    set fgimage-initrd http://10.0.2.2:8080/abc/test.img
    chain http://10.0.2.2:8080/abc/boot.ipxe || echo fgimage: network boot failed
    "
  `);
});
