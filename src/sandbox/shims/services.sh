#!/bin/sh
# Stands before systemctl, service, invoke-rc.d and start-stop-daemon while a step of `provision` runs, under each of
# their names, and where those of systemctl (reboot(8), shutdown(8)) lead to it. No daemon runs in an image that is built:
# what a step starts, stops or restarts is noted down in $state/record, and whoever asks is answered from there as a booted system would. What is about unit files (enable, mask,
# is-enabled, cat …) goes to the real systemctl, which then works on files alone (systemctl(1), SYSTEMD_OFFLINE).
#
# record: a line `WORD UNIT` for each action: start, stop, enable, disable, mask, unmask. A maintainer script's (dpkg(1)
# names it in DPKG_MAINTSCRIPT_PACKAGE) start and stop are not noted: policy-rc.d would forbid them.
state=/run/fgimage/services
unit_folders='/etc/systemd/system /run/systemd/system /usr/local/lib/systemd/system /usr/lib/systemd/system /lib/systemd/system'
mark='Stands before systemctl, service'

# The program that this file stands before: the image's own, where a package brought it in this very step, else the one below.
real() {
  for folder in /usr/bin /bin /usr/sbin /sbin; do
    [ -x "$folder/$1" ] || continue
    head -c 120 "$folder/$1" | grep -aq "$mark" && continue
    echo "$folder/$1"
    return
  done
  [ -x "/run/fgimage/real/$1" ] || return 1
  echo "/run/fgimage/real/$1"
}

run_real() {
  program=$(real "$1") || { echo "$1: there is no such program in this image" >&2; exit 127; }
  shift
  SYSTEMD_OFFLINE=1 "$program" "$@"
}

note() {
  case $1 in start | stop) [ -z "${DPKG_MAINTSCRIPT_PACKAGE-}" ] || return 0 ;; esac
  printf '%s %s\n' "$1" "$2" >> "$state/record"
}

# The file of a unit, or of the template that it is an instance of.
unit_file() {
  for folder in $unit_folders; do
    if [ -e "$folder/$1" ] || [ -L "$folder/$1" ]; then echo "$folder/$1"; return; fi
  done
  case $1 in
    *@?*.*)
      template=${1%%@*}@.${1##*.}
      for folder in $unit_folders; do
        if [ -e "$folder/$template" ]; then echo "$folder/$template"; return; fi
      done
      ;;
  esac
  return 1
}

# The name that a unit goes by: with its suffix, and where it is an alias, that of the unit meant.
unit_name() {
  name=${1##*/}
  case $name in
    *.service | *.socket | *.target | *.timer | *.mount | *.automount | *.path | *.slice | *.scope | *.swap | *.device) ;;
    *) name=$name.service ;;
  esac
  case $1 in /*) case $1 in *.service | *.mount) ;; *) name=${name%.service}; name=$(echo "${1#/}" | sed 's/-/\\x2d/g; s,/,-,g').mount ;; esac ;; esac
  for folder in $unit_folders; do
    [ -L "$folder/$name" ] || continue
    target=$(readlink -f "$folder/$name") || break
    case $target in
      */systemd/system/?*) case ${target##*/} in *@.*) ;; *) name=${target##*/} ;; esac ;;
    esac
    break
  done
  echo "$name"
}

is_masked() {
  for folder in /etc/systemd/system /run/systemd/system /usr/lib/systemd/system /lib/systemd/system; do
    [ -L "$folder/$1" ] || continue
    [ "$(readlink "$folder/$1")" = /dev/null ]
    return
  done
  return 1
}

# not-found, masked or loaded. Units that stand for something else than a file are taken as they come.
load_state() {
  if is_masked "$1"; then echo masked; return; fi
  if unit_file "$1" > /dev/null; then echo loaded; return; fi
  case $1 in
    *.service) if [ -x "/etc/init.d/${1%.service}" ]; then echo loaded; else echo not-found; fi ;;
    *.socket | *.timer | *.path | *.target) echo not-found ;;
    *) echo loaded ;;
  esac
}

