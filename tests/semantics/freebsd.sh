# What network.subr sets from the chain of rc.conf files: sourced by the shell itself, then the measured rules.
# shells: bash dash
x_root=$1
x_awk='
  function hex(text,  i, n) { n = 0; for (i = 1; i <= length(text); i++) n = n * 16 + index("0123456789abcdef", tolower(substr(text, i, 1))) - 1; return n }
  function bits(mask,  parts, i, n, v) {
    if (mask ~ /\r/) return "broken"
    n = 0
    if (mask ~ /^0[xX]/) { for (v = hex(substr(mask, 3)); v >= 1; v = int(v / 2)) n += v % 2; return n }
    split(mask, parts, "."); for (i = 1; i <= 4; i++) while (parts[i] >= 128) { n++; parts[i] = (parts[i] - 128) * 2 }
    return n
  }
  function show(address, prefix) { if (++shown <= limit) print device, address "/" prefix }
  function four(address, prefix,  o, p, low, high, a, b, c, d, i) {
    split(address, o, "."); shown = 0
    for (i = 1; i <= 4; i++) { low[i] = high[i] = o[i]; if (split(o[i], p, "-") > 1) { low[i] = p[1]; high[i] = p[2] } }
    for (a = low[1] + 0; a <= high[1] + 0; a++) for (b = low[2] + 0; b <= high[2] + 0; b++)
      for (c = low[3] + 0; c <= high[3] + 0; c++) for (d = low[4] + 0; d <= high[4] + 0; d++)
        show(a "." b "." c "." d, shown == 0 && prefix != "" ? prefix : 32)
  }
  function six(address, prefix,  at, head, tail, p, i) {
    match(address, /[0-9a-f]+-[0-9a-f]+/); shown = 0
    head = substr(address, 1, RSTART - 1); tail = substr(address, RSTART + RLENGTH)
    split(substr(address, RSTART, RLENGTH), p, "-")
    for (i = hex(p[1]); i <= hex(p[2]); i++) show(head sprintf("%x", i) tail, prefix == "" ? 128 : prefix)
  }
  function emit(word, mask,  part, is_six, prefix) {
    if (word !~ /^[0-9a-f.:\/-]+$/ || word !~ /[.:]/ || mask == "broken") return
    split(word, part, "/"); is_six = word ~ /:/; prefix = part[2]
    if (is_six && !on) return
    if (part[1] ~ /-/) { if (!dragonfly) { if (is_six) six(part[1], prefix); else four(part[1], prefix) } return }
    if (mask != "") prefix = mask
    if (prefix == "") prefix = is_six ? 128 : 32
    shown = 0; show(part[1], prefix)
  }
  BEGIN {
    n = split(ENVIRON["x_value"], w, /[ \t\n]+/); if (w[1] == "") { for (i = 1; i < n; i++) w[i] = w[i + 1]; n-- }
    if (n > 0 && w[n] == "") n--
    flags = 1
    for (i = 1; i <= n; i++) {
      if (style == "words") { emit(w[i], ""); continue }
      start = 0
      if (w[i] == "inet" || w[i] == "inet6") { i++; start = i }
      else if (flags && style == "groups" && w[i] ~ /^[0-9a-f]+[.:][0-9a-f.:\/-]*$/ && w[i - 1] !~ /^(netmask|broadcast|tunnel)$/ && w[i - 2] != "tunnel") start = i
      if (start) flags = 0
      if (!start) continue
      mask = ""
      for (j = start + 1; j <= n && w[j] != "inet" && w[j] != "inet6"; j++) {
        if (w[j] ~ /\r/) mask = "broken"
        if (w[j] == "netmask" && mask == "") mask = bits(w[j + 1])
        if (w[j] == "prefixlen" && mask == "") mask = w[j + 1]
      }
      emit(w[start], mask)
      i = j - 1
    }
  }'
