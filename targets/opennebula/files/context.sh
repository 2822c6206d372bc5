#!/bin/sh
# Takes what OpenNebula says to this machine from its CONTEXT disk: network, name, keys, scripts.
#
# usage: fgimage-context local            before the network: everything but scripts
#        fgimage-context scripts          when the network is there: USER_DATA, START_SCRIPT, INIT_SCRIPTS
#        fgimage-context read FILE INTO   the variables of a context.sh as files in the folder INTO
#        fgimage-context network VARIABLES INTO    systemd.network(5) files for these variables
#
# context.sh is never sourced. It holds what the owner of the machine and the administrators of the cloud wrote: a
# variable PATH, IFS or LD_PRELOAD would change how this script runs, and a quote that somebody forgot would make a
# line of text a command of root, early in the boot and with no trace. Code comes from the variables for it only. Each
# value is looked at before it goes into a file of somebody else's syntax.
#
# POSIX sh; Debian's essential packages, mawk or gawk.
set -uf
export LC_ALL=C PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
umask 022

here=/usr/lib/fgimage-context
run=/run/fgimage-context
state=/var/lib/fgimage-context
variables=$run/variables

say() {
  printf 'fgimage-context: %s\n' "$*" >&2
}

# The value of a variable, without line breaks at its end; nothing where it is not set.
value() {
  [ ! -f "$variables/$1" ] || cat "$variables/$1"
}

is_yes() {
  case $1 in [Yy][Ee][Ss] | [Yy] | [Tt][Rr][Uu][Ee] | 1) return 0 ;; *) return 1 ;; esac
}

# matches VALUE CHARACTERS: is it one word of these characters (a bracket expression without brackets)?
matches() {
  case $1 in '' | *[!$2]*) return 1 ;; *) return 0 ;; esac
}

upper_case() {
  printf %s "$1" | tr '[:lower:]' '[:upper:]'
}

lower_case() {
  printf %s "$1" | tr '[:upper:]' '[:lower:]'
}

# ---------------------------------------------------------------------------------------------------------------------
# The disk

read_context() {
  rm -rf "$2"
  (umask 077 && mkdir -p "$2") || return 1
  awk -v into="$2" -f "$here/context.awk" "$1"
}

# mount_context SECONDS: a kernel may find the disk some time after the boot began
mount_context() {
  until=$(($(cut -d. -f1 /proc/uptime) + $1))
  mkdir -p "$run/disk"
  while :; do
    for label in CONTEXT CDROM; do
      device=$(blkid -c /dev/null -t "LABEL=$label" -o device 2>/dev/null | grep -v '^/dev/loop' | head -n 1)
      [ -n "$device" ] || continue
      ! mount -t iso9660 -o ro,nosuid,nodev,noexec "$device" "$run/disk" 2>/dev/null || return 0
    done
    [ "$(cut -d. -f1 /proc/uptime)" -lt "$until" ] || return 1
    sleep 1
  done
}

unmount_context() {
  umount "$run/disk"
}

# ---------------------------------------------------------------------------------------------------------------------
# Network

is_mac() {
  case $1 in
    *[!0-9A-Fa-f:]* | *:*:*:*:*:*:*) return 1 ;;
    ??:??:??:??:??:??) return 0 ;;
    *) return 1 ;;
  esac
}

is_ip4() {
  matches "$1" 0-9. || return 1
  case $1 in .* | *. | *..* | *.*.*.*.* | *[0-9][0-9][0-9][0-9]*) return 1 ;; *.*.*.*) return 0 ;; *) return 1 ;; esac
}

is_ip6() {
  case $1 in *:*:*) matches "$1" 0-9A-Fa-f:. ;; *) return 1 ;; esac
}

is_number() {
  matches "$1" 0-9 && [ "${#1}" -le 9 ]
}

is_name() {
  matches "$1" A-Za-z0-9._-
}

# prefix_of MASK: 255.255.254.0 is 23; a number of bits stays what it is
prefix_of() {
  mask=${1:-255.255.255.0}
  if is_number "$mask" && [ "$mask" -le 32 ]; then
    printf %s "$mask"
    return 0
  fi
  is_ip4 "$mask" || return 1
  bits=0
  ended=no
  for part in $(printf %s "$mask" | tr . ' '); do
    case $part in
      255) more=8 ;; 254) more=7 ;; 252) more=6 ;; 248) more=5 ;; 240) more=4 ;;
      224) more=3 ;; 192) more=2 ;; 128) more=1 ;; 0) more=0 ;; *) return 1 ;;
    esac
    [ "$ended" = no ] || [ "$more" = 0 ] || return 1
    [ "$more" = 8 ] || ended=yes
    bits=$((bits + more))
  done
  printf %s "$bits"
}

