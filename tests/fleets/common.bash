# shellcheck shell=bash
# Part of the scripts in this folder: where things are, programs of a package registry, and what docs/fleets.md says to type.

# shellcheck disable=SC2034 # some are for those who read this
TOP=$(cd "${BASH_SOURCE[0]%/*}/../.." && pwd)
HERE=$TOP/tests/fleets
CACHE=$TOP/target/fleets
LAB=$TOP/tests/lab/lab LAB_DIR=${LAB_DIR:-$TOP/target/lab}

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

# debian SUITE PACKAGE: a folder with this package of Debian's and what it needs, unpacked, for `lab up --tree` on SUITE:netplan,
# the flavour that has Python; what that has already is left out. SUITE has to be the machine's own.
debian() {
  local dir=$CACHE/$2-$1
  [ -e "$dir/ready" ] || {
    rm -rf "$dir" && mkdir -p "$dir/debs/partial" "$dir/tree/usr"
    "$LAB" chroot "$1:netplan" cat /var/lib/dpkg/status >"$dir/status"
    download "$dir" "$2" || { apt-get -qq update && download "$dir" "$2"; }
    for deb in "$dir"/debs/*.deb; do dpkg -x "$deb" "$dir/tree"; done
    # There these are links to folders of /usr, and have to stay such.
    for name in bin lib lib64 sbin; do
      [ ! -d "$dir/tree/$name" ] || { cp -a "$dir/tree/$name" "$dir/tree/usr/" && rm -r "$dir/tree/$name"; }
    done
    touch "$dir/ready"
  } >&2
  [ -e "$dir/ready" ] || die "no $2 of $1"
  echo "$dir/tree"
}
download() { # DIR PACKAGE
  apt-get -qq -o Dir::State::status="$1/status" -o Dir::Cache::archives="$1/debs" -o APT::Sandbox::User=root \
    --no-install-recommends --download-only --yes install "$2"
}

# snippet NAME: the block of docs/fleets.md whose first line is "# NAME", or the second, below one that says what it is.
snippet() {
  awk -v name="# $1" '
    /^```/ { if (named) exit; block = ""; line = 0; fence = !fence; next }
    fence { block = block $0 "\n"; if (++line <= 2 && $0 == name) named = 1 }
    END { printf "%s", named ? block : ""; exit !named }' "$TOP/docs/fleets.md" || die "docs/fleets.md has no $1"
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
