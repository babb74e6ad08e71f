# What netifrc sets from conf.d: the files are read by the shell itself, the value is split and each specification taken
# apart by the measured rules; functions run with an `ip` that only says what it was asked for.
# shells: bash dash
root=$1
bash_only='(=[(]|[+]=|\]=)'
case $(readlink "$root/bin/sh") in
  *bash | '') own=bash ;;
  *) own=dash ;;
esac
if [ -n "${BASH_VERSION-}" ]; then
  [ "$own" = bash ] || exec dash "$0" "$@"
elif [ "$own" = bash ] && cat "$root"/etc/conf.d/net* "$root"/etc/rc.conf "$root"/etc/rc.conf.d/* 2>/dev/null | grep -qE "$bash_only"; then
  exec bash "$0" "$@"
fi
set -f

value() { # of the variable $1: a line for each element, or for each line that is not empty
  if [ -n "${BASH_VERSION-}" ]; then
    case $(declare -p "$1" 2>/dev/null) in
      'declare -a'*) eval 'printf "%s\n" "${'"$1"'[@]}"'; return ;;
    esac
  fi
  eval "printf '%s\n' \"\${$1-}\"" | tr '\r\v\f\t' '    ' | tr -s ' ' | sed 's/^ //; s/ $//'
}

specifications() {
  lines=$(value "$1" | grep .)
  if [ "$(printf '%s\n' "$lines" | grep -c .)" -eq 1 ]; then
    set -- $lines
    case ${2-} in *[.:]*) printf '%s\n' "$@"; return ;; esac
  fi
  printf '%s\n' "$lines"
}

bits() { # of a netmask, wherever they are
  mask=$1 sum=0
  case $mask in
    0x*) mask=$(printf '%d.%d.%d.%d' $(($1 >> 24 & 255)) $(($1 >> 16 & 255)) $(($1 >> 8 & 255)) $(($1 & 255))) ;;
    *[!0-9.]* | '') return ;;
  esac
  for part in $(echo "$mask" | tr . ' '); do
    while [ "$part" -gt 0 ]; do sum=$((sum + part % 2)) part=$((part / 2)); done
  done
  [ "$sum" -eq 0 ] || echo "$sum"
}

show() { # interface, specification
  interface=$1
  shift
  case ${1-} in [0-9]* | *:*) ;; *) return ;; esac
  address=${1%%/*} prefix='' most=32
  case $address in *[!0-9a-fA-F:.]*) return ;; *:*) most=128 ;; *.*.*.*) ;; *) return ;; esac
  case $1 in
    */*.*) prefix=$(bits "${1#*/}") ;;
    */*) prefix=${1#*/} ;;
  esac
  case $prefix in *[!0-9]*) return ;; esac
  shift
  while [ $# -gt 0 ]; do
    word=$1
    shift
    case $word in
      ne*) [ -z "$prefix" ] || return 0; prefix=$(bits "${1-}"); [ -n "$prefix" ] || return 0 ;;
      br*) [ "$most" = 32 ] || return 0 ;;
      po* | pe* | a* | l* | s* | v* | pr*) ;;
      *) continue ;;
    esac
    [ $# -eq 0 ] || shift
  done
  : "${prefix:=$most}"
  [ "$prefix" -gt "$most" ] || echo "$interface $address/$prefix"
}

ip() { # in functions
  while [ $# -gt 0 ]; do case $1 in -*) shift ;; *) break ;; esac; done
  case ${1-}/${2-} in a*/add | a*/a | a*/replace) ;; *) return ;; esac
  address=$3 device=$IFACE
  shift 3
  case $address in */*) ;; *:*) address=$address/128 ;; *) address=$address/32 ;; esac
  while [ $# -gt 1 ]; do [ "$1" != dev ] || device=$2; shift; done
  echo "$device $address"
}

systemd=
if [ -d "$root/run/systemd/system" ] || readlink "$root/sbin/init" | grep -q systemd; then systemd=1; fi
for link in $(ls "$root/etc/init.d" 2>/dev/null | grep '^net[.]') $(ls "$root/etc/systemd/system/multi-user.target.wants" 2>/dev/null | grep '^net@'); do
  level=
  case $link in
    net.lo) continue ;;
    net@*) interface=${link#net@} interface=${interface%.service} ;;
    *)
      interface=${link#net.}
      [ -L "$root/etc/init.d/$link" ] && [ -z "$systemd" ] || continue
      for known in $(ls "$root/etc/runlevels" 2>/dev/null) default boot sysinit; do
        if [ -L "$root/etc/runlevels/$known/$link" ]; then level=$known; fi
      done
      [ -n "$level" ] || continue
      ;;
  esac
  (
    cd "$root/etc/conf.d" 2>/dev/null || exit 0
    if [ -n "$level" ]; then
      [ ! -f ../rc.conf ] || . ../rc.conf
      for file in $(ls ../rc.conf.d 2>/dev/null | grep '[.]conf$'); do . "../rc.conf.d/$file"; done
      for base in net "net.$interface"; do
        if [ -f "$base.$level" ]; then . "./$base.$level"; elif [ -f "$base" ]; then . "./$base"; fi
      done
    elif [ -f net ]; then . ./net; fi
    specifications "config_$(echo "$interface" | tr -c 'A-Za-z0-9\n' _)" | while IFS= read -r line; do show "$interface" $line; done
    IFACE=$interface
    case $(command -v postup) in postup) postup ;; esac
  )
done
