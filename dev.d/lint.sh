# shellcheck shell=bash
# Everything that is checked without running the product. Each check runs, even
# after one has failed, so that one look shows all.

check() {
  local name=$1 status=0
  shift
  "$@" </dev/null || status=$?
  if ((status)); then
    row lint "$name" FAILED
    FAILED=1
  else
    row lint "$name" ok
  fi
}

shell_scripts() {
  if ! command -v shellcheck >/dev/null; then
    # A checker that is absent must not look like one that found nothing.
    if [[ -n ${CI:-} || $(root_way) == direct ]]; then
      want_command shellcheck shellcheck "it checks ./dev itself"
    else
      row lint "shellcheck is missing, scripts not checked: sudo apt-get install shellcheck" skipped
      return
    fi
  fi
  check "shell scripts" shellcheck -x dev dev.d/*.sh .ci/run crates/atoll/tests/recordings/*/fetch.sh
}

cmd_lint() {
  setup_tools
  want_component rustfmt
  want_component clippy
  cd "$ROOT" || exit
  FAILED=0
  local -a features
  mapfile -t features < <(features)
  # Names the files; their diff is a matter of running it.
  check "formatting (./dev fmt mends it)" cargo fmt --all --check -- -l
  check "clippy" cargo clippy --quiet --workspace "${features[@]}" --all-targets -- -D warnings
  check "tidy: floors, bans, room sizes, errors, licences" cargo run --quiet --package xtask -- tidy
  shell_scripts
  ((FAILED == 0)) || exit 1
}
