# The static address objects that ipadm brings up at boot: of a record of `ipadm show-addr`, else of ipadm.conf.
# shells: bash dash
root=$1
if [ -e "$root/ipalias/ipadm" ]; then
  sed 's/\\:/@/g' "$root/ipalias/ipadm" | awk -F: '
    $2 == "static" && $4 ~ /U/ && $1 !~ /^lo0\// { gsub(/@/, ":", $5); sub(/\/.*/, "", $1); print $1, $5 }'
elif [ -e "$root/etc/ipadm/ipadm.conf" ]; then
  awk -F';' '
    { delete pair; for (i = 1; i < NF; i++) { at = index($i, "="); pair[substr($i, 1, at - 1)] = substr($i, at + 1) }
      name = pair["_aobjname"]; if (name == "") next
      value = pair["_ipv4addr"] pair["_ipv6addr"]; if (value != "") { sub(/,.*/, "", value); address[name] = value }
      if (pair["prefixlen"] != "") length_of[name] = pair["prefixlen"] }
    END { for (name in address) { interface = name; sub(/\/.*/, "", interface)
      print interface, address[name] "/" (length_of[name] == "" ? (address[name] ~ /:/ ? 128 : 32) : length_of[name]) } }' "$root/etc/ipadm/ipadm.conf"
fi
