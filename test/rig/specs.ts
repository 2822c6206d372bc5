/** A spec of one image with a mirror of its own, so that the host's apt is not asked for one. */
export function spec(rest = ''): string {
  return `version: 1
name: web
os: {distribution: debian, release: bookworm, mirror: "http://mirror.example.org/debian"}
${rest}`;
}

/** … with both targets. */
export const bothTargets = spec(`packages:
  - curl
hostname: web
targets:
  openstack:
    format: qcow2
  hpc:
    compression: zstd
`);

export interface FakeApt {
  /** Names of the packages in the archive. */
  readonly packages: readonly string[];
  /** Shell text that runs before the lists are written. */
  readonly before?: string;
}

/** An apt-get whose `update` brings an archive of these packages. Notes each `update` in `apt-calls` of the rig. */
export function fakeApt(rigFolder: string, {packages, before = ''}: FakeApt): string {
  const paragraphs = packages.map((name) => `Package: ${name}\nVersion: 1\n`).join('\n');
  return `[ "$1" = --version ] && echo 'apt 2.6.1 (amd64)' && exit
echo "$$" >> '${rigFolder}/apt-calls'
${before}
for word; do case $word in Dir::State::Lists=*) lists=\${word#*=};; esac; done
cat > "$lists/mirror.example.org_debian_dists_bookworm_main_binary-amd64_Packages" <<'END'
${paragraphs}
END
echo 'Reading package lists...'`;
}

/** An apt-get whose mirror does not answer. */
export const unreachableApt = `[ "$1" = --version ] && echo 'apt 2.6.1 (amd64)' && exit
echo 'Ign:1 http://mirror.example.org/debian bookworm InRelease'
echo 'Err:1 http://mirror.example.org/debian bookworm InRelease'
echo '  Could not resolve mirror.example.org'
echo 'E: Failed to fetch http://mirror.example.org/debian/dists/bookworm/InRelease  Could not resolve mirror.example.org' >&2
exit 100`;
