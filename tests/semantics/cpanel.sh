# What the `ipaliases` service of cPanel brings up: one alias of /etc/ips a line, on ETHDEV of /etc/wwwacct.conf.
# shells: bash dash
root=$1
device=eth0
while read -r key value _; do
  [ "$key" != ETHDEV ] || device=${value%%:*}
done <"$root/etc/wwwacct.conf"
[ -e "$root/etc/ips" ] || exit 0
tr -d '\r' <"$root/etc/ips" | awk -F: -v device="$device" '
  function prefix(mask,  parts, bits, i, n) {
    n = split(mask, parts, "."); bits = 0
    if (n != 4) return 32
    for (i = 1; i <= 4; i++) while (parts[i] >= 128) { bits++; parts[i] = (parts[i] - 128) * 2 }
    return bits
  }
  { gsub(/[ \t]/, "") }
  $1 ~ /^[0-9]+\.[0-9]+\.[0-9]+\.[0-9]+$/ && !seen[$1]++ { print device, $1 "/" prefix($2) }'
