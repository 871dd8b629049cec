# shellcheck shell=bash
# Every test, one count at the end.

# Is there a Rust example in any documentation? rustdoc is slow to find out.
has_doc_tests() {
  find "$ROOT/crates" -path '*/src/*' -name '*.rs' -exec awk '
    FNR == 1 { inside = 0 }
    /^ *\/\/[\/!] *```/ {
      if (inside) { inside = 0; next }
      inside = 1
      info = $0
      sub(/^ *\/\/[\/!] *```/, "", info)
      if (info ~ /^ *(rust|no_run|should_panic|compile_fail|edition[0-9]*)?(,.*)? *$/) print FILENAME
    }' {} + | grep -q .
}

# count_tests LOG: passed, failed, ignored, binaries. A binary that began and
# gave no result (it crashed, or never ended) is one failure.
count_tests() {
  awk '/^ *(Running|Doc-tests) / { failed += open; open = 1; binaries++ }
       /^test result: / {
         open = 0
         for (i = 2; i <= NF; i++) {
           if ($i ~ /^passed/) passed += $(i - 1)
           if ($i ~ /^failed/) failed += $(i - 1)
           if ($i ~ /^ignored/) ignored += $(i - 1)
         } }
       END { print passed + 0, failed + open + 0, ignored + 0, binaries + 0 }' "$1"
}

# The lines a test run ends with: what failed, the sum, the bare count.
closing_lines() {
  local log=$1 status=$2 passed failed ignored binaries verdict=ok
  read -r passed failed ignored binaries < <(count_tests "$log")
  # No result at all is no success: the build failed, or cargo did.
  if ((status != 0 && failed == 0)); then
    printf 'broken  %s\n' "cargo test ended with $status before every test had run; its words are above"
    failed=1
  fi
  sed -n 's/^test \(.*\) \.\.\. FAILED$/failed  \1/p' "$log" | head -n 50
  ((failed == 0)) || verdict=FAILED
  printf '%-7s %-66s %s\n' tests \
    "$passed passed, $failed failed, $ignored ignored; $binaries binaries; $(span "$SECONDS")" "$verdict"
  printf '%d passed, %d failed\n' "$passed" "$failed"
}

cmd_test() {
  setup_tools
  preflight
  cd "$ROOT" || exit
  SECONDS=0
  local status=0 log name
  local -a scope=(--workspace) features
  for name in "$@"; do
    case $name in -p | -p* | --package | --package=*) scope=() ;; esac
  done
  scratch
  log=$SCRATCH/test.log
  # No stdin: a test that waits for a person would hang where there is none.
  mapfile -t features < <(features "$@")
  cargo test "${scope[@]}" "${features[@]}" --all-targets --no-fail-fast "$@" </dev/null 2>&1 | tee "$log" || status=$?
  if (($# == 0)) && has_doc_tests; then
    # The whole workspace again: another selection has other features, and with
    # them other builds of the same dependencies.
    cargo test --workspace "${features[@]}" --doc --no-fail-fast </dev/null 2>&1 | tee -a "$log" || status=$?
  fi
  # A caller that wants these last names a file for them.
  closing_lines "$log" "$status" >"${ATOLL_CLOSING:-/dev/stdout}"
  ((status == 0)) || exit 1
}