is_active() {
  [ -f "$state/record" ] || return 1
  last_word=
  while read -r noted_word noted_unit; do
    case $noted_word in start | stop) [ "$noted_unit" = "$1" ] && last_word=$noted_word ;; esac
  done < "$state/record"
  [ "$last_word" = start ]
}

active_state() { if is_active "$1"; then echo active; else echo inactive; fi; }

sub_state() {
  if ! is_active "$1"; then echo dead; return; fi
  case $1 in
    *.service) echo running ;;
    *.socket) echo listening ;;
    *.timer | *.path) echo waiting ;;
    *.mount) echo mounted ;;
    *) echo active ;;
  esac
}

# `word` is what is done to the units that follow.
act() {
  word=$1
  shift
  failed=0
  for given; do
    unit=$(unit_name "$given")
    case $word in
      start)
        case $(load_state "$unit") in
          not-found)
            echo "Failed to start $unit: Unit $unit not found." >&2
            failed=5
            continue
            ;;
          masked)
            echo "Failed to start $unit: Unit $unit is masked." >&2
            failed=1
            continue
            ;;
        esac
        ;;
      stop)
        if [ "$(load_state "$unit")" = not-found ]; then
          echo "Failed to stop $unit: Unit $unit not loaded." >&2
          failed=5
          continue
        fi
        ;;
    esac
    note "$word" "$unit"
  done
  return "$failed"
}

# What follows only where a unit runs, and changes nothing of whether it does.
touch_running() {
  verb=$1
  shift
  failed=0
  for given; do
    unit=$(unit_name "$given")
    if [ "$(load_state "$unit")" = not-found ]; then
      echo "Failed to $verb $unit: Unit $unit not found." >&2
      failed=5
    fi
  done
  return "$failed"
}

property() {
  case $1 in
    Id) value=$unit ;;
    Names) value=$unit ;;
    Description) value=$(sed -n 's/^Description=//p' "$file" 2> /dev/null | head -n 1); value=${value:-$unit} ;;
    LoadState) value=$loaded ;;
    ActiveState) value=$active ;;
    SubState) value=$sub ;;
    UnitFileState) value=$enabled ;;
    FragmentPath) value=$file ;;
    SourcePath) value=; [ -n "$file" ] || value=/etc/init.d/${unit%.service} ;;
    Type) value=$(sed -n 's/^Type=//p' "$file" 2> /dev/null | head -n 1); value=${value:-simple} ;;
    Result) value=success ;;
    NeedDaemonReload) value=no ;;
    MainPID | ControlPID | ExecMainPID) if [ "$active" = active ]; then value=1; else value=0; fi ;;
    ExecMainStatus | ExecMainCode | NRestarts) value=0 ;;
    CanStart | CanStop) if [ "$loaded" = loaded ]; then value=yes; else value=no; fi ;;
    CanReload) if grep -q '^ExecReload=' "$file" 2> /dev/null; then value=yes; else value=no; fi ;;
    *) return ;;
  esac
  if [ "$bare" = yes ]; then printf '%s\n' "$value"; else printf '%s=%s\n' "$1" "$value"; fi
}

known_properties='Id Names Description LoadState ActiveState SubState UnitFileState FragmentPath Type Result NeedDaemonReload MainPID ControlPID ExecMainPID ExecMainStatus ExecMainCode NRestarts CanStart CanStop CanReload'

