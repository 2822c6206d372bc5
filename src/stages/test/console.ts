import {stripVTControlCharacters} from 'node:util';
import {failureMarker} from './netboot.ts';
import {LineSplitter} from './serial-protocol.ts';

/** Reads the serial console as a person would: how far the boot is, whether it is lost, what came last. */
export class ConsoleWatch {
  readonly #endings: readonly Ending[];
  readonly #splitter = new LineSplitter();
  readonly #last: string[] = [];
  #stage = '';
  #fatal: string | undefined;
  #login = false;

  /** `inCloud`: a guest that finds no cloud is lost. */
  constructor({inCloud}: {readonly inCloud: boolean}) {
    this.#endings = inCloud ? [...endings, noCloudFound] : endings;
  }

  /** Why this boot cannot succeed any more, if so. */
  get fatal(): string | undefined {
    return this.#fatal;
  }

  /** Whether a login prompt was seen. */
  get login(): boolean {
    return this.#login;
  }

  get lastLines(): readonly string[] {
    const rest = readable(this.#splitter.rest);
    return rest === '' ? [...this.#last] : [...this.#last, rest];
  }

  /** Takes what came; gives back what the guest does now, where that has changed. */
  push(chunk: Uint8Array): string | undefined {
    const before = this.#stage;
    for (const line of this.#splitter.push(chunk)) {
      this.#look(readable(line));
      this.#keep(readable(line));
    }
    this.#look(readable(this.#splitter.rest));
    return this.#stage === before ? undefined : this.#stage;
  }

  #look(line: string): void {
    if (line === '') return;
    // The kernel may have its say on the same line: `node login: [   63.76] kvm: …`.
    if (/\blogin:(?:$| \[ *\d+\.\d+\] )/.test(line)) this.#login = true;
    this.#fatal ??= this.#endings.find(({pattern}) => pattern.test(line))?.reason;
    this.#stage = milestones.find(({pattern}) => pattern.test(line))?.stage ?? this.#stage;
  }

  #keep(line: string): void {
    if (line === '') return;
    this.#last.push(line);
    if (this.#last.length > keptLines) this.#last.shift();
  }
}

const keptLines = 20;

/** A line without colours and cursor movements; they also hold what a person sees as blanks. */
function readable(line: string): string {
  return stripVTControlCharacters(line)
    .replaceAll(/[^\P{C}\t]/gu, '')
    .slice(0, 400)
    .trim();
}

const milestones: readonly {readonly pattern: RegExp; readonly stage: string}[] = [
  {pattern: /\biPXE\b.* -- Open Source Network Boot/, stage: 'iPXE started'},
  {pattern: /Welcome to GRUB|GNU GRUB/, stage: 'boot loader started'},
  {pattern: /Linux version \d/, stage: 'kernel started'},
  {pattern: /Trying wget /, stage: 'fetching the root'},
  {pattern: /systemd\[1\]: systemd \d+/, stage: 'systemd started'},
  {pattern: /Cloud-init v\. .* running/, stage: 'cloud-init running'},
];

interface Ending {
  readonly pattern: RegExp;
  readonly reason: string;
}

/** What cloud-init says at its end (cc_final_message). */
const noCloudFound: Ending = {
  pattern: /Cloud-init v\. .* finished .* Datasource DataSourceNone\b/,
  reason: 'cloud-init did not find its cloud',
};

const endings: readonly Ending[] = [
  {pattern: /Kernel panic - not syncing/, reason: 'the kernel panicked'},
  {
    pattern: /You are in emergency mode|Reached target .*Emergency Mode/,
    reason: 'systemd dropped to emergency mode',
  },
  {pattern: /You are in rescue mode/, reason: 'systemd dropped to rescue mode'},
  {pattern: /^\(initramfs\)$/, reason: 'the initial RAM disk gave up and opened a shell'},
  {pattern: /^BOOT FAILED!/, reason: 'live-boot could not mount the root'},
  {pattern: /^grub( rescue)?>$/, reason: 'GRUB found no configuration'},
  {pattern: /No bootable device/, reason: 'the firmware found nothing to boot'},
  {
    pattern: /BdsDxe: No bootable option|UEFI Interactive Shell/,
    reason: 'the firmware found nothing to boot',
  },
  {pattern: new RegExp(failureMarker), reason: 'iPXE could not fetch or start the kernel'},
];
