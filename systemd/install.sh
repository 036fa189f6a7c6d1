#!/bin/sh
# Puts the services into place, or takes them away: called by `make install-service` and `make uninstall-service`.
#   install.sh install|uninstall
# PREFIX   where the program is, PREFIX/bin/meetsense; it is put there when it isn't, unless there is a DESTDIR
# DESTDIR  a root to put the files under, for a package or a look; nothing else of this machine is touched then
# SCOPE    system, or user: units for whoever calls this
# DRY_RUN  not empty: say what would be done, and do nothing
# BOOTED   the directory that is there while systemd runs; /run/systemd/system
set -eu

here=$(cd "$(dirname "$0")" && pwd)
checkout=$(dirname "$here")
action=$1
scope=${SCOPE:-system}
root=${DESTDIR:-}
units="meetsense-capture.service meetsense-process.service"

fail() { echo "install-service: $*" >&2; exit 1; }
do_() { echo "$*"; [ -n "${DRY_RUN:-}" ] || "$@"; }
place_in() { # what is changed in a file
  if [ "$PREFIX" != /usr/local ] && grep -q /usr/local/bin/meetsense "$1"; then
    echo "  # with $PREFIX/bin/meetsense for /usr/local/bin/meetsense"
  fi
}
put() { # put MODE FILE TARGET, with the program's place in it
  echo "install -D -m $1 $2 $3$(place_in "$2")"
  [ -z "${DRY_RUN:-}" ] || return 0
  install -d "$(dirname "$3")"
  sed "s|/usr/local/bin/meetsense|$PREFIX/bin/meetsense|" "$2" >"$3.new"
  chmod "$1" "$3.new"
  mv "$3.new" "$3"
}
running() { [ -z "$root" ] && [ -d "${BOOTED:-/run/systemd/system}" ]; }

case $scope in
  system) folder=$root/etc/systemd/system source=$here control="systemctl" ;;
  user)
    folder=$root${XDG_CONFIG_HOME:-$HOME/.config}/systemd/user source=$here/user control="systemctl --user" ;;
  *) fail "SCOPE is system or user, not $scope" ;;
esac
etc=$root/etc
link=$root/usr/local/bin/meetsense

check() {
  case $PREFIX in
    *[!A-Za-z0-9/._+@-]*) fail "PREFIX=$PREFIX: a unit can't name such a path; take one of letters, digits and /._+@-" ;;
    /*) ;;
    *) fail "PREFIX=$PREFIX: must begin with /" ;;
  esac
  [ -z "$root" ] || return 0
  [ "$scope" = system ] || return 0
  for path in "$PREFIX" "$(readlink -f "$PREFIX/bin/python" || true)"; do
    case $path in
      /home/* | /root/*)
        fail "the services can't see $path; move the checkout out of there, or give PREFIX=/srv/meetsense" ;;
    esac
  done
  [ -n "${DRY_RUN:-}" ] || [ "$(id -u)" = 0 ] || fail "this takes root; or give SCOPE=user"
}

program() {
  [ ! -x "$PREFIX/bin/meetsense" ] || return 0
  do_ "$PYTHON" -m venv --clear "$PREFIX"
  do_ "$PREFIX/bin/python" -m pip install --quiet --constraint "$checkout/constraints.txt" \
    "$checkout[calendar,encryption]"
}

install_() {
  check
  [ -n "$root" ] || program
  for unit in $units; do put 644 "$source/$unit" "$folder/$unit"; done
  if [ "$scope" = system ]; then
    put 644 "$here/meetsense.sysusers" "$etc/sysusers.d/meetsense.conf"
    put 644 "$here/meetsense.tmpfiles" "$etc/tmpfiles.d/meetsense.conf"
    put 644 "$here/60-meetsense.rules.example" "$etc/udev/rules.d/60-meetsense.rules.example"
    [ -e "$etc/meetsense/config.toml" ] || put 640 "$here/config.toml" "$etc/meetsense/config.toml"
    if [ "$PREFIX" != /usr/local ] && { [ ! -e "$link" ] || [ -L "$link" ]; }; then
      do_ install -d "$(dirname "$link")"
      do_ ln -sfn "$PREFIX/bin/meetsense" "$link"
    fi
    if [ -z "$root" ]; then
      made_by systemd-sysusers meetsense.conf
      made_by systemd-tmpfiles --create meetsense.conf
    fi
  fi
  if running; then do_ $control daemon-reload; fi
  stale=$(active)
  [ -z "$stale" ] || echo "run as before until (it ends a recording that is under way): $control restart$stale"
  echo "next: $control enable --now $units"
}

made_by() { # the user, and the directories: by systemd's programs, which don't need it to run
  if command -v "$1" >/dev/null; then do_ "$@"; else echo "there is no $1: systemd makes up for it when it starts"; fi
}

active() { # units that run now, each with a blank before it
  running || return 0
  for unit in $units; do
    if $control is-active --quiet "$unit"; then printf ' %s' "$unit"; fi
  done
}

uninstall_() {
  if running; then do_ $control disable --now $units || true; fi
  for unit in $units; do do_ rm -f "$folder/$unit"; done
  if [ "$scope" = system ]; then
    do_ rm -f "$etc/sysusers.d/meetsense.conf" "$etc/tmpfiles.d/meetsense.conf" \
      "$etc/udev/rules.d/60-meetsense.rules.example"
    if [ -L "$link" ]; then do_ rm -f "$link"; fi
    echo "kept: recordings and meetings in $root/var/lib/meetsense, the configuration in $etc/meetsense"
  fi
  if running; then do_ $control daemon-reload; fi
}

case $action in
  install) install_ ;;
  uninstall) uninstall_ ;;
  *) fail "install or uninstall, not $action" ;;
esac
