import {readFileSync} from 'node:fs';
import {parseLock} from '../../src/lock/file.ts';
import type {LockedPackage} from '../../src/lock/lock.ts';
import {FaultyMirror} from '../unit/lock/faulty-mirror.ts';
import {lockAndSeed} from './locked.ts';
import {type Ended, Rig} from './rig.ts';
import {bothTargets} from './specs.ts';

/** A project with a lock, built, and the proxy by which its mirror is reached: it has every package of the lock. */
export class FetchRig {
  readonly rig: Rig;
  readonly mirror: FaultyMirror;
  readonly packages: readonly LockedPackage[];

  private constructor(rig: Rig, mirror: FaultyMirror, packages: readonly LockedPackage[]) {
    this.rig = rig;
    this.mirror = mirror;
    this.packages = packages;
  }

  static async start(files: Readonly<Record<string, string>> = {}): Promise<FetchRig> {
    const rig = new Rig({'fgimage.yaml': bothTargets, ...files});
    await lockAndSeed(rig);
    const path = rig.join('project', 'fgimage.lock');
    const lock = parseLock(readFileSync(path, 'utf8'), path);
    const all = Object.values(lock.archives).flatMap((archive) => archive.packages);
    const packages = [...new Map(all.map((one) => [one.name, one])).values()];
    const mirror = await FaultyMirror.start(
      Object.fromEntries(packages.map((one) => [`/debian/${one.path}`, {gives: Buffer.from(one.name)}])),
    );
    return new FetchRig(rig, mirror, packages);
  }

  run(words: readonly string[], env: Readonly<Record<string, string>> = {}): Promise<Ended> {
    return this.rig.run(words, {env: {http_proxy: this.mirror.at(''), ...env}});
  }

  /** Of all packages. */
  get sizeBytes(): number {
    return this.packages.reduce((sum, {size}) => sum + size, 0);
  }

  /** What the fetch of everything prints. */
  line(rest: string): string {
    return `${this.packages.length} packages, ${this.sizeBytes} B: ${rest}\n`;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.mirror[Symbol.asyncDispose]();
    await this.rig[Symbol.asyncDispose]();
  }
}
