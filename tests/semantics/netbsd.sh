# What /etc/rc.d/network makes of rc.conf and ifconfig files: sourced by the shell itself, then the measured rules.
# shells: bash dash
x_root=$1
x_nl='
'
auto_ifconfig=YES
# rc.conf reads it by its place on the machine.
[ ! -f "$x_root/etc/defaults/rc.conf" ] || . "$x_root/etc/defaults/rc.conf"
for x_file in rc.conf rc.conf.d/network; do [ ! -f "$x_root/etc/$x_file" ] || . "$x_root/etc/$x_file" 2>/dev/null; done
x_us=$(printf '\037')
ifconfig() { (IFS=$x_us; printf '%s\n' "$*"); }
x_join() { # a backslash at the end joins the next line; blanks around lines go
  while read -r x_line; do
    case $x_line in *\\) printf '%s' "${x_line%?}" ;; *) printf '%s\n' "$x_line" ;; esac
  done
}
x_walked() {
  [ "${net_interfaces-}" != NO ] || return 1
  case $auto_ifconfig in [Yy][Ee][Ss] | [Tt][Rr][Uu][Ee] | [Oo][Nn] | 1) return 0 ;; esac
  case " ${net_interfaces-} " in *" $1 "*) return 0 ;; esac
  return 1
}
x_run() { # INTERFACE, its lines on the standard input
  int=$1
  x_join | while read -r args; do
    case $args in
      '' | '#'* | create | dhcp) ;;
      '!'*) (
        args=${args#!}
        case $args in */sbin/ifconfig*) args=${args%%/sbin/ifconfig*}ifconfig${args#*/sbin/ifconfig} ;; esac
        PATH=/nonexistent; eval "$args"
      ) 2>/dev/null ;;
      *) (
        set -f
        # Bash goes on behind what it cannot read, a POSIX shell does not.
        x_shell=/bin/dash; [ -x $x_shell ] || x_shell=/bin/bash
        x_args=$(printf '%s ' $args)
        $x_shell -n -c "set -- $x_args" 2>/dev/null || exit
        x_path=$PATH; PATH=/nonexistent
        set --
        eval "set -- $x_args" 2>/dev/null
        PATH=$x_path
        ifconfig "$int" "$@"
      ) ;;
    esac
  done
}
x_names=$( { set | sed -n 's/^ifconfig_\([A-Za-z][A-Za-z0-9]*[0-9]\)=.*/\1/p; s/^ifaliases_\([A-Za-z][A-Za-z0-9]*[0-9]\)=.*/\1/p'
  for x_file in "$x_root"/etc/ifconfig.*; do echo "${x_file##*/ifconfig.}"; done | grep -E '^[A-Za-z][A-Za-z0-9]*[0-9]$'; } | sort -u)
x_out=$(mktemp)
for x_name in $x_names; do
  x_file=$x_root/etc/ifconfig.$x_name
  x_done=
  if x_walked "$x_name"; then
    eval "x_value=\${ifconfig_$x_name-}"
    if [ -n "$x_value" ]; then
      x_done=1
      case $x_value in
        *"$x_nl"*) printf '%s\n' "$x_value" | x_run "$x_name" ;;
        *) printf '%s\n' "${x_value%;}" | tr ';' '\n' | x_run "$x_name" ;;
      esac
    elif [ -f "$x_file" ]; then
      x_done=1
      x_run "$x_name" <"$x_file"
    fi
  fi
  if [ -n "$x_done" ] || [ "$x_name" = lo0 ]; then
    eval "x_value=\${ifaliases_$x_name-}"
    set -f
    set -- $x_value
    while [ $# -ge 2 ]; do
      if [ "$2" = - ]; then ifconfig "$x_name" inet alias "$1"; else ifconfig "$x_name" inet alias "$1" netmask "$2"; fi
      shift 2
    done
    set +f
  fi
done >"$x_out"
if [ -f "$x_root/etc/ifaliases" ]; then
  set -f
  while read x_address x_name x_mask; do
    [ -n "$x_name" ] || continue
    if [ -z "$x_mask" ]; then ifconfig "$x_name" inet alias "$x_address"; else ifconfig "$x_name" inet alias "$x_address" netmask $x_mask; fi
  done <"$x_root/etc/ifaliases" >>"$x_out"
fi
awk -v hosts="$x_root/etc/hosts" -f "${0%/*}/../support/ifconfig.awk" "$x_out"
rm -f "$x_out"
