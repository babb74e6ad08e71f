# What netstart makes of hostname files: lines are packed into calls of ifconfig, which the shell evaluates.
# shells: bash
root=$1
awk=$(command -v awk)
ifconfig() { local IFS=$'\037'; printf '%s\n' "$*"; }
unpack() { # INTERFACE WORDS...: adds to commands
  local interface=$1 at mask text; shift
  local words=("$@")
  case ${words[0]} in
    '' | '#'*) return ;;
    inet | inet6)
      [ $# -gt 1 ] || return
      if [ "${words[1]}" != autoconf ]; then
        mask=2; [ "${words[1]}" != alias ] || mask=3
        at=netmask; [ "${words[0]}" != inet6 ] || at=prefixlen
        [ -z "${words[mask]}" ] || words[mask]="$at ${words[mask]}"
        if [ "${words[0]}" = inet ] && [ -n "${words[mask + 1]}" ]; then
          case ${words[mask + 1]} in *NONE) words[mask + 1]= ;; *) words[mask + 1]="broadcast ${words[mask + 1]}" ;; esac
        fi
      fi
      commands+=("ifconfig $interface ${words[*]}") ;;
    dest)
      [ $# = 2 ] && [ ${#commands[@]} -gt 0 ] || return
      local last=$((${#commands[@]} - 1))
      local parts=(${commands[last]})
      at=3; [ "${parts[3]}" != alias ] || at=4
      parts[at]="${parts[at]} $2"
      commands[last]="${parts[*]}" ;;
    dhcp) commands+=("ifconfig $interface inet autoconf") ;;
    rtsol) commands+=("ifconfig $interface inet6 autoconf") ;;
    '!'*)
      text="${words[*]}"; text=${text#!}; text=${text//'$if'/$interface}
      commands+=("${text//\/sbin\/ifconfig/ifconfig}") ;;
    *) commands+=("ifconfig $interface ${words[*]}") ;;
  esac
}
set -f
start() { # INTERFACE FILE
  local commands=() line command
  # A last line without its end makes `read` fail, so that it is not seen.
  while IFS= read line; do unpack "$1" $line; done <"$2"
  for command in "${commands[@]}"; do
    # What the shell cannot read ends the script.
    "$BASH" -n -c "$command" 2>/dev/null || return
    PATH=/nonexistent eval "$command" 2>/dev/null
  done
}
set +f; files=("$root"/etc/hostname.*); set -f
for file in "${files[@]}"; do
  name=${file##*/hostname.}
  if [ -f "$file" ] && [[ $name =~ ^[a-zA-Z]+[0-9]+$ ]]; then start "$name" "$file"; fi
done | "$awk" -v hosts="$root/etc/hosts" -f "${0%/*}/../support/ifconfig.awk"
