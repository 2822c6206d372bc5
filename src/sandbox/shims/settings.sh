#!/bin/sh
# Stands before timedatectl, hostnamectl, localectl, loginctl, hostname and sysctl while a step of `provision` runs, under
# each of their names. What they ask a daemon for on a booted system is written here into the files that such a system
# starts from (timezone: localtime(5); hostname(5); machine-info(5); locale.conf(5)). What is about the running kernel is
# left undone: it is the building machine's.
root=
mark='Stands before timedatectl, hostnamectl'
name=${0##*/}

# The program that this file stands before: the image's own, where a package brought it in this very step, else the one below.
real() {
  for folder in /usr/bin /bin /usr/sbin /sbin; do
    [ -x "$root$folder/$1" ] || continue
    head -c 120 "$root$folder/$1" | grep -aq "$mark" && continue
    echo "$root$folder/$1"
    return
  done
  [ -x "$root/run/fgimage/real/$1" ] || return 1
  echo "$root/run/fgimage/real/$1"
}

run_real() {
  program=$(real "$1") || { echo "$1: there is no such program in this image" >&2; exit 127; }
  shift
  "$program" "$@"
}

fail() {
  echo "$1" >&2
  exit 1
}

# What only a booted machine can do; the second word says what there is in its place.
refuse() {
  echo "fgimage: $name $1 asks the machine that is booted, and none is while an image is built${2:+: $2}" >&2
  exit 1
}

is_debian() { [ -e "$root/etc/debian_version" ]; }

is_yes() {
  case $1 in
    1 | y | yes | t | true | on) return 0 ;;
    0 | n | no | f | false | off) return 1 ;;
    *) fail "Failed to parse boolean value: $1" ;;
  esac
}

# --- timedatectl(1)

zone() {
  target=$(readlink "$root/etc/localtime" 2> /dev/null)
  case $target in
    *zoneinfo/?*) echo "${target#*zoneinfo/}" ;;
    *) head -n 1 "$root/etc/timezone" 2> /dev/null | grep . || echo UTC ;;
  esac
}

