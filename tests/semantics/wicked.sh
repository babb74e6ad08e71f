# What wicked sets from ifcfg files: its line parser and its precedence of prefixes, as measured.
# shells: bash dash
dir=$1/etc/sysconfig/network
[ -d "$dir" ] || exit 0
for file in "$dir"/ifcfg-*; do
  name=${file##*/ifcfg-}
  case $name in
    lo | all | default | *:* | *'~' | *.old | *.bak | *.orig | *.scpmbackup | *.rpmnew | *.rpmsave | *.rpmorig) continue ;;
  esac
  # A last line without its end is marked, since awk does not tell.
  { cat "$file"; [ -z "$(tail -c 1 "$file")" ] || printf '\001'; } | awk -v device="$name" '
    function bits(mask,  parts, i, n) {
      split(mask, parts, "."); n = 0
      for (i = 1; i <= 4; i++) while (parts[i] >= 128) { n++; parts[i] = (parts[i] - 128) * 2 }
      return n
    }
    {
      line = $0
      sub(/^[ \t\r]+/, "", line)
      if (line !~ /^[A-Za-z][A-Za-z0-9_]*=/) next
      name = line; sub(/=.*/, "", name)
      value = substr(line, length(name) + 2)
      quote = substr(value, 1, 1)
      if (quote == "\"" || quote == "\047") {
        value = substr(value, 2); at = index(value, quote)
        if (!at) next
        value = substr(value, 1, at - 1)
      } else {
        sub(/[ \t\r].*/, "", value)
        if (value ~ /\001$/) next
      }
      if (!(name in values)) order[++count] = name
      values[name] = value
    }
    END {
      mode = tolower(values["BOOTPROTO"])
      if (mode == "none" || tolower(values["STARTMODE"]) == "off") exit
      for (i = 1; i <= count; i++) {
        name = order[i]
        if (name !~ /^IPADDR/) continue
        suffix = substr(name, 7); value = values[name]; sub(/[ \t].*/, "", value)
        if (value == "") continue
        six = value ~ /:/; split(value, part, "/"); address = part[1]
        if (address in seen) continue
        seen[address] = 1
        if (part[2] != "") prefix = part[2]
        else if (values["PREFIXLEN" suffix] != "") prefix = values["PREFIXLEN" suffix]
        else if (!six && values["NETMASK" suffix] != "") prefix = bits(values["NETMASK" suffix])
        else prefix = six ? 128 : 32
        print device, address "/" prefix
      }
    }'
done
