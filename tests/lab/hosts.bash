# shellcheck shell=bash
# Part of scenario and awkward: hosts that run, what is on them, and ipalias in them. The caller defines 'story NAME', which
# boots a host and checks things on it; every story has a process of its own.

# shellcheck source=checks.bash
source "${SELF%/*}/checks.bash"
LAB=${SELF%/*}/lab
JOBS=${LAB_JOBS:-3} # they mostly wait

P4=192.0.2.10 P6=2001:db8::10       # primary
FOREIGN4=203.0.113.200 FOREIGN_ROUTE=203.0.113.224/27 # set by hand
PRIMARY=("$P4" "$P6") DEV=eth0      # what the host has of them, and where

# ------------------------------------------------------------------ looking at the host
host() { "$LAB" sh "$NAME" "$@"; }
on_gateway() { "$LAB" gw "$NAME" "$@"; }
addresses() { host ip -o address show dev "$DEV"; }

live() { # ADDR.. : configured and usable
  local all a line; all=$(addresses)
  for a in "$@"; do
    line=$(grep -F " $a/" <<<"$all") || { echo "$a is missing"; return 1; }
    case $line in *tentative* | *dadfailed*) echo "$line"; return 1 ;; esac
  done
  grep -q 'state UP' <<<"$(host ip -o link show dev "$DEV")" || { echo "$DEV is down"; return 1; }
}
gone() { local all a; all=$(addresses); for a in "$@"; do ! grep -F " $a/" <<<"$all" || return 1; done; }
answers() { local a; for a in "$@"; do "$LAB" ping "$NAME" "$a" || { echo "no answer from $a"; return 1; }; done; }
as_before() { same "$1" "$(others "${@:2}")"; }
soon() { local end=$((SECONDS + 5)); while [ "$SECONDS" -lt "$end" ]; do ! "$@" >/dev/null || return 0; sleep 0.2; done; "$@"; } # after a boot

others() { # [ADDR..] : all addresses and routes but those of ADDR. A restart of networkd 252 loses the metric of a lease's subnet
  local a pattern='^$'
  for a in "$@"; do pattern="$pattern|(^| )${a//./\\.}([/ ]|\$)"; done
  host sh -c 'ip -o address show; ip route show; ip -6 route show' | sed 's/^[0-9]*: //; s/\\.*//; s/ noprefixroute//; s/ proto kernel_l[ol]//; /inet \| proto kernel /s/ metric \(1024\|100\)//; s/ *$//' | grep -vE "$pattern" | sort
}
source_of() { host ip route get "$1" 2>/dev/null | sed -n 's/.* dev \([^ ]*\).* src \([^ ]*\).*/\1 \2/p'; }
sources_near() { source_of 192.0.2.1; source_of 2001:db8::1; }
sources_far() { source_of 198.18.0.1; source_of 3fff::1; } # shares no longer prefix with any of the host's addresses

# Every file of /etc but ipalias' own copies: kind, mode, owner, link target and content; 'identity' also inode and times.
contents() {
  host sh -ec 'cd /etc; find . ! -name "*.bak" -printf "%p %y %m %U:%G %l\n"; find . -type f ! -name "*.bak" -exec sha256sum {} +' | sort
}
identity() { host sh -ec 'cd /etc; find . -printf "%p %y %m %U:%G %i %T@ %l\n"; find . -type f -exec sha256sum {} +' | sort; }

foreign_add() { host ip address replace "$FOREIGN4/32" dev "$DEV"; host ip route replace "$FOREIGN_ROUTE" via 192.0.2.1 2>/dev/null || :; }
foreign_del() { host ip route del "$FOREIGN_ROUTE" || :; host ip address del "$FOREIGN4/32" dev "$DEV" || :; } 2>/dev/null

# ------------------------------------------------------------------ doing things
boot() { # FLAVOUR OPTION.. : a fresh host with ipalias
  FLAVOUR=$1
  "$LAB" up "$NAME" "$@" >"$W/run" 2>&1 && "$LAB" push "$NAME" "$BINARY" /usr/local/bin/ipalias >>"$W/run" 2>&1 ||
    { runs=$((runs + 1)); result FAIL "the host comes up"; return 1; }
}
took=0
run() { # EXPECTED ARG.. : run ipalias, keep what it says in $W/run
  local expected=$1 start rc=0; shift
  runs=$((runs + 1)) start=$(date +%s%N)
  echo "\$ ipalias $*" >"$W/run"
  host timeout 90 ipalias "$@" </dev/null >>"$W/run" 2>&1 || rc=$?
  took=$((($(date +%s%N) - start) / 1000000))
  cat "$W/run" >>"$W/transcript"
  rc_is() { echo "exit $rc, $took ms"; [ "$rc" = "$expected" ]; }
  check "ipalias $*" rc_is
}
no_failure() { local units; units=$(host systemctl --failed --no-legend --plain) && echo "$units" && [ -z "$units" ]; }
# systemd lets a unit start five times in ten seconds. Only step k goes over that; the others are about something else.
forget_starts() { host systemctl reset-failed; }
reboot_host() {
  local start=$SECONDS
  "$LAB" reboot "$NAME" >"$W/run" 2>&1 || { runs=$((runs + 1)); result FAIL "reboot"; return 1; }
  echo "     $step rebooted in $((SECONDS - start)) s"
}