# addresses_of PREFIX: Address= lines of the variables PREFIX_IP, PREFIX_IP6, …; without both of them nothing
addresses_of() {
  ip=$(value "$1_IP")
  if [ "$method4" = static ] && [ -n "$ip" ]; then
    if is_ip4 "$ip" && bits=$(prefix_of "$(value "$1_MASK")"); then
      printf 'Address=%s/%s\n' "$ip" "$bits"
    else
      say "$1_IP and $1_MASK are no address: left out"
    fi
  fi
  [ "$method6" = static ] || return 0
  ip6=$(value "$1_IP6")
  [ -n "$ip6" ] || ip6=$(value "$1_IPV6")
  bits=$(value "$1_IP6_PREFIX_LENGTH")
  is_number "$bits" && [ "$bits" -le 128 ] || bits=64
  address6 "$1_IP6" "${ip6%%/*}" "$bits"
  ula=$(value "$1_IP6_ULA")
  address6 "$1_IP6_ULA" "${ula%%/*}" 64
}

# address6 NAME ADDRESS BITS
address6() {
  [ -n "$2" ] || return 0
  if is_ip6 "$2"; then printf 'Address=%s/%s\n' "$2" "$3"; else say "$1 is no address: left out"; fi
}

# list_of KEY TEST VALUES: a line for each word that stands the test
list_of() {
  key=$1
  test=$2
  for word in $3; do
    if "$test" "$word"; then printf '%s=%s\n' "$key" "$word"; else say "$key: a value is left out"; fi
  done
}

is_ip() {
  is_ip4 "$1" || is_ip6 "$1"
}

# write_route GATEWAY METRIC [DESTINATION]
write_route() {
  [ -n "$1" ] || return 0
  if ! is_ip "$1"; then
    say "a gateway is no address: left out"
    return 0
  fi
  # Networks with /32 addresses have gateways outside of them.
  printf '\n[Route]\nGateway=%s\nGatewayOnLink=yes\n' "$1"
  [ -z "${3:-}" ] || printf 'Destination=%s\n' "$3"
  ! is_number "$2" || printf 'Metric=%s\n' "$2"
}

