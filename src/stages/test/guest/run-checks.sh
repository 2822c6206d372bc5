#!/bin/sh
# Runs in the booted image, as root: looks where the plan says and reports what it sees. It judges nothing.
#
# usage: run-checks.sh PLAN OUTPUT
#
# PLAN has one line a check: `<id> <kind> <argument>...`, OUTPUT (the second serial port) gets one line a fact:
# `FG1 <word> [<id> <key>=<base64>...]`. Both are written down in serial-protocol.ts. An argument is `b:` and base64,
# so that nothing of a spec is ever read as shell text. Needs POSIX sh and Debian's essential packages only.
set -u
export LC_ALL=C PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin HOME=/root

plan=$1
work=$(mktemp -d)
limit=300
patience=30

if [ -c "$2" ]; then stty -F "$2" raw -echo; fi
exec 3>>"$2"

decode() {
  printf %s "${1#b:}" | base64 -d
}

encode() {
  base64 -w0
}

# report ID KEY TEXT [KEY TEXT]...
report() {
  line="FG1 saw $1"
  shift
  while [ $# -ge 2 ]; do
    line="$line $1=$(printf %s "$2" | encode)"
    shift 2
  done
  printf '%s\n' "$line" >&3
}

uptime_seconds() {
  cut -d. -f1 /proc/uptime
}

# retry COMMAND...: until it succeeds or patience is at its end
retry() {
  until=$(($(uptime_seconds) + patience))
  while ! "$@"; do
    [ "$(uptime_seconds)" -lt "$until" ] || return 1
    sleep 1
  done
}

look_at_system() {
  while :; do
    state=$(systemctl is-system-running 2>/dev/null)
    case $state in running | degraded | maintenance | stopping) break ;; esac
    [ "$(uptime_seconds)" -lt "$limit" ] || break
    sleep 2
  done
  jobs=
  [ "$state" != starting ] || jobs=$(systemctl list-jobs --no-legend --no-pager 2>/dev/null | awk '{print $2}')
  report "$1" state "$state" target "$(systemctl get-default 2>/dev/null)" \
    active "$(systemctl is-active default.target 2>/dev/null)" jobs "$jobs"
}

look_at_units() {
  failed=$(systemctl list-units --state=failed --plain --no-legend --no-pager 2>/dev/null | awk '{print $1}')
  why=
  for unit in $failed; do
    why="$why$unit: $(journalctl -u "$unit" -n 3 --no-pager -o cat 2>/dev/null | tail -n 3 | tr '\n' ' ')
"
  done
  report "$1" failed "$failed" why "$(printf %s "$why" | head -c 4000)"
}