# While something happens, the primary addresses are pinged from the gateway every 5 ms (or as often as the machine
# manages), and the kernel is asked for every address it deletes, because a gap may be shorter than that.
pingers=() PING_EVERY=0.005
watch_start() {
  local i a
  pingers=()
  for a in "${PRIMARY[@]}"; do
    "$LAB" gw "$NAME" ping -n -i "$PING_EVERY" "$a" >"$W/ping.$a" 2>&1 </dev/null &
    pingers+=($!)
  done
  "$LAB" monitor "$NAME" >"$W/monitor" 2>&1 </dev/null &
  pingers+=($!)
  for a in "${PRIMARY[@]}"; do
    for ((i = 0; i < 50; i++)); do ! grep -qs 'seq=' "$W/ping.$a" || break; sleep 0.05; done
  done
  watch_since=$(date +%s%N)
}
watch_end() { # sets elapsed, in ms
  sleep 0.3
  elapsed=$((($(date +%s%N) - watch_since) / 1000000))
  kill -INT "${pingers[@]:0:${#PRIMARY[@]}}" && kill "${pingers[-1]}"
  wait "${pingers[@]}" || :
  pingers=()
}
watch_stop() {
  local elapsed a
  watch_end
  for a in "${PRIMARY[@]}"; do check "primary $a lost nothing" lost "$W/ping.$a" "$elapsed"; done
  check "no primary or foreign address was deleted in between" kept "$W/monitor"
}
kept() { ! grep -E "^(\[ADDR\])?Deleted .* ($P4|$P6|$FOREIGN4)[/ ]" "$1"; }
lost() { # FILE ELAPSED_MS : the very last echo may still be under way at the signal and does not count
  awk -v ms="$2" '
    / bytes from .*seq=/ { n = $0; sub(/.*seq=/, "", n); seen[n + 0] = 1; next }
    / packets transmitted/ { sent = $1; next }
    /^PING |^--- |^rtt |^$/ { next }
    { errors++; last = $0 }
    END {
      for (i = 1; i < sent; i++) if (!(i in seen)) missing++
      printf "%d of %d in %.1f s%s\n", missing, sent, ms / 1000, errors ? ", " errors " errors such as: " last : ""
      if (sent * 50 < ms) { print "the pinger did not keep up"; exit 1 }
      exit missing || errors
    }' "$1"
}

# ------------------------------------------------------------------ many stories
one() { # BINARY STORY DIR ; writes 'passed failed' to DIR/counts
  local start=$SECONDS
  BINARY=$1 STORY=$2 W=$3 NAME=t$$
  trap 'kill "${pingers[@]}" 2>/dev/null || :; "$LAB" down "$NAME" 2>/dev/null || :; touch "$W/done"' EXIT
  trap 'exit 130' INT TERM HUP
  : >"$W/transcript"
  step=-
  story "$STORY" || :
  if [ $failed != 0 ]; then
    echo "     all that ipalias said:"; sed 's/^/       | /' "$W/transcript"
    { "$LAB" log "$NAME" || :; } 2>&1 | sed 's/^/       | /'
  fi
  echo "     $STORY: $passed passed, $failed failed, $((SECONDS - start)) s"
  echo "$passed $failed" >"$W/counts"
}

print_complete() { # the outputs of stories that are done, in the order asked for
  local p f
  # One that has begun and does not run any more has ended, one way or the other.
  while [ ${#waiting[@]} -gt 0 ] && [ -d "$dir/${waiting[0]}" ] && { [ -e "$dir/${waiting[0]}/done" ] || [ -z "$(jobs -rp)" ]; }; do
    echo "== ${waiting[0]}"
    cat "$dir/${waiting[0]}/out"
    read -r p f 2>/dev/null <"$dir/${waiting[0]}/counts" || { p=0 f=1; echo "FAIL - it ended early"; }
    all_passed=$((all_passed + p)) all_failed=$((all_failed + f)) waiting=("${waiting[@]:1}")
  done
}

tell() { # BINARY STORY.. : each in a process of its own, JOBS at once
  local binary story; binary=$(readlink -e "$1") || { echo "${SELF##*/}: no file $1" >&2; exit 2; }
  shift
  dir=$(mktemp -d) waiting=("$@") all_passed=0 all_failed=0
  trap 'kill $(jobs -p) 2>/dev/null || :; wait; rm -rf "$dir"' EXIT
  trap 'exit 130' INT TERM HUP
  for story in "$@"; do
    while [ "$(jobs -rp | wc -l)" -ge "$JOBS" ]; do wait -n || :; print_complete; done
    mkdir -p "$dir/$story"
    "$SELF" --one "$binary" "$story" "$dir/$story" >"$dir/$story/out" 2>&1 &
  done
  while [ -n "$(jobs -rp)" ]; do wait -n || :; print_complete; done
  print_complete
  echo "$all_passed passed, $all_failed failed"
  [ $all_failed = 0 ]
}
