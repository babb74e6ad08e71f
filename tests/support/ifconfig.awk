# Which addresses calls of ifconfig leave on BSD: a line each, the words set apart by \037, the interface first. `hosts` is
# the table of names. Independent of ipalias; the rules are those of the manuals, and from memory.
BEGIN {
  FS = "\037"
  while ((getline line < hosts) > 0) { sub(/#.*/, "", line); n = split(line, w, /[ \t]+/); for (i = 2; i <= n; i++) if (w[i] != "") name[w[i], w[1] ~ /:/] = w[1] }
  split("up down arp debug monitor staticarp create wol autoconfprivacy anycast tentative deprecated eui64 link0 soii", w, " "); for (i in w) { takes[w[i]] = 0; takes["-" w[i]] = 0 }
  split("mtu metric nwid ssid wpakey nwkey join description descr media mediaopt mode group parent vnetid vlan vlanif vlanprio carpdev vhid pass advskew advbase trunkport trunkproto agrport agrproto laggport wgkey wgport rtlabel rdomain priority lladdr llprio pltime vltime preference powersavesleep inst", w, " "); for (i in w) takes[w[i]] = 1
  split("tunnel wgendpoint", w, " "); for (i in w) takes[w[i]] = 2
}
function quad(text,  p, i) { # whether it is a dotted address
  if (split(text, p, ".") != 4) return 0
  for (i = 1; i <= 4; i++) if (p[i] !~ /^(0|[1-9][0-9]*)$/ || p[i] > 255) return 0
  return 1
}
function address(text) { # the address of a word, or nothing
  if (six) { sub(/%.*/, "", text); if (text ~ /^[0-9a-fA-F:.]+$/ && text ~ /:.*:/) return text }
  else if (quad(text)) return text
  return (text, six) in name ? name[text, six] : ""
}
function bits(mask,  p, i, v, n, open, d) { # the prefix of a mask, or -1
  if (mask ~ /^0[xX][0-9a-fA-F]+$/ && length(mask) <= 10) { v = 0; mask = tolower(mask); for (i = 3; i <= length(mask); i++) v = v * 16 + index("0123456789abcdef", substr(mask, i, 1)) - 1 }
  else if (quad(mask)) { split(mask, p, "."); v = ((p[1] * 256 + p[2]) * 256 + p[3]) * 256 + p[4] }
  else if (mask ~ /^[0-9]+$/ && mask + 0 < 4294967296) v = mask + 0
  else return -1
  n = 0; open = 1
  for (i = 31; i >= 0; i--) { d = v >= 2 ^ i; if (d) { if (!open) return -1; n++; v -= 2 ^ i } else open = 0 }
  return n
}
function drop(at,  i) { for (i = at; i < count[key]; i++) slot[key, i] = slot[key, i + 1]; count[key]-- }
function find(ip,  i, p) { for (i = 1; i <= count[key]; i++) { split(slot[key, i], p, "/"); if (p[1] == ip) return i } return 0 }
{
  i = 2; six = 0
  if ($2 == "inet" || $2 == "inet6") { six = $2 == "inet6"; i = 3 }
  key = $1 SUBSEP six; seen[key] = $1
  ip = prefix = mask = ""; given = alias = gone = bad = 0
  for (; i <= NF; i++) {
    if ($i == "alias") alias = 1
    else if ($i == "-alias" || $i == "delete") gone = 1
    else if ($i == "autoconf") { }
    else if ($i == "netmask") { if (i == NF) bad = 1; else if ((mask = bits($(++i))) < 0) bad = 1 }
    else if ($i == "prefixlen") { if (i == NF || $(i + 1) !~ /^[0-9]+$/ || $(i + 1) + 0 > (six ? 128 : 32)) bad = 1; mask = $(++i) }
    else if ($i == "broadcast") { if (i == NF || address($(i + 1)) == "") bad = 1; i++ }
    else if ($i in takes) { if (i + takes[$i] > NF) bad = 1; i += takes[$i] }
    else if (++given == 1) {
      word = $i; prefix = ""
      if (word ~ /\//) { prefix = word; sub(/.*\//, "", prefix); sub(/\/[^\/]*$/, "", word); if (prefix !~ /^[0-9]+$/ || prefix + 0 > (six ? 128 : 32)) bad = 1 }
      if ((ip = address(word)) == "") bad = 1
    } else if (given == 2) { if (address($i) == "" || $i ~ /^255\./) bad = 1 }
    else bad = 1
  }
  if (bad || ip == "") next
  if (mask != "") prefix = mask
  if (prefix == "") { split(ip, p, "."); prefix = six ? 64 : p[1] < 128 ? 8 : p[1] < 192 ? 16 : 24 }
  if (gone) { while (at = find(ip)) drop(at); next }
  if (!alias && !six && count[key] > 0) drop(1)
  if (at = find(ip)) slot[key, at] = ip "/" prefix; else slot[key, ++count[key]] = ip "/" prefix
}
END { for (key in seen) for (i = 1; i <= count[key]; i++) print seen[key], slot[key, i] }