# ROUTES: "10.0.0.0/8 via 192.168.1.1, 172.16.0.0/12 via 192.168.1.2"
routes() {
  printf '%s\n' "$1" | tr , '\n' | while read -r destination via gateway rest; do
    [ -n "$destination" ] || continue
    address=${destination%%/*}
    bits=${destination#"$address"}
    bits=${bits#/}
    if is_ip "$address" && { [ -z "$bits" ] || is_number "$bits"; } && [ "$via" = via ] && [ -z "$rest" ]; then
      write_route "$gateway" '' "$destination"
    else
      say "a route is left out"
    fi
  done
}

dhcp_of() {
  case $method4-$method6 in
    dhcp-dhcp) echo yes ;;
    dhcp-*) echo ipv4 ;;
    *-dhcp) echo ipv6 ;;
    *) echo no ;;
  esac
}

accepts_routers() {
  case $method6 in
    auto | dhcp) echo yes ;;
    disable) echo no ;;
    static) if [ -n "$(value "$1_IP6")$(value "$1_IPV6")" ]; then echo no; else echo yes; fi ;;
    *) echo yes ;;
  esac
}

# network_file ETH: the systemd.network(5) text of an interface
network_file() {
  printf '# Made by fgimage-context from the variables %s_… of the CONTEXT disk, at each boot.\n' "$1"
  printf '[Match]\nMACAddress=%s\nType=ether\n' "$mac"
  if [ "$method4" = skip ] && [ "$method6" = skip ]; then
    printf '\n[Link]\nUnmanaged=yes\n'
    return 0
  fi
  mtu=$(value "$1_MTU")
  ! is_number "$mtu" || printf '\n[Link]\nMTUBytes=%s\n' "$mtu"
  printf '\n[Network]\nDHCP=%s\nIPv6AcceptRA=%s\n' "$(dhcp_of)" "$(accepts_routers "$1")"
  [ "$method6" != disable ] || printf 'LinkLocalAddressing=no\n'
  printf %s "$addresses${addresses:+
}"
  list_of DNS is_ip "$(value "$1_DNS")"
  list_of Domains is_name "$(value "$1_SEARCH_DOMAIN")"
  [ "$method4" != static ] || write_route "$(value "$1_GATEWAY")" "$(value "$1_METRIC")"
  if [ "$method6" = static ]; then
    gateway6=$(value "$1_IP6_GATEWAY")
    [ -n "$gateway6" ] || gateway6=$(value "$1_GATEWAY6")
    metric6=$(value "$1_IP6_METRIC")
    write_route "$gateway6" "${metric6:-$(value "$1_METRIC")}"
  fi
  routes "$(value "$1_ROUTES")"
  if [ "$method4" = dhcp ]; then printf '\n[DHCPv4]\nUseDomains=yes\n'; fi
}

# method_of VALUE ALLOWED...: the method in lower case; skip for what is none
method_of() {
  method=$(lower_case "$1")
  shift
  for known in "$@"; do
    [ "$method" != "$known" ] || { printf %s "$method" && return 0; }
  done
  say "a METHOD is none of $*: skipped"
  printf skip
}

write_networks() {
  into=$1
  mkdir -p "$into"
  find "$into" -name '50-fgimage-context-*.network' -delete
  for interface in $(named 'ETH[0-9]+'); do
    mac=$(lower_case "$(value "${interface}_MAC")")
    if ! is_mac "$mac"; then
      [ -z "$mac" ] || say "${interface}_MAC is no address: the interface is left out"
      continue
    fi
    method4=$(value "${interface}_METHOD")
    method4=$(method_of "${method4:-static}" static dhcp skip)
    method6=$(value "${interface}_IP6_METHOD")
    method6=$(method_of "${method6:-$method4}" static dhcp auto disable skip)
    addresses=$(all_addresses "$interface")
    # Nothing is said about its addresses: what the image does with any interface holds, which is DHCP.
    case $method4-$method6 in
      static-static | static-skip | skip-static) [ -n "$addresses" ] || continue ;;
    esac
    network_file "$interface" >"$into/50-fgimage-context-$interface.network"
  done
}

# named PATTERN: the interfaces of a pattern that have a variable …_MAC
named() {
  find "$variables" -name '*_MAC' 2>/dev/null | sed -n -E "s|.*/($1)_MAC\$|\1|p" | sort -V
}

all_addresses() {
  addresses_of "$1"
  for alias in $(named "$1_ALIAS[0-9]+"); do
    [ -z "$(value "${alias}_DETACH")" ] && ! is_yes "$(value "${alias}_EXTERNAL")" || continue
    addresses_of "$alias"
  done
}

# DNS and SEARCH_DOMAIN of no interface
write_resolvers() {
  lines=$(list_of DNS is_ip "$(value DNS)" && list_of Domains is_name "$(value SEARCH_DOMAIN)")
  rm -f "$1/50-fgimage-context.conf"
  [ -n "$lines" ] || return 0
  mkdir -p "$1"
  printf '# Made by fgimage-context.\n[Resolve]\n%s\n' "$lines" >"$1/50-fgimage-context.conf"
}

# ---------------------------------------------------------------------------------------------------------------------
# Identity

# Characters that a name cannot have become hyphens, as OpenNebula's own script does it.
host_name_of() {
  printf %s "$1" | tr '\n' - | sed -e 's/[^-A-Za-z0-9.]/-/g' -e 's/^[-.]*//' -e 's/[-.]*$//' | cut -c 1-253
}

set_host_name() {
  name=$(host_name_of "$1")
  short=$(printf %s "${name%%.*}" | cut -c 1-64)
  [ -n "$short" ] || return 0
  printf '%s\n' "$short" >/etc/hostname
  printf %s "$short" >/proc/sys/kernel/hostname
  hosts=$(grep -v '^127\.0\.1\.1[[:space:]]' /etc/hosts 2>/dev/null)
  names=$short
  [ "$name" = "$short" ] || names="$name $short"
  printf '%s\n127.0.1.1 %s\n' "$hosts" "$names" >/etc/hosts.fgimage
  chmod 0644 /etc/hosts.fgimage
  mv /etc/hosts.fgimage /etc/hosts
}

set_time_zone() {
  zone=$(value TIMEZONE)
  [ -n "$zone" ] || return 0
  case $zone in
    *[!A-Za-z0-9_/+-]* | /* | */) say 'TIMEZONE is no time zone: left out' ;;
    *)
      if [ -f "/usr/share/zoneinfo/$zone" ]; then
        ln -snf "/usr/share/zoneinfo/$zone" /etc/localtime
        printf '%s\n' "$zone" >/etc/timezone
      else
        say "TIMEZONE $zone is not known here (package tzdata): left out"
      fi
      ;;
  esac
}

