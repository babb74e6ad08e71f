# What the start scripts of Solaris 10 make of hostname files: a call of ifconfig for each line.
# shells: bash dash
root=$1
lookup() { # a host name, or the address itself
  case $1 in
    *[!0-9a-f.:]*) awk -v name="$1" '{ sub(/#.*/, ""); for (i = 2; i <= NF; i++) if ($i == name) { print $1; exit } }' "$root/etc/inet/hosts" ;;
    *) echo "$1" ;;
  esac
}
bits() {
  case $1 in
    0x*) echo "$1" | awk '{ n = 0; for (i = 3; i <= length($1); i++) { v = index("0123456789abcdef", substr($1, i, 1)) - 1; while (v > 0) { n += v % 2; v = int(v / 2) } } print n }' ;;
    *) echo "$1" | awk -F. '{ n = 0; for (i = 1; i <= 4; i++) while ($i >= 128) { n++; $i = ($i - 128) * 2 } print n }' ;;
  esac
}
netmasks() { # the prefix that `netmask +` finds: the longest of the networks that fit
  awk -v ip="$1" '
    function number(text,  p) { split(text, p, "."); return ((p[1] * 256 + p[2]) * 256 + p[3]) * 256 + p[4] }
    function down(value, size) { return value - value % size }
    { sub(/#.*/, "") }
    NF == 2 {
      size = 4294967296 - number($2); class = ip + 0 < 128 ? 16777216 : ip + 0 < 192 ? 65536 : 256
      if (down(number(ip), size) == number($1) || size <= class && down(number(ip), class) == number($1)) {
        n = 32; while (size > 1) { n--; size /= 2 } if (n > best) best = n } }
    END { if (best) print best }' "$root/etc/inet/netmasks"
}
show() { # INTERFACE FAMILY WORDS...: the addresses of one call
  interface=$1 six=$2; shift 2
  address= prefix= up=$six
  flush() {
    [ -n "$address" ] && [ -n "$up" ] || return 0
    if [ -z "$prefix" ]; then case $address in *:*) prefix=128 ;; *) prefix=24; [ "${address%%.*}" -ge 192 ] || prefix=16; [ "${address%%.*}" -ge 128 ] || prefix=8 ;; esac; fi
    echo "$interface $address/$prefix"
  }
  case $1 in '#'*) return ;; esac
  while [ $# -gt 0 ]; do
    case $1 in
      addif) flush; address= prefix= up= ;;
      up) up=1 ;;
      netmask) if [ "$2" = + ]; then found=$(netmasks "$address"); prefix=${found:-$prefix}; else prefix=$(bits "$2"); fi; shift ;;
      broadcast) shift ;;
      *) if [ -z "$address" ]; then address=$(lookup "${1%/*}"); case $1 in */*) prefix=${1#*/} ;; esac; fi ;;
    esac
    shift
  done
  # `up` on a line of its own brings up what the lines before it have set.
  [ -n "$alone" ] && [ -n "$address" ] && up=1
  flush
}
for file in "$root"/etc/hostname.*[0-9] "$root"/etc/hostname6.*[0-9]; do
  [ -f "$file" ] || continue
  name=${file##*/}
  six=; case $name in hostname6.*) six=1 ;; esac
  name=${name#*.}
  case $name in *.*) continue ;; esac
  count=$(awk 'END { print NR }' "$file")
  open=$(tail -c 1 "$file")
  alone=; if grep -q '^up$' "$file"; then alone=1; fi
  [ "$count" = 1 ] && [ -n "$open" ] && continue
  while read -r line; do
    [ -n "$line" ] || continue
    set -f
    # shellcheck disable=SC2086
    if [ -z "$six" ] && [ "$count" = 1 ]; then show "${name%%:*}" "$six" $line netmask + broadcast + up; else show "${name%%:*}" "$six" $line; fi
    set +f
  done <"$file"
done
