# What the network scripts (by release) or NetworkManager set from ifcfg files, in two models: for the scripts the files are
# sourced by bash itself, for NetworkManager their lines are taken apart. The models share nothing but the list of files.
# shells: bash
root=$1 dir=$1/etc/sysconfig/network-scripts
[ -d "$dir" ] || exit 0
shopt -s nullglob extglob nocasematch

# Who reads: the scripts, if they are there, unless only NetworkManager starts; it, if it starts or there is nobody else.
release=$(cat "$root/etc/redhat-release" "$root/etc/system-release" 2>/dev/null) el=${release#*release } el=${el%%[!0-9]*}
case $release in
  Fedora*) if [ "$el" -le 11 ]; then el=5; elif [ "$el" -le 18 ]; then el=6; elif [ "$el" -le 27 ]; then el=7; else el=8; fi ;;
  Amazon*) if [ "$el" -gt 2000 ]; then el=6; else el=7; fi ;;
esac
scripts= starts_scripts= plugin= starts_manager=
[ ! -e "$root/etc/init.d/network" ] && [ ! -e "$root/etc/rc.d/init.d/network" ] || scripts=1
for link in "$root"/etc/{rc.d/,}rc[35].d/S??network "$root"/etc/systemd/system/*.wants/network.service; do starts_scripts=1; done
for so in "$root"/usr/lib{,64}/NetworkManager/{,*/}libnm-settings-plugin-ifcfg-rh.so; do [ ! -e "$so" ] || plugin=1; done
for link in "$root"/{etc,usr/lib}/systemd/system/*.wants/NetworkManager.service "$root"/etc/rc[235].d/S??NetworkManager; do
  starts_manager=1
done
manager=$plugin
[ -z "$starts_manager" ] || [ "${el:-0}" -lt 6 ] || [ "$el" -gt 9 ] || manager=1
case ${scripts:-0}${manager:-0}${starts_manager:-0}${starts_scripts:-0} in
  1111) reads=both ;;
  1110 | 01*) reads=manager ;;
  1*) reads=scripts ;;
  *) case $el in 5) reads=scripts ;; 6 | 7) reads=both ;; *) reads=manager ;; esac ;;
esac

no() { [[ $1 == @(no|n|false|f|0) ]]; }
yes() { [[ $1 == @(yes|y|true|t|1) ]]; }
is_ip() {
  local part='(25[0-5]|2[0-4][0-9]|1[0-9][0-9]|[1-9]?[0-9])'
  [[ $1 =~ ^$part\.$part\.$part\.$part$ ]]
}
mask_bits() {
  local part sum=0
  for part in ${1//./ }; do while [ "$part" -gt 0 ]; do sum=$((sum + part % 2)); part=$((part / 2)); done; done
  echo "$sum"
}
class_bits() { if [ "${1%%.*}" -lt 128 ]; then echo 8; elif [ "${1%%.*}" -lt 192 ]; then echo 16; else echo 24; fi; }
bits() { # ADDRESS PREFIX NETMASK; nothing if that cannot be
  if [ -n "$2" ]; then [[ ! $2 =~ ^[0-9]+$ ]] || [ "$2" -gt 32 ] || echo "$2"
  elif [ -n "$3" ]; then ! is_ip "$3" || mask_bits "$3"; else class_bits "$1"; fi
}
say() { # DEVICE ADDRESS PREFIX NETMASK
  local length
  is_ip "$2" || return
  case $2 in 127.*) return ;; esac
  length=$(bits "$2" "$3" "$4")
  [ -z "$length" ] || echo "$1 $2/$length"
}
say6() { # DEVICE DEFAULT WORD...
  local device=$1 default=$2 word
  shift 2
  for word in "$@"; do case $word in *:*/*) echo "$device $word" ;; *:*) echo "$device $word/$default" ;; esac; done
}