# The user that the context is for: USERNAME, made where it is not there, else root.
set_user() {
  user=$(value USERNAME)
  user=${user:-root}
  case $user in
    [!a-z_]* | *[!a-z0-9_-]* | ?????????????????????????????????*)
      say 'USERNAME is no name of a user: left out'
      user=root
      ;;
  esac
  getent passwd "$user" >/dev/null || useradd --create-home --shell /bin/bash --password '*' "$user" || user=root
  rules=/etc/sudoers.d/90-fgimage-context
  sudo=$(value USERNAME_SUDO)
  sudo=${sudo:-$(value GRANT_SUDO)}
  if [ "$user" != root ] && is_yes "${sudo:-YES}" && [ -d /etc/sudoers.d ]; then
    (umask 0337 && printf '%s ALL=(ALL) NOPASSWD:ALL\n' "$user" >"$rules.new") && mv "$rules.new" "$rules"
  else
    rm -f "$rules"
  fi
  set_password
  add_keys
}

# Hashes are taken; they are of use at the console only, since SSH takes keys only. A password that stands in the
# context as it is stays readable in the guest and for everybody who may see the VM in the cloud: it is not taken.
set_password() {
  hash=$(value CRYPTED_PASSWORD_BASE64 | base64 -d 2>/dev/null)
  hash=${hash:-$(value CRYPTED_PASSWORD)}
  if [ -n "$(value PASSWORD)$(value PASSWORD_BASE64)" ]; then
    say 'PASSWORD is not taken: give its hash as CRYPTED_PASSWORD_BASE64, or a key'
  fi
  [ -n "$hash" ] || return 0
  case $hash in
    *[!A-Za-z0-9./=,\$+-]*) say 'CRYPTED_PASSWORD is no hash of crypt(5): left out' ;;
    '$'?*'$'?*) printf '%s:%s\n' "$user" "$hash" | chpasswd --encrypted ;;
    *) say 'CRYPTED_PASSWORD is no hash of crypt(5): left out' ;;
  esac
}

as_user() {
  setpriv --reuid "$(id -u "$user")" --regid "$(id -g "$user")" --init-groups "$@"
}

# As that user: its home is its own, and a link in there must not lead root to write somewhere else.
add_keys() {
  keys=$(value SSH_PUBLIC_KEY && echo && value EC2_PUBLIC_KEY)
  [ -n "$keys" ] || return 0
  home=$(getent passwd "$user" | cut -d: -f6)
  printf '%s\n' "$keys" | as_user env HOME="$home" /bin/sh -c '
    umask 077
    cd && mkdir -p .ssh && touch .ssh/authorized_keys || exit
    while read -r key; do
      [ -z "$key" ] || grep -qxF -e "$key" .ssh/authorized_keys || printf "%s\n" "$key" >>.ssh/authorized_keys
    done' || say "the keys could not be written for $user"
}

# ---------------------------------------------------------------------------------------------------------------------
# Disk

grow() {
  wish=$(value GROW_ROOTFS)
  points=$(value GROW_FS)
  ! is_yes "${wish:-YES}" || points="/ $points"
  for point in $points; do grow_one "$point"; done
}

grow_one() {
  source=$(findmnt --noheadings --nofsroot --output SOURCE --target "$1" | head -n 1)
  kind=$(findmnt --noheadings --output FSTYPE --target "$1" | head -n 1)
  source=$(readlink -f "$source")
  part=/sys/class/block/${source##*/}/partition
  if [ -b "$source" ] && [ -f "$part" ]; then
    disk=$(readlink -f "/sys/class/block/${source##*/}/..")
    # It ends with 1 where there is nothing to grow.
    growpart "/dev/${disk##*/}" "$(cat "$part")" >/dev/null || [ $? = 1 ] || say "the partition of $1 does not grow"
  fi
  case $kind in
    ext2 | ext3 | ext4) resize2fs "$source" ;;
    xfs) xfs_growfs "$1" ;;
    btrfs) btrfs filesystem resize max "$1" ;;
    *) say "$1 is of type $kind: left as it is" && return 0 ;;
  esac >/dev/null 2>&1 || say "the file system of $1 does not grow"
}

# ---------------------------------------------------------------------------------------------------------------------
# Scripts

# run_script NAME FILE: runs it from a folder where files may be executed, which /run and the disk are not
run_script() {
  say "$1 begins"
  chmod 0700 "$2"
  (cd "$run/disk" 2>/dev/null || cd /; exec "$2" </dev/null)
  ended=$?
  [ $ended = 0 ] || failed=1
  say "$1 ended with $ended"
}