show() {
  if [ $# = 0 ]; then
    version=$(run_real systemctl --version | sed -n '1s/.*(\(.*\)).*/\1/p')
    printf 'Version=%s\nSystemState=running\nNFailedUnits=0\n' "$version"
    return
  fi
  first=yes
  for given; do
    [ "$first" = yes ] || echo
    first=no
    unit=$(unit_name "$given")
    loaded=$(load_state "$unit")
    active=$(active_state "$unit")
    sub=$(sub_state "$unit")
    file=$(unit_file "$unit") || file=
    enabled=
    [ "$loaded" = not-found ] || enabled=$(run_real systemctl is-enabled "$unit" 2> /dev/null)
    for one in ${properties:-$known_properties}; do property "$one"; done
  done
}

status() {
  [ $# -gt 0 ] || { echo 'State: running'; return; }
  code=0
  for given; do
    unit=$(unit_name "$given")
    loaded=$(load_state "$unit")
    if [ "$loaded" = not-found ]; then
      echo "Unit $unit could not be found." >&2
      code=4
      continue
    fi
    file=$(unit_file "$unit") || file=/etc/init.d/${unit%.service}
    enabled=$(run_real systemctl is-enabled "$unit" 2> /dev/null)
    printf '* %s\n     Loaded: %s (%s; %s)\n     Active: %s (%s)\n' \
      "$unit" "$loaded" "$file" "${enabled:-static}" "$(active_state "$unit")" "$(sub_state "$unit")"
    is_active "$unit" || code=3
  done
  return "$code"
}

list_active() {
  [ -f "$state/record" ] || return 0
  sed -n 's/^start //p' "$state/record" | sort -u | while read -r unit; do
    is_active "$unit" || continue
    case ${type:-} in '' | *"${unit##*.}"*) ;; *) continue ;; esac
    printf '%s loaded active %s %s\n' "$unit" "$(sub_state "$unit")" "$unit"
  done
}

