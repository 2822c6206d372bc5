/** What a package URL tells; of type `deb` (https://github.com/package-url/purl-spec, types/deb). */
export interface DebPurl {
  readonly name: string;
  readonly version: string;
  readonly architecture: string;
  readonly source: {readonly name: string; readonly version: string};
  readonly os: {readonly id: string; readonly version_id: string; readonly codename: string};
}

/**
 * `pkg:deb/debian/libc6@2.36-9?arch=amd64&distro=debian-12&upstream=glibc`. `upstream` is how scanners find the advisories
 * of the source package; with a version of its own where that is another one.
 */
export function debPurl({name, version, architecture, source, os}: DebPurl): string {
  const release = os.version_id === '' ? os.codename : os.version_id;
  const upstream = source.version === version ? source.name : `${source.name}@${source.version}`;
  const qualifiers = [
    ['arch', architecture],
    ['distro', release === '' ? os.id : `${os.id}-${release}`],
    ...(upstream === name ? [] : [['upstream', upstream]]),
  ];
  const asked = qualifiers.map(([key = '', value = '']) => `${key}=${encode(value)}`).join('&');
  return `pkg:deb/${encode(os.id)}/${encode(name)}@${encode(version)}?${asked}`;
}

/**
 * `pkg:rpm/rocky/bash@5.1.8-9.el9?arch=x86_64&distro=rocky-9.4&epoch=1&upstream=bash-5.1.8-9.el9.src.rpm`: the epoch is no
 * part of the version (types/rpm); `upstream` as scanners take it.
 */
export function rpmPurl({name, version, architecture, source, os}: DebPurl): string {
  const [, epoch, plain = version] = /^(?:(\d+):)?(.*)$/.exec(version) ?? [];
  const qualifiers = [
    ['arch', architecture],
    ['distro', os.version_id === '' ? os.id : `${os.id}-${os.version_id}`],
    ...(epoch === undefined ? [] : [['epoch', epoch]]),
    ['upstream', `${source.name}-${source.version.replace(/^\d+:/, '')}.src.rpm`],
  ];
  const asked = qualifiers.map(([key = '', value = '']) => `${key}=${encode(value)}`).join('&');
  return `pkg:rpm/${encode(os.id)}/${encode(name)}@${encode(plain)}?${asked}`;
}

/** `pkg:apk/alpine/musl@1.2.5-r10?arch=x86_64&distro=alpine-3.22.1`, with `upstream` like that of a .deb (types/apk). */
export function apkPurl({name, version, architecture, source, os}: DebPurl): string {
  const qualifiers = [
    ['arch', architecture],
    ['distro', os.version_id === '' ? os.id : `${os.id}-${os.version_id}`],
    ...(source.name === name ? [] : [['upstream', source.name]]),
  ];
  const asked = qualifiers.map(([key = '', value = '']) => `${key}=${encode(value)}`).join('&');
  return `pkg:apk/${encode(os.id)}/${encode(name)}@${encode(version)}?${asked}`;
}

/** Everything but letters, digits, `.`, `-`, `_` and `~` is percent-encoded, and a colon never. */
function encode(text: string): string {
  return encodeURIComponent(text)
    .replaceAll(/[!'()*]/g, (character) => `%${character.charCodeAt(0).toString(16).toUpperCase()}`)
    .replaceAll('%3A', ':');
}