x_take() { # STYLE VARIABLE
  eval "x_value=\${$2-}"
  [ -z "$x_value" ] || x_value=$x_value awk -v device="$x_interface" -v on="$x_on" -v dragonfly="$x_dragonfly" -v limit="${netif_ipexpand_max:-2048}" -v style="$1" "$x_awk"
}
x_get() { eval "printf '%s' \"\${$1-}\""; }
x_version=$(sed -n "s/^USERLAND_VERSION=[\"']\\([0-9]*\\).*/\\1/p" "$x_root/bin/freebsd-version" 2>/dev/null)
if [ -z "$x_version" ] && grep -q '^ID=freebsd' "$x_root/etc/os-release" 2>/dev/null; then x_version=$(sed -n 's/^VERSION_ID="*\([0-9]*\).*/\1/p' "$x_root/etc/os-release"); fi
x_dragonfly= x_strict=1
if [ "${x_version:-0}" -ge 10 ] || [ -e "$x_root/bin/midnightbsd-version" ]; then x_strict=; fi
if [ -z "$x_version" ] && grep -q list_vars "$x_root/etc/network.subr"; then x_strict=; fi
if [ -z "$x_version" ] && [ -n "$x_strict" ] && ! grep -q ifalias_expand_addr "$x_root/etc/network.subr"; then x_dragonfly=1; fi
x_seen=:
x_source() { # sources a file of the tree, once
  case $x_seen in *":$1:"*) return ;; esac
  x_seen=$x_seen$1:
  if [ -f "$x_root$1" ]; then . "$x_root$1" 2>/dev/null; fi
}
rc_conf_files='/etc/rc.conf /etc/rc.conf.local'
x_source /etc/defaults/vendor.conf
x_source /etc/defaults/rc.conf
# Twice: a file may have set the list anew.
for x_file in $rc_conf_files; do x_source "$x_file"; done
for x_file in $rc_conf_files; do x_source "$x_file"; done
x_names=network; [ "${x_version:-0}" -lt 11 ] || x_names='network netif'
for x_name in $x_names; do for x_dir in /etc ${local_startup-/usr/local/etc/rc.d}; do
  x_dir=${x_dir%/rc.d}/rc.conf.d/$x_name
  if [ -d "$x_root$x_dir" ]; then for x_file in "$x_root$x_dir"/*; do x_source "${x_file#"$x_root"}"; done; else x_source "$x_dir"; fi
done; done
x_variables=$(set | sed -n 's/^\([A-Za-z_0-9]*\)=.*/\1/p' | grep -E '^(ipv6_)?ifconfig_|^ipv4_addrs_')
x_keys=$(printf '%s\n' $x_variables | sed -n 's/^ipv6_ifconfig_//; s/^ifconfig_//; s/^ipv4_addrs_//; s/_alias.*//; s/_ipv6$//; /^DEFAULT$/d; /_name$/d; /_descr$/d; p' | sort -u)
x_aliases() { # the numbered aliases behind a stem, in order, up to where the search ends
  if [ -n "$x_strict" ]; then
    x_number=0
    while [ -n "$(x_get "$1$x_number")" ]; do echo "$1$x_number"; x_number=$((x_number + 1)); done
    return
  fi
  printf '%s\n' $x_variables | grep -E "^$1[0-9]" | sed "s/^$1\([0-9]*\).*/\1 &/" | sort -n | while read -r _ x_name; do
    [ -n "$(x_get "$x_name")" ] || break
    echo "$x_name"
  done
}
for x_key in $x_keys; do
  x_interface=$x_key
  case $x_key in *_*[!0-9]) ;; *_[0-9]*) x_interface=${x_key%_*}.${x_key##*_} ;; esac
  x_renamed=$(x_get "ifconfig_${x_key}_name")
  [ -z "$x_renamed" ] || [ "$x_renamed" = "$x_key" ] || continue
  x_on=$x_dragonfly
  for x_name in "ifconfig_${x_key}_ipv6" "ipv6_prefix_$x_key" "ipv6_ifconfig_$x_key"; do [ -z "$(x_get "$x_name")" ] || x_on=1; done
  if eval "[ -z \"\${ifconfig_${x_key}_ipv6+x}\" ]" && [ -n "$(x_get ifconfig_DEFAULT)" ]; then x_on=1; fi
  x_old=1
  if [ -n "$x_dragonfly" ]; then case $ipv6_enable in [Yy][Ee][Ss]) ;; *) x_old= ;; esac; fi
  x_take groups "ifconfig_$x_key"
  if [ -z "$x_dragonfly" ]; then
    x_take groups "ifconfig_${x_key}_ipv6"
    x_take families "ifconfig_${x_key}_aliases"
    x_take words "ipv4_addrs_$x_key"
  fi
  for x_name in $(x_aliases "ifconfig_${x_key}_alias"); do x_take groups "$x_name"; done
  if [ -n "$x_old" ]; then
    for x_name in "ipv6_ifconfig_$x_key" $(x_aliases "ipv6_ifconfig_${x_key}_alias"); do x_take groups "$x_name"; done
  fi
done
