# shellcheck shell=bash
# Part of lab: the images.
#
# images/SUITE-HASH/root and images/SUITE-HASH+MANAGER-HASH/upper, where HASH is that of the recipe: a changed
# recipe never meets an old image. An image gets its name by one rename, when it is complete.

suite_of() { case $1 in busybox) echo bookworm ;; *:*) echo "${1%%:*}" ;; *) die "no such flavour: $1" ;; esac; }
manager_of() { echo "${1#*:}"; }
packages_of() { # SUITE MANAGER
  case $1:$2 in
    *:networkd) ;; # part of the package systemd
    *:ifupdown | *:ifupdown2 | bookworm:ifupdown-ng) echo "$2" ;;
    trixie:ifupdown-ng) echo ifupdown-ng ifupdown-ng-compat ;;
    *:networkmanager) echo network-manager ;;
    bookworm:netplan | trixie:netplan) echo netplan.io udev ;; # 'netplan apply' calls udevadm, which has to reach a udevd
    trixie:netplan-nm) echo netplan.io udev network-manager ;;
    bookworm:busybox) echo busybox-static ;;
    *) die "no such flavour: $1:$2" ;;
  esac
}
managers_of_suite() { for f in "${BOOTABLE[@]}" bookworm:busybox; do [ "${f%%:*}" != "$1" ] || echo "${f#*:}"; done; }

hash_of() { { declare -f "$@"; echo "${BOOTABLE[@]}"; } | sha256sum | cut -c1-10; } # FUNCTION..
base_of() { echo "$LAB_DIR/images/$(suite_of "$1")-$(hash_of packages_of managers_of_suite build_base)"; }
layer_of() {
  echo "$(base_of "$1")+$(manager_of "$1")-$(hash_of build_layer program networkmanager_settings without_devices networkd_once networkmanager_once netplan_once)"
}
lower_of() { echo "$(layer_of "$1")/upper:$(base_of "$1")/root"; }

debian_mirror() {
  local uri=${LAB_MIRROR:-}
  # shellcheck disable=SC2016 # apt expands $(REPO_URI)
  [ -n "$uri" ] || uri=$(apt-get indextargets --format '$(REPO_URI)' 'Created-By: Packages' | grep -E '/debian/?$' | head -n1) || :
  [ -n "$uri" ] || die "apt knows no Debian mirror here; set LAB_MIRROR"
  echo "$uri"
}

