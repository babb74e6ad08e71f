# What the `ipaliases` service of cPanel brings up: one alias of /etc/ips a line, on ETHDEV of /etc/wwwacct.conf. Before it,
# what the system below has: the table of ifcfg files, or the simple stanzas of an interfaces(5) file.
# shells: bash dash
root=$1
bash "${0%/*}/ifcfg.sh" "$root"
[ ! -e "$root/etc/network/interfaces" ] ||
  awk '$1 == "iface" { device = $2; sub(/:.*/, "", device) } $1 == "address" { print device, $2 }' "$root/etc/network/interfaces"
device=eth0
while read -r key value _; do
  [ "$key" != ETHDEV ] || device=${value%%:*}
done <"$root/etc/wwwacct.conf"
[ -e "$root/etc/ips" ] && [ ! -e "$root/etc/ipaliasesdisable" ] || exit 0
tr -d '\r' <"$root/etc/ips" | awk -F: -v device="$device" '
  # The number of ones of a dotted mask; nothing if a one follows a zero.
  function prefix(mask,  parts, bits, i, bit, ended) {
    if (mask == "") return 32
    if (split(mask, parts, ".") != 4) return ""
    for (i = 1; i <= 4; i++) for (bit = 128; bit >= 1; bit /= 2) {
      if (parts[i] >= bit) { if (ended) return ""; parts[i] -= bit; bits++ } else ended = 1
    }
    return bits + 0
  }
  function sound(ip,  parts, i) {
    if (split(ip, parts, ".") != 4) return 0
    for (i = 1; i <= 4; i++) if (parts[i] !~ /^[0-9]+$/ || parts[i] > 255) return 0
    return 1
  }
  { gsub(/[ \t]/, "") }
  sound($1) && prefix($2) != "" && !seen[$1]++ { print device, $1 "/" prefix($2) }'
