# What the network scripts (by release) or NetworkManager set from ifcfg files. The files are sourced by bash itself.
# shells: bash
root=$1 dir=$1/etc/sysconfig/network-scripts
[ -d "$dir" ] || exit 0
text=$(cat "$root/etc/redhat-release" 2>/dev/null) el=${text#*release } el=${el%%[!0-9]*}
scripts= manager=
[ ! -e "$root/etc/init.d/network" ] || scripts=1
for so in "$root"/usr/lib*/NetworkManager/*/libnm-settings-plugin-ifcfg-rh.so; do [ ! -e "$so" ] || manager=1; done
[ -n "$scripts$manager" ] || { [ "$el" -ge 8 ] && manager=1 || scripts=1; }
bits() {
  local part sum=0
  for part in ${1//./ }; do while [ "$part" -gt 0 ]; do sum=$((sum + part % 2)); part=$((part / 2)); done; done
  echo "$sum"
}
prefix() { # ADDRESS PREFIX NETMASK
  if [ -n "$2" ]; then echo "$2"; elif [ -n "$3" ]; then bits "$3"
  elif [ "${1%%.*}" -lt 128 ]; then echo 8; elif [ "${1%%.*}" -lt 192 ]; then echo 16; else echo 24; fi
}
ignored() {
  local by_scripts= by_manager=
  case $1 in *'~' | *.bak | *.old | *.orig | *.rpmnew | *.rpmorig | *.rpmsave) by_scripts=1 ;; esac
  case $1 in *'~' | *.bak | *.orig | *.rej | *.rpmnew | *.augnew | *.augtmp) by_manager=1 ;; esac
  if [ -n "$scripts" ] && [ -n "$manager" ]; then [ -n "$by_scripts$by_manager" ] && [ -n "$by_scripts" ] && [ -n "$by_manager" ]
  elif [ -n "$scripts" ]; then [ -n "$by_scripts" ]; else [ -n "$by_manager" ]; fi
}
for base in "$dir"/ifcfg-*; do
  name=${base##*/ifcfg-}
  case $name in lo | *:* | *-range[0-9]*) continue ;; esac
  ! ignored "$name" || continue
  (
    set +u; DEVICE=; . "$base" 2>/dev/null
    device=${DEVICE:-$name}
    [ "${ONBOOT:-yes}" != no ] || exit 0
    only_scripts=
    [ "$NM_CONTROLLED" = no ] && only_scripts=1
    [ -n "$manager" ] || only_scripts=1
    seen=" "
    if ! { [ "$BOOTPROTO" = dhcp ] && [ -n "$only_scripts" ]; }; then
      case $el in 5) indexes="" needed=999 ;; 6) needed=3 ;; *) needed=2 ;; esac
      set -- ""
      [ "$el" = 5 ] || set -- "" $(seq 0 255)
      for index in "$@"; do
        v=IPADDR$index
        if [ -z "${!v}" ]; then [ -z "$index" ] || [ "$index" -lt "$needed" ] || break; continue; fi
        p=PREFIX$index m=NETMASK$index
        echo "$device ${!v}/$(prefix "${!v}" "${!p}" "${!m}")"; seen="$seen${!v} "
      done
    fi
    [ "$IPV6INIT" = no ] || for word in $IPV6ADDR $IPV6ADDR_SECONDARIES; do case $word in */*) echo "$device $word" ;; *) echo "$device $word/128" ;; esac; done
    parent_prefix=$PREFIX parent_mask=$NETMASK
    if { [ -z "$only_scripts" ] && [ -z "$scripts" ]; } || [ "$el" = 5 ]; then parent_prefix= parent_mask=; fi
    for file in "$dir/ifcfg-$device":*; do
      [ -e "$file" ] || continue
      alias=${file##*/ifcfg-}
      ! ignored "$alias" || continue
      DEVICE= IPADDR= PREFIX=$parent_prefix NETMASK=$parent_mask ONPARENT=
      . "$file" 2>/dev/null
      [ "$ONPARENT" != no ] && [ -n "$IPADDR" ] && [[ $DEVICE != *$'\r'* ]] || continue
      [[ ${alias#*:} != *[!0-9A-Za-z_]* ]] || continue
      [ -n "$scripts" ] || { [ "$DEVICE" = "$alias" ] && [ "$name" = "$device" ]; } || continue
      case $seen in *" $IPADDR "*) continue ;; esac
      seen="$seen$IPADDR "
      echo "$device $IPADDR/$(prefix "$IPADDR" "$PREFIX" "$NETMASK")"
    done
    [ -n "$scripts" ] || exit 0
    for file in "$dir/ifcfg-$device"-range*; do
      [ -e "$file" ] || continue
      PREFIX=$parent_prefix NETMASK=$parent_mask
      . "$file"
      [ "${IPADDR_START%.*}" = "${IPADDR_END%.*}" ] || continue
      for last in $(seq "${IPADDR_START##*.}" "${IPADDR_END##*.}"); do
        echo "$device ${IPADDR_START%.*}.$last/$(prefix "$IPADDR_START" "$PREFIX" "$NETMASK")"
      done
    done
  )
done
