# What wicked sets from ifcfg files: its line parser and its precedence of prefixes, as measured. Where the scripts before
# wicked read the files, the shell itself sources them.
# shells: bash dash
dir=$1/etc/sysconfig/network
[ -d "$dir" ] || exit 0
old=
if [ ! -e "$1/usr/sbin/wicked" ]; then
  for mark in "$1"/etc/init.d/network "$1"/etc/init.d/rc[35].d/S*network; do
    if [ -e "$mark" ] || [ -L "$mark" ]; then old=1; fi
  done
fi

# One line `NAME=VALUE` for each variable, in the order of first occurrence.
by_wicked() {
  # A last line without its end is marked, since awk does not tell.
  { cat "$1"; [ -z "$(tail -c 1 "$1")" ] || printf '\001'; } | LC_ALL=C awk '
    function piece(text,  name, value, quote, at) {
      sub(/^[ \t\r\n\v\f]+/, "", text)
      if (text !~ /^[A-Za-z][A-Za-z0-9_]*=/) return
      name = text; sub(/=.*/, "", name)
      value = substr(text, length(name) + 2)
      quote = substr(value, 1, 1)
      if (quote == "\"" || quote == "\047") {
        value = substr(value, 2); at = index(value, quote)
        if (!at) return
        value = substr(value, 1, at - 1)
      } else {
        if (value !~ /[ \t\r\n\v\f]/) return
        sub(/[ \t\r\n\v\f].*/, "", value)
      }
      if (!(name in values)) order[++count] = name
      values[name] = value
    }
    {
      data = $0 "\n"
      if ($0 ~ /\001$/) data = substr($0, 1, length($0) - 1)
      for (from = 1; from <= length(data); from += 511) piece(substr(data, from, 511))
    }
    END { for (i = 1; i <= count; i++) print order[i] "=" values[order[i]] }'
}

by_shell() {
  names=$(grep -oE '[A-Za-z_][A-Za-z0-9_]*=' "$1" | tr -d = | awk '!seen[$0]++')
  (
    . "$1" >/dev/null
    for variable in $names; do
      eval "value=\${$variable-}"
      printf '%s=%s\n' "$variable" "$value"
    done
  )
}

ports=
for file in "$dir"/ifcfg-*; do
  ports="$ports $(by_wicked "$file" | sed -nE "s/^(BRIDGE_PORTS|BONDING_SLAVE[^=]*|TEAM_PORT_DEVICE[^=]*|OVS_BRIDGE_PORT_DEVICE[^=]*)=//p" | tr '\n' ' ')"
done
for file in "$dir"/ifcfg-*; do
  name=${file##*/ifcfg-}
  case $name in
    lo | all | default | *[!A-Za-z0-9._-]* | [!A-Za-z0-9]* | ????????????????* | '') continue ;;
    *'~' | *.old | *.bak | *.orig | *.scpmbackup | *.rpmnew | *.rpmsave | *.rpmorig) continue ;;
  esac
  case " $ports " in *" $name "*) continue ;; esac
  if [ -n "$old" ]; then by_shell "$file"; else by_wicked "$file"; fi | awk -v device="$name" '
    function digit(c) { return index("0123456789abcdef", tolower(c)) - 1 }
    function number(text,  base, sum) { # strtoul(3) with base 0
      sub(/^[ \t\r\n\v\f]+/, "", text); sub(/^\+/, "", text)
      base = 10
      if (text ~ /^0[xX][0-9a-fA-F]/) { base = 16; text = substr(text, 3) } else if (text ~ /^0/) base = 8
      for (sum = 0; text != "" && digit(substr(text, 1, 1)) >= 0 && digit(substr(text, 1, 1)) < base; text = substr(text, 2))
        sum = sum * base + digit(substr(text, 1, 1))
      return sum
    }
    function bits(mask,  parts, i, n) { # the leading ones
      if (mask !~ /^[0-9]+\.[0-9]+\.[0-9]+\.[0-9]+$/) return 0
      split(mask, parts, ".")
      for (i = 1; i <= 4; i++) {
        while (parts[i] >= 128) { n++; parts[i] = (parts[i] - 128) * 2 }
        if (n < 8 * i) break
      }
      return n + 0
    }
    { at = index($0, "="); name = substr($0, 1, at - 1); order[++count] = name; values[name] = substr($0, at + 1) }
    END {
      mode = tolower(values["BOOTPROTO"])
      if (mode == "none" || mode == "ibft" || values["STARTMODE"] == "off" || values["MASTER_DEVICE"] != "") exit
      for (i = 1; i <= count; i++) {
        if (order[i] !~ /^IPADDR/) continue
        suffix = substr(order[i], 7); value = values[order[i]]
        address = value; sub(/\/.*/, "", address)
        if (address !~ /^[0-9a-fA-F:.]+$/ || address !~ /[.:]/ || address == "0.0.0.0" || address == "::") continue
        if (address in seen) continue
        seen[address] = 1
        most = address ~ /:/ ? 128 : 32
        prefix = value ~ /\// ? number(substr(value, length(address) + 2)) : 0
        if (prefix < 1 || prefix > most) {
          if (values["PREFIXLEN" suffix] != "") prefix = number(values["PREFIXLEN" suffix])
          else prefix = most == 32 ? bits(values["NETMASK" suffix]) : 0
        }
        if (prefix < 1 || prefix > most) prefix = most
        print device, address "/" prefix
      }
    }'
done