systemctl() {
  now=no quiet=no bare=no properties= type= verb= options= words= elsewhere=no
  for word; do
    # The value of an option that stands in a word of its own.
    case ${expects-} in
      p) properties="$properties $(echo "$word" | tr , ' ')"; expects=; options="$options -p $word"; continue ;;
      t) type=$word; expects=; options="$options -t $word"; continue ;;
      o) expects=; options="$options $word"; continue ;;
    esac
    if [ "${ended-}" = yes ]; then
      if [ -z "$verb" ]; then verb=$word; else words="$words $word"; fi
      continue
    fi
    case $word in
      --) ended=yes ;;
      --now) now=yes ;;
      --quiet | -q) quiet=yes; options="$options $word" ;;
      --value) bare=yes ;;
      --property=*) properties="$properties $(echo "${word#*=}" | tr , ' ')" ;;
      -p | --property) expects=p ;;
      -p?*) properties="$properties $(echo "${word#-p}" | tr , ' ')" ;;
      --type=*) type=${word#*=}; options="$options $word" ;;
      -t | --type) expects=t ;;
      --failed | --state=failed) type=none; options="$options $word" ;;
      -P) expects=p; bare=yes ;;
      -n | -o | -s | --lines | --output | --signal | --kill-who | --kill-whom | --job-mode | --state | --preset-mode | --root) expects=o; options="$options $word" ;;
      --user | --root=* | --global | --image=* | -M* | --machine=* | -H* | --host=*) elsewhere=yes; options="$options $word" ;;
      --version | --help | -h) run_real systemctl "$word"; exit ;;
      --system | --no-block | --no-reload | --no-ask-password | --no-wall | --wait | --show-transaction) ;;
      -*) options="$options $word" ;;
      *) if [ -z "$verb" ]; then verb=$word; else words="$words $word"; fi ;;
    esac
  done
  # Names of units hold neither blanks nor wildcards that a folder could answer.
  set -f
  # shellcheck disable=SC2086
  set -- $words
  case $verb in
    enable | disable | mask | unmask | reenable | preset | preset-all | is-enabled | list-unit-files | cat | link | revert | \
      add-wants | add-requires | edit | set-default | get-default | set-property)
      case $verb in
        cat) for given; do
          file=$(unit_file "$(unit_name "$given")") || { echo "No files found for $(unit_name "$given")." >&2; exit 1; }
          printf '# %s\n' "$file"
          cat "$file"
          for part in /usr/lib /lib /etc; do
            for drop in $(set +f; echo "$part/systemd/system/$(unit_name "$given").d"/*.conf); do
              [ -f "$drop" ] && printf '\n# %s\n' "$drop" && cat "$drop"
            done
          done
        done
        exit 0 ;;
        set-property) exit 0 ;;
      esac
      # shellcheck disable=SC2086
      run_real systemctl $options "$verb" "$@"
      code=$?
      [ "$code" = 0 ] && [ "$elsewhere" = no ] || exit "$code"
      case $verb in
        enable | disable | mask | unmask) act "$verb" "$@" ;;
        reenable) act enable "$@" ;;
      esac
      if [ "$now" = yes ]; then
        case $verb in enable) act start "$@" ;; disable | mask) act stop "$@" ;; esac
      fi
      exit
      ;;
  esac
  # The managers of users, other machines and other roots are not this image's.
  [ "$elsewhere" = no ] || exit 0
  case $verb in
    start | restart | reload-or-restart | isolate) act start "$@" ;;
    stop | kill) act stop "$@" ;;
    reload | force-reload | try-restart | condrestart | try-reload-or-restart | reload-or-try-restart | clean | freeze | thaw)
      touch_running "$verb" "$@"
      ;;
    is-active)
      code=3
      for given; do
        unit=$(unit_name "$given")
        [ "$quiet" = yes ] || active_state "$unit"
        is_active "$unit" && code=0
      done
      exit "$code"
      ;;
    is-failed)
      for given; do [ "$quiet" = yes ] || active_state "$(unit_name "$given")"; done
      exit 1
      ;;
    is-system-running) [ "$quiet" = yes ] || echo running ;;
    status) status "$@" ;;
    show) show "$@" ;;
    list-units | list-sockets | list-timers | list-jobs | list-dependencies | list-machines | list-automounts | list-paths | '')
      list_active
      ;;
    show-environment) ;;
    halt | poweroff | reboot | kexec | soft-reboot | suspend | hibernate | hybrid-sleep | rescue | emergency | default | exit | switch-root)
      echo "fgimage: systemctl $verb does nothing while an image is built" >&2
      ;;
    *) ;;
  esac
}

# service(8): what is no action of systemd's is asked of the script in /etc/init.d.
service() {
  name=${1-}
  action=${2-}
  case $name in
    --status-all) list_active; exit ;;
    '' | -h | --help | --version) run_real service "$@"; exit ;;
  esac
  shift
  case $action in
    start | stop | restart | status | reload | force-reload | try-restart) systemctl "$action" "$name" ;;
    force-stop) systemctl stop "$name" ;;
    condrestart) systemctl try-restart "$name" ;;
    --full-restart) systemctl restart "$name" ;;
    *)
      [ -x "/etc/init.d/$name" ] || { echo "$name: unrecognized service" >&2; exit 1; }
      "/etc/init.d/$name" "$@"
      ;;
  esac
}

invoke_rc_d() {
  name= action=
  for word; do
    case $word in
      --quiet | --force | --try-anyway | --disclose-deny | --no-fallback | --skip-systemd-native) ;;
      --query) exit 104 ;;
      --help) run_real invoke-rc.d --help; exit ;;
      -*) ;;
      *) if [ -z "$name" ]; then name=$word; elif [ -z "$action" ]; then action=$word; fi ;;
    esac
  done
  # As policy-rc.d says to maintainer scripts.
  [ -z "${DPKG_MAINTSCRIPT_PACKAGE-}" ] || exit 0
  service "$name" "$action"
}

# As it is in a root that debootstrap(8) makes: nothing is started, and nothing runs.
start_stop_daemon() {
  for word; do
    case $word in
      -H | --help | -V | --version) run_real start-stop-daemon "$word"; exit ;;
      -T | --status) exit 3 ;;
      -S | --start) echo 'fgimage: start-stop-daemon starts nothing while an image is built' >&2; exit 0 ;;
    esac
  done
  exit 0
}

case ${0##*/} in
  reboot | poweroff | halt | shutdown | telinit) echo "fgimage: ${0##*/} does nothing while an image is built" >&2 ;;
  runlevel) echo 'N 5' ;;
  systemctl) systemctl "$@" ;;
  service) service "$@" ;;
  invoke-rc.d) invoke_rc_d "$@" ;;
  start-stop-daemon) start_stop_daemon "$@" ;;
  *) echo "fgimage: there is no shim ${0##*/}" >&2; exit 127 ;;
esac