set_zone() {
  case $1 in '' | /* | *..* | *[!A-Za-z0-9_+/-]*) fail "Failed to set time zone: Invalid or not installed time zone '$1'" ;; esac
  [ -f "$root/usr/share/zoneinfo/$1" ] || fail "Failed to set time zone: Invalid or not installed time zone '$1'"
  rm -f "$root/etc/localtime"
  ln -s "/usr/share/zoneinfo/$1" "$root/etc/localtime"
  if is_debian || [ -e "$root/etc/timezone" ]; then echo "$1" > "$root/etc/timezone"; fi
}

list_zones() {
  cd "$root/usr/share/zoneinfo" 2> /dev/null || fail 'There are no time zones in this image: tzdata brings them'
  find . \( -name posix -o -name right \) -prune -o \( -type f -o -type l \) -print | sed 's,^\./,,' | grep '^[A-Z]' | sort
}

# The first unit that keeps the time (systemd-timedated.service(8)).
ntp_unit() {
  for unit in $(cat "$root"/usr/lib/systemd/ntp-units.d/*.list "$root"/etc/systemd/ntp-units.d/*.list 2> /dev/null | grep -v '^#') \
    systemd-timesyncd.service; do
    systemctl cat "$unit" > /dev/null 2>&1 || continue
    echo "$unit"
    return
  done
  return 1
}

ntp_state() {
  unit=$(ntp_unit) || { echo n/a; return; }
  if systemctl --quiet is-enabled "$unit" > /dev/null 2>&1; then echo active; else echo inactive; fi
}

local_clock() { if grep -qx LOCAL "$root/etc/adjtime" 2> /dev/null; then echo yes; else echo no; fi; }

time_property() {
  case $1 in
    Timezone) value=$(zone) ;;
    LocalRTC) value=$(local_clock) ;;
    CanNTP) if ntp_unit > /dev/null; then value=yes; else value=no; fi ;;
    NTP) if [ "$(ntp_state)" = active ]; then value=yes; else value=no; fi ;;
    NTPSynchronized) value=no ;;
    *) return ;;
  esac
  if [ "$bare" = yes ]; then printf '%s\n' "$value"; else printf '%s=%s\n' "$1" "$value"; fi
}

timedatectl() {
  case ${1:-status} in
    status)
      zone=$(zone)
      printf '                Time zone: %s (%s)\n' "$zone" "$(TZ=$zone date '+%Z, %z')"
      printf 'System clock synchronized: no\n              NTP service: %s\n          RTC in local TZ: %s\n' \
        "$(ntp_state)" "$(local_clock)"
      ;;
    show) for one in ${properties:-Timezone LocalRTC CanNTP NTP NTPSynchronized}; do time_property "$one"; done ;;
    set-timezone) set_zone "${2-}" ;;
    list-timezones) list_zones ;;
    set-ntp)
      unit=$(ntp_unit) || fail 'Failed to set ntp: NTP not supported: there is no unit for it in this image'
      if is_yes "${2-}"; then systemctl enable --now "$unit"; else systemctl disable --now "$unit"; fi
      ;;
    set-local-rtc)
      if is_yes "${2-}"; then printf '0.0 0 0\n0\nLOCAL\n' > "$root/etc/adjtime"
      elif [ -e "$root/etc/adjtime" ]; then printf '0.0 0 0\n0\nUTC\n' > "$root/etc/adjtime"; fi
      ;;
    *) refuse "$1" ;;
  esac
}

# --- hostnamectl(1)

static_name() { sed -n '/^[^#]/{p;q;}' "$root/etc/hostname" 2> /dev/null; }

machine_info() { sed -n "s/^$1=\"\{0,1\}\([^\"]*\)\"\{0,1\}\$/\1/p" "$root/etc/machine-info" 2> /dev/null | tail -n 1; }

set_machine_info() {
  case $2 in *[\"\\\`\$]* | *"
"*) fail "Invalid value: $2" ;; esac
  others=$(grep -v "^$1=" "$root/etc/machine-info" 2> /dev/null)
  text=${others:+$others
}${2:+$1=\"$2\"
}
  if [ -n "$text" ]; then printf '%s' "$text" > "$root/etc/machine-info"; else rm -f "$root/etc/machine-info"; fi
}

set_host() {
  case $which in
    pretty) set_machine_info PRETTY_HOSTNAME "$1" ;;
    transient) echo 'fgimage: a transient host name is that of a booted machine: nothing is set' >&2 ;;
    *)
      case $1 in *[!A-Za-z0-9.-]* | .* | -* | *..*) fail "Invalid hostname '$1'" ;; esac
      if [ -n "$1" ]; then echo "$1" > "$root/etc/hostname"; else rm -f "$root/etc/hostname"; fi
      ;;
  esac
}

host_status() {
  pretty=$(machine_info PRETTY_HOSTNAME)
  static=$(static_name)
  case $which in
    static) echo "$static" ;;
    pretty) echo "$pretty" ;;
    transient) echo "${static:-localhost}" ;;
    *)
      printf '   Static hostname: %s\n' "${static:-(unset)}"
      [ -z "$pretty" ] || printf '   Pretty hostname: %s\n' "$pretty"
      ;;
  esac
}

# A word that is asked for where nothing is given, else set.
host_word() {
  if [ "$verb_words" -gt 1 ]; then set_machine_info "$1" "$2"; else machine_info "$1"; fi
}

hostnamectl() {
  verb_words=$#
  case ${1:-status} in
    status) host_status ;;
    hostname) if [ $# -gt 1 ]; then set_host "$2"; else which=${which:-static}; host_status; fi ;;
    set-hostname) set_host "${2-}" ;;
    icon-name | set-icon-name) host_word ICON_NAME "${2-}" ;;
    chassis | set-chassis) host_word CHASSIS "${2-}" ;;
    deployment | set-deployment) host_word DEPLOYMENT "${2-}" ;;
    location | set-location) host_word LOCATION "${2-}" ;;
    *) refuse "$1" ;;
  esac
}

# --- localectl(1)

locale_file() { if is_debian; then echo "$root/etc/default/locale"; else echo "$root/etc/locale.conf"; fi; }

set_locale() {
  [ $# -gt 0 ] || fail 'Too few arguments.'
  text=
  for word; do
    case $word in *=*) ;; *) word=LANG=$word ;; esac
    case $word in LANG=* | LANGUAGE=* | LC_[A-Z]*=*) ;; *) fail "Invalid locale variable: ${word%%=*}" ;; esac
    value=${word#*=}
    case $value in *[!A-Za-z0-9_.@:-]*) fail "Invalid locale: $value" ;; esac
    case $word in LANGUAGE=*) ;; *) is_locale "$value" || fail "Locale $value is not installed: locale-gen(8) makes it, or \`locale\` of the spec" ;; esac
    text="$text$word
"
  done
  mkdir -p "$root/etc/default"
  printf '%s' "$text" > "$(locale_file)"
  # Another tool may have written it; on Debian it is a link, or is not there.
  [ -f "$root/etc/locale.conf" ] && [ ! -L "$root/etc/locale.conf" ] && printf '%s' "$text" > "$root/etc/locale.conf"
  return 0
}

# locale(1) writes UTF-8 in the name of a locale as utf8.
is_locale() {
  case $1 in '' | C | POSIX | C.UTF-8 | C.utf8) return 0 ;; esac
  command -v locale > /dev/null || return 0
  locale -a 2> /dev/null | sed 's/\.utf8/.UTF-8/' | grep -qxF "$(echo "$1" | sed 's/\.utf8/.UTF-8/')"
}

localectl() {
  case ${1:-status} in
    status)
      printf 'System Locale: %s\n' "$(grep '^[A-Z_]*=' "$(locale_file)" 2> /dev/null || echo '(unset)')"
      printf '    VC Keymap: (unset)\n   X11 Layout: (unset)\n'
      ;;
    set-locale) shift; set_locale "$@" ;;
    list-locales) locale -a ;;
    *) refuse "$1" 'on Debian, /etc/default/keyboard says which keyboard there is' ;;
  esac
}

# --- loginctl(1), hostname(1), sysctl(8)

loginctl() {
  case ${1:-list-sessions} in
    list-sessions | list-users | list-seats) ;;
    enable-linger | disable-linger)
      verb=$1
      shift
      for user in "${@:-root}"; do
        id -u "$user" > /dev/null 2>&1 || fail "Failed to look up user $user: No such process"
        mkdir -p "$root/var/lib/systemd/linger"
        if [ "$verb" = enable-linger ]; then : > "$root/var/lib/systemd/linger/$user"
        else rm -f "$root/var/lib/systemd/linger/$user"; fi
      done
      ;;
    *) refuse "$1" ;;
  esac
}

hostname() {
  for word; do
    case $word in
      -b | --boot | -F | --file | --file=*) ;;
      -*) continue ;;
    esac
    echo 'fgimage: the name of the machine that builds stays: /etc/hostname is what counts at boot' >&2
    return
  done
  run_real hostname "$@"
}

# What is set is nothing yet: at boot systemd-sysctl(8) reads /etc/sysctl.d. What is asked for is answered by this kernel.
sysctl() {
  sets=no quiet=no
  for word; do
    case $word in
      -p* | -f* | -[!-]*p* | --load* | --system) sets=yes ;;
      -*) case $word in --quiet | -q | -[a-zA-Z]*q*) quiet=yes ;; esac ;;
      *=*) sets=yes; [ "$quiet" = yes ] || echo "${word%%=*} = ${word#*=}" ;;
    esac
  done
  if [ "$sets" = no ]; then run_real sysctl "$@"; return; fi
  echo 'fgimage: sysctl sets nothing while an image is built: /etc/sysctl.d is what counts at boot' >&2
}

case $name in
  dnsdomainname | domainname | nisdomainname | ypdomainname) program=hostname ;;
  *) program=$name ;;
esac
real "$program" > /dev/null || { echo "$name: there is no such program in this image" >&2; exit 127; }
case $name in
  sysctl) sysctl "$@"; exit ;;
  hostname) hostname "$@"; exit ;;
  dnsdomainname) run_real hostname -d "$@"; exit ;;
  domainname | nisdomainname | ypdomainname)
    [ $# = 0 ] || { echo "fgimage: $name sets nothing while an image is built" >&2; exit; }
    run_real hostname -y
    exit
    ;;
  timedatectl | hostnamectl | localectl | loginctl) ;;
  *) echo "fgimage: there is no shim $name" >&2; exit 127 ;;
esac

# Options may stand before, between and behind the words.
which= bare=no properties= expects=
count=$#
while [ "$count" -gt 0 ]; do
  word=$1
  shift
  count=$((count - 1))
  if [ "$expects" = p ]; then properties="$properties $(echo "$word" | tr , ' ')"; expects=; continue; fi
  case $word in
    --) while [ "$count" -gt 0 ]; do word=$1; shift; count=$((count - 1)); set -- "$@" "$word"; done ;;
    --version | --help | -h) run_real "$name" "$word"; exit ;;
    --static | --pretty | --transient) which=${word#--} ;;
    -p | --property) expects=p ;;
    -P) expects=p; bare=yes ;;
    --property=*) properties="$properties $(echo "${word#*=}" | tr , ' ')" ;;
    -p?*) properties="$properties $(echo "${word#-p}" | tr , ' ')" ;;
    --value) bare=yes ;;
    -H* | -M* | --host* | --machine* | --json* | -j) refuse "$word" ;;
    -?*) ;;
    *) set -- "$@" "$word" ;;
  esac
done
"$name" "$@"
