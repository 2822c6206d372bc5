/** Values that nobody may find anywhere but in the step that has them. */
export const secretValues = {
  token: 'tok-9f2c7e51d8a34b06',
  key: '-----BEGIN A KEY-----\nq8Zk3vW1nT5yR7uL2pXc4bMd6sHf0gJa\n-----END A KEY-----\n',
};

const units = `
for name in started enabled stopped masked; do
  printf '[Unit]\\nDescription=%s\\n[Service]\\nExecStart=/bin/true\\n[Install]\\nWantedBy=multi-user.target\\n' "$name" \\
    > "/usr/lib/systemd/system/probe-$name.service"
done
printf '[Unit]\\nDescription=static\\n[Service]\\nExecStart=/bin/true\\n' > /usr/lib/systemd/system/probe-static.service
systemctl daemon-reload
say() { printf 'seen: %s\\n' "$*"; }
say "$(cat /proc/1/comm)"
say "$(systemctl is-active probe-started || true)"
/usr/bin/systemctl start probe-started
say "$(systemctl is-active probe-started) $(systemctl is-enabled probe-started || true)"
systemctl enable --now probe-enabled
service probe-static restart
systemctl start probe-stopped
/usr/sbin/service probe-stopped stop
systemctl start probe-masked
systemctl mask --now probe-masked > /dev/null
say "$(systemctl show --property=ActiveState,UnitFileState,LoadState probe-enabled | tr '\\n' ' ')"
code=0
systemctl start absent || code=$?
say "absent $code"
code=0
systemctl status probe-stopped > /dev/null || code=$?
say "status $code"
start-stop-daemon --start --exec /bin/false
chmod 755 /usr/bin/systemctl
`;

const secrets = `
cat /run/secrets/token /run/secrets/key
base64 -w0 /run/secrets/token
printf 'user:%s' "$(cat /run/secrets/token)" | base64 -w0
echo
stat -c 'mode %a %n' /run/secrets/*
sed -n 's/^Max core file size *\\([^ ]*\\).*/core \\1/p' /proc/self/limits
sha256sum < /run/secrets/token > /etc/token.sha256
date +%N >> /var/cache/probe/runs
wc -l < /var/cache/probe/runs
`;

function indent(text: string): string {
  return text.trim().replaceAll('\n', '\n        ');
}

/** A spec that has in its steps what every step can have. */
export const steps = `version: 1
name: web
os: {distribution: debian, release: bookworm}
provision:
  - shell: never meant for this release
    when: {release: bullseye}
  - shell: |
        ${indent(units)}
  - shell: |
        ${indent(secrets)}
    secrets:
      - {name: token, env: PROBE_TOKEN}
      - {name: key, file: ~/probe-key}
    caches: [/var/cache/probe]
  - shell:
      inline: |
        munge --version
        id munge
        echo "$1 in $PWD is $PROBE" > /etc/probe
      args: [two words]
      env: {PROBE: set}
      folder: /usr
      packages: [munge]
  - cloud-init: |
      #cloud-config
      runcmd: [touch /first-boot]
  - shell: |
      apt-get install -y hello
      test -s /etc/resolv.conf
      timedatectl set-timezone Etc/GMT-3
      /usr/bin/hostnamectl set-hostname probe.example.org
      if cat /proc/sys/vm/swappiness 2>&1 > /proc/sys/vm/swappiness; then echo 'the kernel was set'; fi
    network: true
targets: {tarball: {compression: none}}
`;
