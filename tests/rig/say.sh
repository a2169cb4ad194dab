# shellcheck shell=bash
# Sourced by every script of the rig: where it keeps things, how it speaks, how it waits for its turn.
# Never does anything by itself.

set -euo pipefail

RIG="$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)"
REPO="$(cd "$RIG/../.." && pwd)"
# Outside the checkout, so that the next clone on this machine finds everything ready.
CACHE="${RIG_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/reconciler-rig}"
mkdir -p "$CACHE"

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

# quietly LABEL COMMAND…: shows nothing of what the command says, unless it fails; then one line of it and where the rest is.
quietly() {
  local label="$1" log
  log="$(mktemp "$CACHE/log.XXXXXX")"
  shift
  if "$@" >"$log" 2>&1; then
    rm -f "$log"
    return
  fi
  mv "$log" "$CACHE/failure.log"
  die "$label failed: $(telling_line "$CACHE/failure.log") (all of it: $CACHE/failure.log)"
}

# The first line that calls itself an error, as apt's and pip's do; else the last that says anything.
telling_line() {
  { grep -m 1 -E '^ *(E|ERROR|error): ' "$1" || grep -v '^[[:space:]]*$' "$1" || echo "nothing was said"; } | tail -n 1 | cut -c 1-300
}

is_debian() { command -v apt-get >/dev/null && command -v dpkg >/dev/null; }

is_root() { [[ "$(id -u)" == 0 ]]; }

engine_answers() { command -v docker >/dev/null && timeout 20 docker version >/dev/null 2>&1; }

# Compose v2 in any of the places the product looks for it.
compose_answers() {
  local version
  version="$("$REPO/.venv/bin/docker-compose" version --short 2>/dev/null || docker compose version --short 2>/dev/null)" || return 1
  [[ "$(printf '%s\n' 2.20 "${version#v}" | sort -V | head -n 1)" == 2.20 ]]
}