once() { # TARGET FUNCTION ARG.. : make TARGET by 'FUNCTION TEMPORARY ARG..', unless it is there; two callers build it once
  local target=$1 make=$2 name=${1##*/} start; shift 2
  [ ! -d "$target" ] || return 0
  mkdir -p "$LAB_DIR/images" "$LAB_DIR/locks"
  (
    flock 9
    [ ! -d "$target" ] || exit 0
    start=$(date +%s.%N)
    rm -rf "$LAB_DIR/images/.new.$name" # of a build that was killed
    trap 'rm -rf "$LAB_DIR/images/.new.$name"' EXIT
    trap 'exit 130' INT TERM HUP
    mkdir "$LAB_DIR/images/.new.$name"
    # A child of its own, because 'set -e' does not hold in a function left of '||'.
    # It keeps the lock: should this process be killed, nobody builds in the same place until the child has ended too.
    unshare --mount --propagation private "$SELF" --make "$make" "$LAB_DIR/images/.new.$name" "$@" </dev/null >"$LAB_DIR/images/$name.log" 2>&1 || {
      tail -n 15 "$LAB_DIR/images/$name.log" >&2; die "building $name failed"; }
    mv -T "$LAB_DIR/images/.new.$name" "$target"
    echo "lab: $name: $(seconds_since "$start") s, $(du -sm "$target" | cut -f1) MiB" >&2
  ) 9>"$LAB_DIR/locks/$name"
}

build_base() { # DIR SUITE : the root, and beside it the packages that each manager needs on top (so that layers need no network)
  local dir=$1 suite=$2 x manager hook
  for manager in $(managers_of_suite "$suite"); do
    mkdir -p "$dir/debs/$manager/partial"
    [ -z "$(packages_of "$suite" "$manager")" ] ||
      echo "apt-get --yes --no-install-recommends --download-only -o Dir::Cache::archives=$dir/debs/$manager install $(packages_of "$suite" "$manager")"
  done >"$dir/fetch"
  # Without this hook bookworm takes usrmerge, and with it perl: 40 MiB, 10 s.
  local merged=() hook_dir=/usr/share/mmdebstrap/hooks/maybe-merged-usr
  [ "$suite" != bookworm ] || [ ! -d "$hook_dir" ] || merged=(--hook-dir="$hook_dir")
  # shellcheck disable=SC2016 # expanded by the hook's shell
  hook='export APT_CONFIG="$MMDEBSTRAP_APT_CONFIG"; sh -eux '"'$dir/fetch'"
  mmdebstrap --variant=essential --mode=root --format=directory --skip=check/empty \
    --include=systemd,systemd-sysv,dbus,mount,procps,iproute2,iputils-ping,netbase "${merged[@]}" \
    --aptopt='Acquire::Check-Valid-Until "false"' --aptopt='Acquire::Retries "3"' \
    --dpkgopt='path-exclude=/usr/share/doc/*' --dpkgopt='path-exclude=/usr/share/man/*' --dpkgopt='path-exclude=/usr/share/locale/*' \
    --dpkgopt='path-exclude=/usr/share/zoneinfo/*' --dpkgopt=force-unsafe-io --customize-hook="$hook" \
    "$suite" "$dir/root" "deb $(debian_mirror) $suite main"
  cd "$dir/root/etc" || return
  rm -f resolv.conf apt/sources.list apt/sources.list.d/* # nothing of the machine that built it
  echo lab >hostname
  printf '127.0.0.1 localhost lab\n::1 localhost\n' >hosts
  echo 5f0c2b7e9d1a4c3e8b6a7d5e4f3c2b1a >machine-id
  for x in getty.target console-getty.service systemd-timesyncd.service apt-daily.timer apt-daily-upgrade.timer dpkg-db-backup.timer; do
    ln -sf /dev/null "systemd/system/$x"
  done
}

build_layer() { # DIR SUITE MANAGER BASE
  local dir=$1 suite=$2 manager=$3 base=$4
  mkdir "$dir/upper" "$dir/work" "$dir/root"
  mount -t overlay overlay -o "lowerdir=$base/root,upperdir=$dir/upper,workdir=$dir/work" "$dir/root" # see once: a private mount namespace
  cd "$dir/root" || return
  if [ -n "$(packages_of "$suite" "$manager")" ]; then
    mount --bind "$base/debs/$manager" mnt
    mount -t proc proc proc
    printf '#!/bin/sh\nexit 101\n' >usr/sbin/policy-rc.d
    chmod 755 usr/sbin/policy-rc.d
    # --force-depends: all are unpacked before the first is configured, which python3's Pre-Depends would forbid.
    chroot . "${CLEAN_ENV[@]}" DEBIAN_FRONTEND=noninteractive sh -euxc 'dpkg --force-depends --unpack /mnt/*.deb; dpkg --configure --pending; dpkg --audit'
    rm -f usr/sbin/policy-rc.d
  fi
  # The layer is the manager without any configuration; 'up' writes the host's, '--tree' brings its own.
  rm -f etc/network/interfaces etc/NetworkManager/system-connections/* etc/netplan/*
  case $manager in
    busybox) ln -sf /bin/busybox sbin/ifup && ln -sf /bin/busybox sbin/ifdown ;;
    networkd) program networkd-once networkd_once ;;
    networkmanager) networkmanager_settings; program networkmanager-once networkmanager_once ;;
    netplan) without_devices; program networkd-once networkd_once; program netplan-once netplan_once ;;
    netplan-nm) without_devices; networkmanager_settings
      program networkd-once networkd_once; program networkmanager-once networkmanager_once; program netplan-once netplan_once ;;
  esac
  # shellcheck disable=SC2016
  chroot . sh -ec 'case $1 in networkd) exit 0 ;; networkmanager) nmcli --version ;; netplan*) command -v netplan ;; busybox) /sbin/ifup --help 2>&1 | grep -q BusyBox ;; *) command -v ifup >/dev/null ;; esac' sh "$manager"
  cd / && umount -R "$dir/root" && rm -rf "$dir/work" "$dir/root"
}

program() { declare -f "$2" | { echo '#!/bin/bash'; cat; echo "$2"; } >"usr/local/sbin/$1"; chmod 755 "usr/local/sbin/$1"; } # NAME FUNCTION

networkmanager_settings() { # without udev nobody says which links are real ones, and the tests compare all of /etc
  printf '%s\n' '[main]' 'plugins=keyfile' 'dns=none' 'rc-manager=unmanaged' '' '[device-lab]' 'match-device=interface-name:eth*' 'managed=true' \
    >usr/lib/NetworkManager/conf.d/00-lab.conf
}
without_devices() { # udevd runs, with a /sys that it must not write to
  mkdir -p usr/lib/systemd/system/systemd-udevd.service.d
  printf '%s\n' '[Unit]' 'ConditionPathIsReadWrite=' >usr/lib/systemd/system/systemd-udevd.service.d/lab.conf
}

networkd_once() { # in a copy that is not booted: start networkd, wait until it is done with every link, say what it did
  local name link state pid i
  # Nobody sends router advertisements here, and networkd would wait 12 seconds for one before it says "configured".
  for name in /{etc,run,usr/local/lib,usr/lib}/systemd/network/*.network; do
    [ -e "$name" ] || continue
    mkdir -p "/usr/lib/systemd/network/${name##*/}.d"
    printf '[Network]\nIPv6AcceptRA=no\n' >"/usr/lib/systemd/network/${name##*/}.d/00-lab.conf"
  done
  mkdir -p /run/systemd/netif/{links,leases,lldp}
  chown -R systemd-network: /run/systemd/netif
  # A bus that is not there: networkd then works without one.
  SYSTEMD_LOG_LEVEL=info SYSTEMD_LOG_TARGET=console DBUS_SYSTEM_BUS_ADDRESS=unix:path=/nonexistent /lib/systemd/systemd-networkd >&2 &
  pid=$!
  for link in /sys/class/net/*; do
    case ${link##*/} in lo | peer*) continue ;; esac
    state=/run/systemd/netif/links/$(<"$link/ifindex")
    for ((i = 0; i < 100; i++)); do
      if grep -qsE '^ADMIN_STATE=(configured|unmanaged|failed)' "$state"; then break; fi
      kill -0 $pid || exit 1
      sleep 0.05
    done
    echo "LINK=${link##*/}"
    grep -E '^(ADMIN_STATE|NETWORK_FILE)=' "$state" || :
    ip -o address show dev "${link##*/}" scope global
  done
  kill $pid
  wait $pid || :
}

