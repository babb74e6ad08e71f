# shellcheck shell=bash
# Part of scenario, awkward and foreign: one line a check, and what it compares. The caller sets W, a folder whose file "run" has
# what the last run of ipalias said, and runs, their number.

passed=0 failed=0 step='' shown='' runs=0
result() { # ok|FAIL TEXT
  if [ "$1" = ok ]; then passed=$((passed + 1)); else failed=$((failed + 1)); fi
  printf '%-4s %s %s\n' "$1" "$step" "$2"
  [ "$1" = ok ] || [ "$shown" = "$runs" ] || { shown=$runs; sed 's/^/       | /' "$W/run" 2>/dev/null || :; }
}
check() { # TEXT CMD.. ; what CMD prints are the figures
  local text=$1 verdict=ok figures; shift
  figures=$("$@" 2>&1) || verdict=FAIL
  [ -z "$figures" ] || text="$text: $figures"
  case $text in *$'\n'*) text=${text//$'\n'/$'\n       > '} ;; esac
  result $verdict "$text"
}

same() { diff <(echo "$1") <(echo "$2"); }
differs() { [ "$1" != "$2" ]; }
says() { grep -qi -e "$1" "$W/run"; }
mentions() { local file=$1 a; shift; for a in "$@"; do grep -qF "$a" "$file" || { echo "no $a"; return 1; }; done; }
