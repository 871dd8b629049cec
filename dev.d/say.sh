# shellcheck shell=bash
# What is said and how: rows and errors on stderr, so that stdout stays the
# binary's; and what must be undone however the script ends.

SCRATCH=
CHILD=
LAP=0

# say TEXT: one plain line.
say() { printf '%s\n' "$*" >&2; }

# row LABEL TEXT [VERDICT]: one aligned line.
row() {
  if [[ -n ${3:-} ]]; then
    printf '%-7s %-66s %s\n' "$1" "$2" "$3" >&2
  else
    printf '%-7s %s\n' "$1" "$2" >&2
  fi
}

# fail WHAT [HELP…]: says what is wrong and what to do, changes nothing more.
fail() {
  clear_bar
  printf 'error   %s\n' "$1" >&2
  shift
  local help
  for help in "$@"; do
    printf '  do    %s\n' "$help" >&2
  done
  exit 1
}

on_terminal() { [[ -t 2 && ${TERM:-dumb} != dumb ]]; }

clear_bar() { if on_terminal; then printf '\r\033[K' >&2; fi; }

# lap [NAME]: where the time goes, for whoever asked by ATOLL_TIMES; the binary
# adds its own parts and tells them. Without a name it only begins.
lap() {
  [[ -n ${ATOLL_TIMES:-} ]] || return 0
  local now=${EPOCHREALTIME/[.,]/}
  if [[ -n ${1:-} ]]; then
    ATOLL_TIMES+=" $1=$(((now - LAP) / 1000000)).$(((now - LAP) / 100000 % 10))"
  fi
  export ATOLL_TIMES
  LAP=$now
}

# A span of seconds as a person says it.
span() {
  if (($1 < 60)); then
    printf '%d s' "$1"
  else
    printf '%d min %d s' $(($1 / 60)) $(($1 % 60))
  fi
}

# A folder of our own that is gone when the script is.
scratch() {
  [[ -n $SCRATCH ]] || SCRATCH=$(mktemp -d "${TMPDIR:-/tmp}/atoll-dev.XXXXXX")
}

cleanup() {
  if [[ -n $CHILD ]]; then
    # The child leads a group of its own: cargo and every compiler under it.
    kill -TERM -- "-$CHILD" 2>/dev/null || true
    wait "$CHILD" 2>/dev/null || true
    CHILD=
  fi
  if [[ -n $SCRATCH ]]; then
    rm -rf -- "$SCRATCH"
    SCRATCH=
  fi
}

# stop CODE: a signal came.
stop() {
  trap - EXIT INT TERM HUP
  clear_bar
  cleanup
  say "stopped; what was built so far is kept"
  exit "$1"
}