networkmanager_once() { # the same with NetworkManager, which wants a bus
  local device state i bus manager
  mkdir -p /run/dbus /run/NetworkManager
  bus=$(dbus-daemon --system --fork --print-pid) || exit 1
  # Where nobody answers DHCP, a profile must not wait 45 seconds for it, nor lose what else it says because of it.
  mkdir -p /run/NetworkManager/conf.d
  printf '%s\n' '[connection-lab]' 'ipv4.dhcp-timeout=2147483647' 'ipv6.dhcp-timeout=2147483647' 'ipv6.ra-timeout=2147483647' >/run/NetworkManager/conf.d/lab.conf
  NetworkManager --no-daemon --log-level=INFO >&2 &
  manager=$!
  for ((i = 0; i < 200; i++)); do
    kill -0 $manager || exit 1
    # What waits for DHCP has its other addresses by then, once none is tentative.
    state=$(nmcli -t -f STATE general 2>/dev/null) && [ -n "$state" ] &&
      ! nmcli -t -f STATE device | grep -qE '^(connecting \((prepare|configuring|need|checking|starting)|deactivating|disconnected$)' &&
      ! ip -o address show tentative | grep -q . && break
    sleep 0.05
  done
  sleep 0.3
  nmcli -t -f DEVICE,STATE,CONNECTION device | while IFS=: read -r device state i; do
    case $device in lo | peer*) continue ;; esac
    printf '%s\n' "LINK=$device" "STATE=$state" "CONNECTION=$i"
    ip -o address show dev "$device" scope global
  done
  kill $manager
  wait $manager || :
  kill "$bus"
}

netplan_once() { # make the files, then start those that read them
  netplan generate || exit
  if command -v networkmanager-once >/dev/null && ls /run/NetworkManager/system-connections/netplan-* >/dev/null 2>&1; then networkmanager-once; fi
  if ls /run/systemd/network/10-netplan-* >/dev/null 2>&1; then networkd-once; fi
}

build_one() {
  once "$(base_of "$1")" build_base "$(suite_of "$1")"
  once "$(layer_of "$1")" build_layer "$(suite_of "$1")" "$(manager_of "$1")" "$(base_of "$1")"
}
build() {
  [ "$*" != all ] || set -- "${BOOTABLE[@]}" busybox
  [ $# -gt 1 ] || { build_one "$1"; return; }
  local f; for f in "$@"; do packages_of "$(suite_of "$f")" "$(manager_of "$f")" >/dev/null; done
  for f in "$@"; do suite_of "$f"; done | sort -u | xargs -P 2 -n 1 "$SELF" --build-suite
  printf '%s\n' "$@" | xargs -P 2 -n 1 "$SELF" build
}