# ---- The network scripts.
passed_over() { (shopt -u nocasematch; case $1 in *'~' | *.bak | *.old | *.orig | *.rpmnew | *.rpmorig | *.rpmsave) ;; *) false ;; esac); }
by_scripts() { # NAME
  DEVICE= ONBOOT= BOOTPROTO=
  . "$dir/ifcfg-$1" >/dev/null 2>&1
  local device=${DEVICE:-$1} index file odd
  [[ $device != *$'\r'* ]] || return
  ! no "$ONBOOT" || return
  if ! { [[ $BOOTPROTO == @(dhcp|bootp) ]] && [ "$reads" = scripts ]; } && ! { [[ $BOOTPROTO == @(dhcp|bootp) ]] && no "$NM_CONTROLLED"; }; then
    for index in "" {0..255}; do
      local address=IPADDR$index prefix=PREFIX$index mask=NETMASK$index
      if [ -z "${!address}" ]; then
        if [ "$el" = 6 ]; then [ "${index:-0}" -lt 3 ] || break; else [ "${index:-0}" -lt 2 ] || break; fi
        continue
      fi
      [ "$el" != 5 ] || [ -z "$index" ] || continue
      say "$device" $(echo ${!address}) "${!prefix}" "${!mask}"
    done
  fi
  if [ "$el" = 5 ]; then [ "$IPV6INIT" = yes ]; else ! no "$IPV6INIT"; fi &&
    say6 "$device" 128 $IPV6ADDR $IPV6ADDR_SECONDARIES
  aliases_by_scripts "$device" "$1"
}
aliases_by_scripts() { # DEVICE NAME
  local device=$1 file number count taken CLONENUM_START=
  [ "${owner[$device]}" = "$2" ] || return
  local parent_prefix=$PREFIX parent_mask=$NETMASK addresses=" " numbers=" "
  [ "$el" != 5 ] || parent_prefix=
  for file in "$dir/ifcfg-$device":*; do
    ! passed_over "$file" || continue
    DEVICE= IPADDR= ONPARENT= PREFIX=$parent_prefix NETMASK=$parent_mask
    . "$file" >/dev/null 2>&1
    [ -n "$DEVICE" ] || DEVICE=${file##*/ifcfg-}
    [ "$ONPARENT" != no ] && [ "$ONPARENT" != NO ] || continue
    number=${DEVICE#*:}
    [[ $number != *[!0-9A-Za-z_]* ]] || continue
    taken=
    case $addresses in *" $IPADDR "*) taken=1 ;; esac
    case $numbers in *" $number "*) taken=1 ;; esac
    addresses="$addresses$IPADDR " numbers="$numbers$number "
    [ -z "$taken" ] && [ "${#DEVICE}" -le 15 ] && [[ $DEVICE == "$device"* ]] || continue
    say "$device" "$IPADDR" "$PREFIX" "$NETMASK"
  done
  for file in "$dir/ifcfg-$device"-range*; do
    ! passed_over "$file" || continue
    ONPARENT= PREFIX=$parent_prefix NETMASK=$parent_mask
    . "$file" >/dev/null 2>&1
    [ "${IPADDR_START%.*}" = "${IPADDR_END%.*}" ] && [ "$ONPARENT" != no ] && [ "$ONPARENT" != NO ] || continue
    for ((count = ${IPADDR_START##*.}; count <= ${IPADDR_END##*.}; count++)); do
      IPADDR=${IPADDR_START%.*}.$count number=$CLONENUM_START taken=
      [ "$count" = "${IPADDR_START##*.}" ] || number=$((CLONENUM_START + count - ${IPADDR_START##*.}))
      case $addresses in *" $IPADDR "*) taken=1 ;; esac
      case $numbers in *" $number "*) taken=1 ;; esac
      addresses="$addresses$IPADDR " numbers="$numbers$number "
      [ -z "$taken" ] || break
      say "$device" "$IPADDR" "$PREFIX" "$NETMASK"
    done
  done
}

# ---- NetworkManager.
value() { # FILE NAME: of the last line `NAME=VALUE`, without quotes; nothing if it would have to be evaluated
  local line found=
  while IFS= read -r line || [ -n "$line" ]; do
    [[ $line =~ ^[[:space:]]*$2=(.*)$ ]] && found=${BASH_REMATCH[1]}
  done < <(tr -d '\r' <"$1")
  [[ $found != *[\$\`]* ]] || return
  if [[ $found =~ ^\"([^\"\\]*)\"([[:space:]]+#.*|[[:space:]]*)$ ]] || [[ $found =~ ^\'([^\']*)\'([[:space:]]+#.*|[[:space:]]*)$ ]] ||
    [[ $found =~ ^([^[:space:]\"\'\\\;\&\|]*)([[:space:]]+#.*|[[:space:]]*)$ ]]; then echo "${BASH_REMATCH[1]}"; fi
}
by_manager() { # NAME
  local file=$dir/ifcfg-$1 device index address first= found
  ! no "$(value "$file" ONBOOT)" && ! no "$(value "$file" NM_CONTROLLED)" || return
  device=$(value "$file" DEVICE)
  [ -n "$device" ] || device=${1#System_}
  # One that is no address spoils the whole file.
  for index in "" {0..9}; do
    address=$(value "$file" "IPADDR$index")
    [ -z "$address" ] || is_ip "$address" || return
  done
  for index in "" {0..300}; do
    address=$(value "$file" "IPADDR$index")
    if [ -z "$address" ]; then [ "${index:-0}" -lt 2 ] || break; continue; fi
    found=$(say "$device" "$address" "$(value "$file" "PREFIX$index")" "$(value "$file" "NETMASK$index")")
    [ -z "$found" ] || echo "$found"
    [ -n "$first" ] || first=${found##*/}
  done
  found=$(value "$file" IPV6INIT)
  [ -n "$found" ] || found=$(value "$root/etc/sysconfig/network" IPV6INIT)
  ! yes "$found" || yes "$(value "$file" IPV6_DISABLED)" ||
    say6 "$device" 64 $(value "$file" IPV6ADDR) $(value "$file" IPV6ADDR_SECONDARIES)
  for file in "$dir/ifcfg-$1":*; do
    index=${file##*:} address=$(value "$file" IPADDR)
    [[ $index != *[!0-9A-Za-z_]* ]] && [ "$(value "$file" DEVICE)" = "${file##*/ifcfg-}" ] && [ -n "$address" ] || continue
    [ "$(value "$file" DEVICE | wc -c)" -le 16 ] || continue
    local prefix=$(value "$file" PREFIX) mask=$(value "$file" NETMASK)
    [ -n "$prefix$mask" ] || prefix=$first
    say "$device" "$address" "$prefix" "$mask"
  done
}
# Of several files for a device that start, the one of its name has the aliases, else the first.
declare -A owner
for file in "$dir"/ifcfg-*; do
  name=${file##*/ifcfg-}
  case $name in *:* | *-range*) continue ;; esac
  device=$(DEVICE= ONBOOT= && . "$file" >/dev/null 2>&1; no "$ONBOOT" || echo "${DEVICE:-$name}")
  [ -z "$device" ] || passed_over "$name" || [ -n "${owner[$device]}" ] && [ "$name" != "$device" ] || owner[${device:-none}]=$name
done

not_by_manager() { case $1 in *'~' | *.bak | *.orig | *.rej | *.rpmnew | *.augnew | *.augtmp | *\;+([0-9a-f])) ;; *) false ;; esac; }

for file in "$dir"/ifcfg-*; do
  name=${file##*/ifcfg-}
  case $name in *:* | *-range*) continue ;; esac
  [ -f "$file" ] || continue
  case $reads in
    scripts) passed_over "$name" || (by_scripts "$name") ;;
    both) passed_over "$name" && not_by_manager "$name" || (by_scripts "$name") ;;
    manager) not_by_manager "$name" || by_manager "$name" ;;
  esac
done
exit 0
