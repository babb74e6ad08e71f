# shellcheck shell=bash
# Part of lab: copies of a flavour that are not booted, to let a real network manager read a tree of files.
#
# Everything is mounted on a tmpfs in private namespaces, so a copy costs some ten milliseconds and leaves nothing.

enter_sandbox() { # MOUNTPOINT LOWER TREE RO LINKS CMD.. : as PID 1 of the private namespaces
  set -eu
  local at=$1 lower=$2 tree=$3 ro=$4 links=$5 link n=0; shift 5
  mount --make-rprivate /
  mount -t tmpfs -o mode=755 tmpfs "$at"
  mkdir "$at/upper" "$at/work" "$at/root"
  mount -t overlay overlay -o "lowerdir=$lower,upperdir=$at/upper,workdir=$at/work" "$at/root"
  [ -z "$ro" ] || { mount --bind "$ro" "$at/root/mnt" && mount -o remount,bind,ro "$at/root/mnt"; }
  cd "$at/root"
  mount -t proc proc proc
  mount --bind proc/sys proc/sys && mount --bind proc/sys/net proc/sys/net && mount -o remount,bind,ro proc/sys
  mount -t sysfs -o ro sysfs sys # read-only also tells networkd that there is no udev to wait for
  mount -t tmpfs -o mode=755 tmpfs run
  mkdir -p run/lock run/network
  # Duplicate address detection would cost a second a tree, and nobody else is on the wire.
  echo 0 >proc/sys/net/ipv6/conf/default/accept_dad
  for link in $links; do
    ip link add "$link" address "02:00:5e:00:00:1$n" type veth peer name "peer$n"
    ip link set "peer$n" up
    n=$((n + 1))
  done
  # Unpacked inside, where absolute links such as /var/run lead into the copy. What the image has as a directory
  # or as a link to one stays as it is, also its mode: a temporary directory given as DIR may well be 0700.
  [ -z "$tree" ] || tar -C "$tree" -cf - . |
    chroot . tar -xf - --keep-directory-symlink --no-overwrite-dir --no-same-owner --preserve-permissions
  chroot . "$@" # not exec: PID 1 would ignore signals, and some programs behave differently as PID 1
}

parse_sandbox_options() { # sets tree, ro, links, jobs, limit, and rest to what follows
  tree='' ro='' links='' jobs=$(nproc) limit=60
  while [ $# -gt 0 ]; do
    case $1 in
      --tree) tree=$(readlink -e "$2") || die "no directory $2"; shift 2 ;;
      --ro) ro=$(readlink -e "$2") || die "no directory $2"; shift 2 ;;
      --link) links="$links $2"; shift 2 ;;
      -j) jobs=$2; shift 2 ;;
      -t) limit=$2; shift 2 ;;
      --) break ;;
      -*) die "unknown option $1" ;;
      *) break ;;
    esac
  done
  rest=("$@")
}

prepare_sandbox() { # FLAVOUR : sets SANDBOX, which lacks TREE RO LINKS CMD..
  build_one "$1"
  mkdir -p "$LAB_DIR/sandbox"
  # shellcheck disable=SC2016
  SANDBOX=("${WITHOUT_CAPS[@]}" unshare --mount --net --uts --ipc --pid --fork --kill-child
    bash -c "$(declare -f enter_sandbox)"'; enter_sandbox "$@"' sandbox "$LAB_DIR/sandbox" "$(lower_of "$1")")
}

chroot_once() {
  local flavour=${1:?FLAVOUR} tree ro links jobs limit rest; shift
  parse_sandbox_options "$@"
  [ "${rest[0]:-}" != -- ] || rest=("${rest[@]:1}")
  [ ${#rest[@]} -gt 0 ] || die "chroot: no command"
  prepare_sandbox "$flavour"
  exec "${SANDBOX[@]}" "$tree" "$ro" "${links:-eth0}" "${CLEAN_ENV[@]}" "${rest[@]}"
}

each_tree() {
  local flavour=${1:?FLAVOUR} out=${2:?OUT} tree ro links jobs limit rest arg; shift 2
  local -A trees=()
  parse_sandbox_options "$@"
  [ -z "$tree" ] || die "each: trees are given without --tree"
  set -- "${rest[@]}"
  while [ $# -gt 0 ] && [ "$1" != -- ]; do
    arg=${1%/}; shift
    case $arg in *=*) tree=${arg#*=} arg=${arg%%=*} ;; *) tree=$arg arg=${arg##*/} ;; esac
    case $arg in '' | */*) die "each: '$arg' is no name for a result; give NAME=TREE" ;; esac
    [ -z "${trees[$arg]:-}" ] || die "each: two trees are named $arg; give NAME=TREE"
    trees[$arg]=$(readlink -e "$tree") || die "no directory $tree"
  done
  [ $# -gt 1 ] || die "each: no command after --"
  shift
  prepare_sandbox "$flavour"
  mkdir -p "$out"
  trap 'kill $(jobs -p) 2>/dev/null || :; wait' EXIT
  trap 'exit 130' INT TERM HUP
  for arg in "${!trees[@]}"; do
    while [ "$(jobs -rp | wc -l)" -ge "$jobs" ]; do wait -n || :; done
    one_tree "$out/$arg" "$limit" "${trees[$arg]}" "$ro" "${links:-eth0}" "$@" &
  done
  wait
  trap - EXIT INT TERM HUP
}

one_tree() { # RESULT LIMIT TREE RO LINKS CMD.. ; rc 124 or 137: took longer than LIMIT
  local result=$1 limit=$2 rc=0 # in a subshell
  rm -f "$result.rc"
  timeout -k 1 "$limit" "${SANDBOX[@]}" "$3" "$4" "$5" "${CLEAN_ENV[@]}" "${@:6}" </dev/null >"$result.out" 2>"$result.err" &
  # shellcheck disable=SC2064
  trap "kill -TERM $! 2>/dev/null; sleep 0.2; kill -KILL -- -$! 2>/dev/null; wait; exit 143" INT TERM HUP # timeout leads a group of its own
  wait $! || rc=$?
  echo "$rc" >"$result.rc"
}
