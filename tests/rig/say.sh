# Sourced by every script of the rig: where it keeps things, how it speaks, how it waits for its turn.
# Never does anything by itself.

set -euo pipefail

RIG="$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)"
REPO="$(cd "$RIG/../.." && pwd)"
# Outside the checkout, so that the next clone on this machine finds everything ready.
CACHE="${RIG_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/reconciler-rig}"
BIN="$CACHE/bin"
mkdir -p "$CACHE" "$BIN"

say() { printf 'rig: %s\n' "$*"; }

die() {
  printf 'rig: %s\n' "$*" >&2
  exit 1
}

# Only one rig at a time changes the cache, the engine or a virtualenv; the others wait, but not for ever.
# A script that the holder calls finds RIG_LOCKED and goes on.
take_turn() {
  [[ -n "${RIG_LOCKED:-}" ]] && return
  exec 9>"$CACHE/lock"
  if ! flock -n 9; then
    say "another rig is at work on $CACHE, waiting for it"
    flock -w 900 9 || die "another rig still holds $CACHE/lock after 15 minutes; end it and try again"
  fi
  export RIG_LOCKED=1
}

# quietly LABEL COMMAND…: runs it with its output in the rig's log; a failure shows one line of it.
quietly() {
  local label="$1" log="$CACHE/log"
  shift
  : >"$log"
  "$@" >"$log" 2>&1 && return
  die "$label failed: $(last_line "$log") (all of it: $log)"
}

last_line() {
  { grep -v '^[[:space:]]*$' "$1" || echo "nothing was said"; } | tail -n 1 | cut -c 1-300
}

is_debian() { command -v apt-get >/dev/null && command -v dpkg >/dev/null; }

is_root() { [[ "$(id -u)" == 0 ]]; }

engine_answers() { command -v docker >/dev/null && timeout 20 docker version >/dev/null 2>&1; }