# USER_DATA, once for this machine, as cloud-init has it. Its cloud-config needs cloud-init.
run_user_data() {
  data=$variables/USER_DATA
  [ -f "$data" ] || data=$variables/USERDATA
  [ -s "$data" ] || return 0
  encoding=$(value USERDATA_ENCODING)
  encoding=$(lower_case "${encoding:-$(value USER_DATA_ENCODING)}")
  script=$state/user-data
  if [ "$encoding" = base64 ]; then base64 -d "$data" >"$script" 2>/dev/null; else cat "$data" >"$script"; fi
  # Without an encoding that is said, base64 is seen by what it is not: readable from its first line on.
  if [ "$encoding" = '' ] && ! head -c 2 "$script" | grep -q '^#' && base64 -d "$data" >"$script.plain" 2>/dev/null; then
    mv "$script.plain" "$script"
  fi
  case $(head -n 1 "$script") in
    '#!'*)
      stamp=$state/done-$( (value VMID && cat "$data") | sha256sum | cut -c 1-64)
      [ ! -e "$stamp" ] || return 0
      : >"$stamp"
      run_script USER_DATA "$script"
      ;;
    *) say 'USER_DATA is no script (#!): only cloud-init reads it (option context: cloud-init)' ;;
  esac
}

run_start_script() {
  script=$state/start-script
  if [ -s "$variables/START_SCRIPT_BASE64" ]; then
    if ! base64 -d "$variables/START_SCRIPT_BASE64" >"$script" 2>/dev/null; then
      say 'START_SCRIPT_BASE64 is no base64: not run'
      failed=1
      return 0
    fi
  elif [ -s "$variables/START_SCRIPT" ]; then
    cat "$variables/START_SCRIPT" >"$script"
  else
    return 0
  fi
  # OpenNebula's own script is one of bash, which takes a file without #! for one of its own.
  head -c 2 "$script" | grep -q '^#!' || sed -i '1i #!/bin/bash' "$script"
  run_script START_SCRIPT "$script"
}

# Files that were put on the disk (FILES_DS), by name; init.sh where none is named.
run_init_scripts() {
  names=$(value INIT_SCRIPTS)
  names=${names:-init.sh}
  for name in $names; do
    name=${name##*/}
    if [ -f "$run/disk/$name" ]; then
      cp "$run/disk/$name" "$state/init-script"
      run_script "$name" "$state/init-script"
    elif [ "$name" != init.sh ]; then
      say "$name is not on the CONTEXT disk"
      failed=1
    fi
  done
}

# DNS_HOSTNAME: the name that the resolvers know of the first address
ask_host_name() {
  [ -z "$(value SET_HOSTNAME)" ] && is_yes "$(value DNS_HOSTNAME)" || return 0
  address=$(ip -o route get 192.0.2.1 2>/dev/null | sed -n 's/.* src \([0-9.]*\).*/\1/p')
  name=$(getent hosts "${address:-none}" | awk '{print $2; exit}')
  [ -z "$name" ] || set_host_name "$name"
}

# ---------------------------------------------------------------------------------------------------------------------

local_part() {
  (umask 077 && mkdir -p "$run" "$state")
  rm -rf "$variables"
  # On a slow machine it takes half a minute until every device is there; the disk is often among the first.
  if mount_context 0 || { udevadm settle --timeout=60 && false; } || mount_context 10; then
    if read_context "$run/disk/context.sh" "$variables"; then
      say "the context of $device is read"
    else
      say "the context of $device cannot be read, and none of it counts"
      rm -rf "$variables"
      result=1
    fi
    unmount_context
  else
    say 'there is no CONTEXT disk'
  fi
  write_networks /run/systemd/network
  write_resolvers /run/systemd/resolved.conf.d
  if [ -d "$variables" ]; then
    name=$(value SET_HOSTNAME)
    set_host_name "${name:-$(value HOSTNAME)}"
    set_time_zone
    set_user
  fi
  grow
}

scripts_part() {
  failed=0
  ask_host_name
  export HOME=/root
  mount_context 0 || say 'there is no CONTEXT disk'
  run_user_data
  run_init_scripts
  run_start_script
  ! mountpoint -q "$run/disk" || unmount_context
  result=$failed
}

result=0
case ${1:-} in
  local) local_part ;;
  scripts) scripts_part ;;
  read)
    here=$(dirname "$0")
    read_context "$2" "$3" || result=1
    ;;
  network)
    variables=$2
    write_networks "$3"
    write_resolvers "$3"
    ;;
  *)
    say 'usage: fgimage-context local | scripts | read FILE INTO | network VARIABLES INTO'
    result=2
    ;;
esac
exit $result