look_at_root() {
  source=$(findmnt -n -o SOURCE /)
  device=$(readlink -f "/sys/class/block/${source#/dev/}")
  disk=$device
  start=0
  if [ -e "$device/partition" ]; then
    disk=${device%/*}
    start=$(cat "$device/start")
  fi
  report "$1" source "$source" start "$start" partition "$(cat "$device/size" 2>/dev/null)" \
    disk "$(cat "$disk/size" 2>/dev/null)" kib "$(df -k -P / | awk 'NR == 2 {print $2}')"
}

has_default_route() {
  awk 'NR > 1 && $2 == "00000000" {found = 1} END {exit !found}' /proc/net/route
}

# The status line of an HTTP request, by bash alone.
http_status() {
  timeout 15 bash -c 'exec 4<>"/dev/tcp/$1/$2" && printf "GET %s HTTP/1.0\r\n\r\n" "$3" >&4 && head -n 1 <&4' \
    http_status "$@" 2>"$work/http" | tr -d '\r'
}

has_answer() {
  answer=$(http_status "$@")
  [ -n "$answer" ]
}

look_at_network() {
  route=no
  answer=
  if retry has_default_route; then route=yes; fi
  [ "$route" = no ] || retry has_answer "$(decode "$2")" "$(decode "$3")" "$(decode "$4")"
  report "$1" route "$route" answer "$answer" error "$(head -c 500 "$work/http" 2>/dev/null)"
}

look_at_cloud_init() {
  if ! command -v cloud-init >/dev/null; then
    report "$1" status absent
    return
  fi
  status=$(timeout 120 cloud-init status --wait --long 2>&1 | sed 's|^\.*||' | head -c 2000)
  report "$1" status "$status"
}

look_at_identity() {
  report "$1" id "$(cat /etc/machine-id 2>/dev/null)"
}

look_at_host_keys() {
  server=no
  [ ! -x /usr/sbin/sshd ] || server=yes
  keys=0
  oldest=
  for key in /etc/ssh/ssh_host_*_key; do
    [ -e "$key" ] || continue
    keys=$((keys + 1))
    made=$(stat -c %Y "$key")
    if [ -z "$oldest" ] || [ "$made" -lt "$oldest" ]; then oldest=$made; fi
  done
  report "$1" server "$server" keys "$keys" oldest "$oldest" boot "$(awk '$1 == "btime" {print $2}' /proc/stat)"
}

look_at_mounts() {
  writable=no
  if (: >/.fgimage-test) 2>/dev/null && rm /.fgimage-test; then writable=yes; fi
  report "$1" mounts "$(awk '$3 ~ /^(overlay|squashfs|ramfs|nfs4?|ext[234]|xfs|btrfs|erofs)$/ {print $2, $3}' /proc/mounts)" \
    writable "$writable"
}

# Who has the key, on a line of its own and without options: those that say "log in as somebody else" are none.
look_at_instance_key() {
  key=$(decode "$2")
  users=$(getent passwd | while IFS=: read -r user _ _ _ _ home _; do
    [ -n "$home" ] && [ -f "$home/.ssh/authorized_keys" ] || continue
    awk -v key="$key" 'index($0, key) == 1 {found = 1} END {exit !found}' "$home/.ssh/authorized_keys" &&
      printf '%s\n' "$user"
  done)
  report "$1" users "$users"
}

look_at_host_name() {
  report "$1" name "$(cat /proc/sys/kernel/hostname)"
}

look_at_user_data() {
  report "$1" mark "$(cat /run/fgimage-test/instance 2>/dev/null)"
}

# contains FILE TEXT...: one digit a text, 1 where the file has it
contains() {
  text=$(tr -d '\000' <"$1"; printf .)
  text=${text%.}
  shift
  found=
  for wanted in "$@"; do
    wanted=$(decode "$wanted"; printf .)
    case $text in
    *"${wanted%.}"*) found=${found}1 ;;
    *) found=${found}0 ;;
    esac
  done
  printf %s "$found"
}

look_at_command() {
  id=$1
  command=$(decode "$2")
  shift 2
  timeout -k 5 120 sh -c "$command" </dev/null >"$work/stdout" 2>"$work/stderr" 3>&-
  status=$?
  report "$id" status "$status" found "$(contains "$work/stdout" "$@")" \
    stdout "$(head -c 1000 "$work/stdout" | tr -d '\000')" stderr "$(tail -c 1000 "$work/stderr" | tr -d '\000')"
}

is_active() {
  state=$(systemctl is-active -- "$1" 2>/dev/null)
  [ "$state" = "$2" ]
}

look_at_service() {
  service=$(decode "$2")
  if [ "$3" = active ]; then
    retry is_active "$service" active
  else
    is_active "$service" active
  fi
  report "$1" active "$state" enabled "$(systemctl is-enabled -- "$service" 2>/dev/null)" \
    status "$(systemctl status -n 3 --no-pager -- "$service" 2>&1 | tail -n 4 | head -c 1000)"
}

# proc(5), /proc/net/tcp: the state is 0A for a listening TCP socket, 07 for a UDP socket without a peer.
is_listening() {
  code=0A
  [ "$1" = tcp ] || code=07
  cat "/proc/net/$1" "/proc/net/${1}6" 2>/dev/null |
    awk -v port=":$2\$" -v code="$code" '$2 ~ port && $4 == code {found = 1} END {exit !found}'
}

look_at_port() {
  listening=no
  if [ "$4" = yes ]; then
    if retry is_listening "$2" "$3"; then listening=yes; fi
  elif is_listening "$2" "$3"; then
    listening=yes
  fi
  report "$1" listening "$listening"
}

look_at_file() {
  id=$1
  path=$(decode "$2"; printf .)
  path=${path%.}
  shift 2
  if [ ! -e "$path" ] && [ ! -L "$path" ]; then
    report "$id" exists no
    return
  fi
  found=
  [ $# -eq 0 ] || [ ! -f "$path" ] || found=$(contains "$path" "$@")
  report "$id" exists yes owner "$(stat -L -c %U:%G -- "$path")" ids "$(stat -L -c %u:%g -- "$path")" \
    permissions "$(stat -L -c %a -- "$path")" found "$found"
}

printf 'FG1 hello\n' >&3
while read -r id kind rest; do
  set -f
  # shellcheck disable=SC2086 # words of base64, split on purpose
  set -- $rest
  set +f
  case $kind in
  limit) limit=$1 ;;
  patience) patience=$1 ;;
  system | units | root | network | cloud_init | identity | host_keys | mounts | instance_key | host_name | user_data | command | service | port | file)
    "look_at_$kind" "$id" "$@" </dev/null
    ;;
  *) report "$id" unknown "$kind" ;;
  esac
done <"$plan"
rm -rf "$work"
printf 'FG1 end\n' >&3
