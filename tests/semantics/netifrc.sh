# What netifrc sets from conf.d: the files are read by the shell itself, the value is split by the measured rules.
# shells: bash
root=$1
split() { # one specification a line
  local name=$1 line count=0 only=
  if [[ $(declare -p "$name" 2>/dev/null) == "declare -a"* ]]; then
    eval "printf '%s\n' \"\${$name[@]}\""
    return
  fi
  while IFS= read -r line; do
    set -- $line
    [ $# -eq 0 ] || { count=$((count + 1)); only=$line; }
  done <<<"${!name}"
  set -f; set -- $only
  if [ "$count" -eq 1 ] && [[ ${2-} == *[.:]* ]]; then
    printf '%s\n' "$@"
  else
    printf '%s\n' "${!name}"
  fi
}
bits() { # the prefix of a netmask
  local mask=$1 part sum=0
  if [[ $mask == 0x* ]]; then mask=$(printf '%d.%d.%d.%d' $((mask >> 24 & 255)) $((mask >> 16 & 255)) $((mask >> 8 & 255)) $((mask & 255))); fi
  for part in ${mask//./ }; do while [ "$part" -gt 0 ]; do sum=$((sum + part % 2)); part=$((part / 2)); done; done
  echo "$sum"
}
show() {
  local interface=$1 address prefix word
  shift
  [[ ${1-} =~ ^[0-9a-fA-F:.]+(/[0-9]+)?$ && $1 == *[.:]* ]] || return 0
  address=${1%/*} prefix=
  [[ $1 != */* ]] || prefix=${1#*/}
  shift
  while [ $# -gt 0 ]; do
    case $1 in
      ne*) [ -z "$prefix" ] || return 0; prefix=$(bits "$2"); shift ;;
      br*) [[ $address != *:* ]] || return 0; shift ;;
      l* | po* | pe* | s*) shift ;;
    esac
    [ $# -eq 0 ] || shift
  done
  [ -n "$prefix" ] || { prefix=32; [[ $address != *:* ]] || prefix=128; }
  echo "$interface $address/$prefix"
}
for link in "$root"/etc/init.d/net.* "$root"/etc/systemd/system/multi-user.target.wants/net@*; do
  [ -L "$link" ] || continue
  name=${link##*/} interface=${link##*/net.} level=
  case $name in
    net@*) interface=${name#net@} interface=${interface%.service} ;;
    *) for level in "$root"/etc/runlevels/*/"$name"; do [ -L "$level" ] && break || level=; done
       [ -n "$level" ] || continue
       level=${level%/*} level=${level##*/} ;;
  esac
  (
    cd "$root/etc/conf.d" 2>/dev/null || exit 0
    if [ -n "$level" ]; then
      for file in ../rc.conf ../rc.conf.d/*.conf; do [ ! -f "$file" ] || . "$file"; done
      for base in net "net.$interface"; do
        if [ -f "$base.$level" ]; then . "./$base.$level"; elif [ -f "$base" ]; then . "./$base"; fi
      done
    elif [ -f net ]; then . ./net; fi
    name=config_${interface//[^a-zA-Z0-9_]/_}
    [ -n "${!name+x}" ] || exit 0
    split "$name" | while IFS= read -r line; do set -f; show "$interface" ${line//$'\r'/}; done
  )
done
