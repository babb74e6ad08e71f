# shellcheck shell=bash
# Part of the scripts in this folder: where things are, programs of a package registry, and what docs/fleets.md says to type.

# shellcheck disable=SC2034 # some are for those who read this
TOP=$(cd "${BASH_SOURCE[0]%/*}/../.." && pwd)
HERE=$TOP/tests/fleets
CACHE=$TOP/target/fleets

die() { echo "${0##*/}: $*" >&2; exit 1; }

# packages NAME SPEC..: a virtual environment with these packages of PyPI, made once; prints its folder.
packages() {
  local dir
  dir=$CACHE/$1-$(printf '%s\n' "${@:2}" | sha256sum | cut -c1-10)
  [ -e "$dir/ready" ] || {
    rm -rf "$dir"
    # Without a pip of its own: that would take longer than the packages.
    python3 -m venv --without-pip "$dir" && pip3 --python "$dir/bin/python3" install --quiet --no-compile "${@:2}" && touch "$dir/ready"
  } >&2 || die "no ${*:2}"
  echo "$dir"
}

# snippet NAME: the block of docs/fleets.md whose first line is "# NAME".
snippet() {
  awk -v first="# $1" '
    /^```/ { inside = 0; fence = !fence; next_is_first = fence; next }
    next_is_first { inside = $0 == first; next_is_first = 0 }
    inside { print; found = 1 }
    END { exit !found }' "$TOP/docs/fleets.md" || die "docs/fleets.md has no $1"
}

passed=0 failed=0
# check WHAT COMMAND..: a line a check; what COMMAND prints is shown if it fails
check() {
  local what=$1 said
  shift
  if said=$("$@" 2>&1); then
    passed=$((passed + 1)) && echo "ok   $what"
  else
    failed=$((failed + 1)) && printf 'FAIL %s\n     | %s\n' "$what" "${said//$'\n'/$'\n     | '}"
  fi
}
not() { ! "$@"; }
finish() { echo "$passed passed, $failed failed"; [ "$failed" = 0 ]; }
