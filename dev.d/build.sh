# shellcheck shell=bash
# Builds the binary and follows cargo's own progress, so that the figures are
# cargo's and not a guess.

HEARTBEAT_S=10
QUIET_S=3

# Where cargo puts what it builds.
target_dir() {
  if [[ -n ${CARGO_TARGET_DIR:-} ]]; then
    # Cargo takes a relative one from the folder it runs in, the project's.
    (cd "$ROOT" && realpath -m -- "$CARGO_TARGET_DIR")
  else
    (cd "$ROOT" && cargo metadata --no-deps --format-version 1 2>/dev/null) |
      sed -n 's/.*"target_directory":"\([^"]*\)".*/\1/p'
  fi
}

binary_path() {
  local folder=$BUILD_PROFILE
  [[ $folder == dev ]] && folder=debug
  printf '%s/%s%s/atoll' "$(target_dir)" "${CARGO_BUILD_TARGET:+$CARGO_BUILD_TARGET/}" "$folder"
}

# build_binary loud|quiet: quiet shows nothing unless it takes long.
build_binary() {
  local mode=$1 pipe log status=0
  scratch
  pipe=$SCRATCH/cargo.pipe
  log=$SCRATCH/cargo.log
  mkfifo "$pipe"
  cd "$ROOT" || exit
  # `--workspace` selects the same features as the tests do, so that neither
  # build undoes the other. A group of its own, so that Ctrl-C ends all of it.
  local -a features
  mapfile -t features < <(features)
  set -m
  CARGO_TERM_PROGRESS_WHEN=always CARGO_TERM_PROGRESS_WIDTH=80 CARGO_TERM_COLOR=never \
    cargo build --workspace "${features[@]}" --bin atoll --profile "$BUILD_PROFILE" \
    </dev/null >/dev/null 2>"$pipe" &
  CHILD=$!
  set +m
  follow "$mode" "$log" <"$pipe"
  wait "$CHILD" || status=$?
  CHILD=
  rm -f -- "$pipe"
  clear_bar
  if ((status)); then
    grep -vE '^ *(Compiling|Checking|Downloaded|Downloading|Updating|Locking|Adding) ' "$log" >&2 || true
    fail "the build failed" "the compiler's words are above; ./dev clean gives a fresh start"
  fi
  if [[ $mode == loud ]]; then
    # The last bar was drawn before the last crate was done.
    ((TOTAL == 0)) || PROGRESS="$TOTAL crates"
    row build "$PROGRESS, $(span "$SECONDS")" ok
  fi
}

# follow MODE LOG: reads cargo's stderr from stdin until its end. Bars end in
# a carriage return, messages in a newline; a timed-out read keeps its part.
follow() {
  local mode=$1 log=$2 part text="" status
  SECONDS=0
  PROGRESS="nothing to do"
  DONE=0 TOTAL=0 BASE=-1 BEAT=0 PHASE=build
  while :; do
    status=0
    IFS= read -r -t 1 -d $'\r' part || status=$?
    text+=$part
    if ((status > 128)); then
      # Complete lines can be taken now, the rest waits.
      if [[ $text == *$'\n'* ]]; then
        take_lines "$log" "${text%$'\n'*}"
        text=${text##*$'\n'}
      fi
    else
      take_lines "$log" "$text"
      text=
    fi
    ((status == 0 || status > 128)) || break
    show_progress "$mode"
  done
}

# take_lines LOG TEXT: bars move the figures, the rest goes to the log.
take_lines() {
  local log=$1 line
  while IFS= read -r line; do
    line=${line//$'\033[K'/}
    if [[ $line =~ ^\ *(Building|Downloading)\ \[[=\>\ ]*\]\ +([0-9]+)/([0-9]+) ]]; then
      note_progress "${BASH_REMATCH[1]}" "${BASH_REMATCH[2]}" "${BASH_REMATCH[3]}"
    elif [[ $line == *"Blocking waiting for file lock"* ]]; then
      PROGRESS="waiting for another cargo to finish"
    elif [[ -n $line ]]; then
      printf '%s\n' "$line" >>"$log"
    fi
  done <<<"$2"
}

note_progress() {
  if [[ $1 == Downloading ]]; then
    PHASE=fetch
  elif [[ $PHASE == fetch || $BASE -lt 0 ]]; then
    # What was built before is counted at once and says nothing about speed.
    PHASE=build BASE=$2 BASE_S=$SECONDS
  fi
  DONE=$2 TOTAL=$3
  PROGRESS="$DONE/$TOTAL crates"
}

# About how long it will still take, when enough is known to say so.
time_left() {
  local built=$((DONE - BASE)) spent=$((SECONDS - BASE_S)) left
  [[ $PHASE == build ]] || return 0
  ((BASE >= 0 && built >= 8 && spent >= 5)) || return 0
  left=$(((TOTAL - DONE) * spent / built))
  if ((left >= 90)); then
    printf ', about %d min left' $(((left + 30) / 60))
  else
    printf ', about %d s left' "$left"
  fi
}

show_progress() {
  if [[ $1 == quiet ]] && ((SECONDS < QUIET_S)); then
    return
  fi
  local width=21 filled=0 bar columns
  if on_terminal; then
    ((TOTAL == 0)) || filled=$((DONE * width / TOTAL))
    bar=$(printf '%*s' "$filled" '')
    bar="${bar// /=}>"
    columns=$(tput cols 2>/dev/null || echo 80)
    printf '\r\033[K%.*s' "$((columns - 1))" \
      "$(printf '%-7s [%-*.*s] %s%s' "$PHASE" "$width" "$width" "$bar" "$PROGRESS" "$(time_left)")" >&2
  elif ((SECONDS >= BEAT + HEARTBEAT_S)); then
    BEAT=$SECONDS
    row "$PHASE" "$PROGRESS$(time_left)"
  fi
}
