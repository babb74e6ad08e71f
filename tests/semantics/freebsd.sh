# What network.subr sets from the chain of rc.conf files: sourced by the shell itself, then the measured rules.
# shells: bash dash
root=$1
awk_script='
  function bits(mask,  parts, i, n, v) {
    n = 0
    if (mask ~ /^0x/) { for (i = 3; i <= length(mask); i++) { v = index("0123456789abcdef", tolower(substr(mask, i, 1))) - 1
        while (v > 0) { n += v % 2; v = int(v / 2) } } return n }
    split(mask, parts, "."); for (i = 1; i <= 4; i++) while (parts[i] >= 128) { n++; parts[i] = (parts[i] - 128) * 2 }
    return n
  }
  function show(address, prefix) { print device, address "/" prefix }
  function emit(word, mask,  part, six, prefix, o, r, i, first) {
    if (word !~ /^[0-9a-f.:\/-]+$/ || word !~ /[.:]/) return
    split(word, part, "/"); six = word ~ /:/; prefix = part[2]
    if (six && !on) return
    if (prefix == "") prefix = mask != "" ? mask : (six ? 128 : 32)
    if (!six && part[1] ~ /-/) {
      if (dragonfly) return
      split(part[1], o, "."); split(o[4], r, "-"); first = 1
      for (i = r[1] + 0; i <= r[2] + 0; i++) { show(o[1] "." o[2] "." o[3] "." i, first && part[2] != "" ? part[2] : 32); first = 0 }
    } else show(part[1], prefix)
  }
  { for (i = 1; i <= NF; i++) w[++n] = $i }
  END {
    for (i = 1; i <= n; i++) {
      if (style == "words") { emit(w[i], ""); continue }
      start = 0
      if (w[i] == "inet" || w[i] == "inet6") { i++; start = i }
      else if (i == 1 && w[i] ~ /^[0-9a-f]+[.:]/) start = i
      if (!start) continue
      mask = ""
      for (j = start + 1; j <= n && w[j] != "inet" && w[j] != "inet6"; j++) {
        if (w[j] == "netmask") mask = bits(w[j + 1])
        if (w[j] == "prefixlen") mask = w[j + 1]
      }
      emit(w[start], mask)
      i = j - 1
    }
  }'
take() { printf '%s\n' "$2" | awk -v device="$interface" -v on="$on" -v dragonfly="$dragonfly" -v style="$1" "$awk_script"; }
get() { eval "printf '%s' \"\${$1-}\""; }
version=$(sed -n 's/^USERLAND_VERSION="\([0-9]*\).*/\1/p' "$root/bin/freebsd-version" 2>/dev/null)
dragonfly= strict=1
[ "${version:-0}" -lt 10 ] || strict=
grep -q ifalias_expand_addr "$root/etc/network.subr" || dragonfly=1
if [ -n "$version" ]; then dragonfly=; fi
list=$(mktemp); trap 'rm -f "$list"' EXIT
for file in "$root/etc/rc.conf" "$root/etc/rc.conf.local"; do [ ! -r "$file" ] || echo "$file"; done >"$list"
names=network; [ "${version:-0}" -lt 11 ] || names='network netif'
for name in $names; do for dir in "$root/etc/rc.conf.d" "$root/usr/local/etc/rc.conf.d"; do
  if [ -d "$dir/$name" ]; then for file in "$dir/$name"/*; do echo "$file"; done; elif [ -f "$dir/$name" ]; then echo "$dir/$name"; fi
done; done >>"$list"
before=$(set | sed -n 's/^\([A-Za-z_0-9]*\)=.*/\1/p')
while IFS= read -r file; do . "$file" 2>/dev/null; done <"$list"
variables=$(set | sed -n 's/^\([A-Za-z_0-9]*\)=.*/\1/p' | grep -E '^(ipv6_)?ifconfig_|^ipv4_addrs_')
keys=$(printf '%s\n' $variables | sed -n 's/^ipv6_ifconfig_//; s/^ifconfig_//; s/^ipv4_addrs_//; s/_alias.*//; s/_ipv6$//; /^DEFAULT$/d; /_name$/d; p' | sort -u)
aliases() { # the numbered aliases behind a stem, in order, up to where the search ends
  if [ -n "$strict" ]; then
    number=0
    while [ -n "$(get "$1$number")" ]; do echo "$1$number"; number=$((number + 1)); done
    return
  fi
  printf '%s\n' $variables | grep -E "^$1[0-9]" | sed "s/^$1\([0-9]*\).*/\1 &/" | sort -n | while read -r _ name; do
    [ -n "$(get "$name")" ] || break
    echo "$name"
  done
}
for key in $keys; do
  interface=$key
  case $key in *_*) interface=${key%_*}.${key##*_} ;; esac
  on=$dragonfly
  for name in "ifconfig_${key}_ipv6" "ipv6_prefix_$key" "ipv6_ifconfig_$key"; do [ -z "$(get "$name")" ] || on=1; done
  if [ -z "$(get "ifconfig_$key")" ] && [ -n "$(get ifconfig_DEFAULT)" ]; then on=1; fi
  take groups "$(get "ifconfig_$key")"
  take groups "$(get "ifconfig_${key}_ipv6")"
  take groups "$(get "ipv6_ifconfig_$key")"
  if [ -z "$dragonfly" ]; then take groups "$(get "ifconfig_${key}_aliases")"; take words "$(get "ipv4_addrs_$key")"; fi
  for name in $(aliases "ifconfig_${key}_alias") $(aliases "ipv6_ifconfig_${key}_alias"); do take groups "$(get "$name")"; done
done
