# shellcheck shell=bash
# What the build needs, installed where that is possible and named where not.

# How to become root for apt: nothing, sudo, or no way.
root_way() {
  if ((EUID == 0)); then
    echo direct
  elif command -v sudo >/dev/null && { sudo -n true 2>/dev/null || [[ -t 0 && -z ${CI:-} ]]; }; then
    echo sudo
  else
    echo none
  fi
}

# apt_install WHY PACKAGE…: installs, or says exactly what a person should.
apt_install() {
  local why=$1 way log
  shift
  local by_hand="sudo apt-get install $*"
  if ! command -v apt-get >/dev/null; then
    fail "$why" "install with your system's package manager (Debian names): $*"
  fi
  way=$(root_way)
  [[ $way != none ]] || fail "$why" "$by_hand"
  say "$why; installing: $*"
  local -a apt=(env DEBIAN_FRONTEND=noninteractive apt-get -y -q --no-install-recommends install "$@")
  local -a update=(apt-get -q update)
  if [[ $way == sudo ]]; then
    apt=(sudo "${apt[@]}")
    update=(sudo "${update[@]}")
  fi
  scratch
  log=$SCRATCH/apt.log
  # Package lists may be stale or absent on a fresh machine: refresh, then retry.
  if ! "${apt[@]}" >"$log" 2>&1; then
    if ! { "${update[@]}" && "${apt[@]}"; } >"$log" 2>&1; then
      tail -n 15 "$log" >&2
      fail "apt could not install: $*" "see its words above, then: $by_hand"
    fi
  fi
}

# want_command COMMAND PACKAGE WHY
want_command() {
  command -v "$1" >/dev/null || apt_install "$1 is missing ($3)" "$2"
}

# The oldest Rust that compiles this: said once, in Cargo.toml.
rust_wanted() { sed -n 's/^rust-version *= *"\([0-9.]*\)".*/\1/p' "$ROOT/Cargo.toml" | head -n 1; }

# at_least HAVE WANT: versions compared number by number.
at_least() { [[ $(printf '%s\n%s\n' "$2" "$1" | sort -V | head -n 1) == "$2" ]]; }

# Asked in the project, where a toolchain may be overridden.
rust_version() { (cd "$ROOT" && rustc --version 2>/dev/null) | sed -n 's/^rustc \([0-9.]*\).*/\1/p'; }

# A Rust that is new enough, by rustup where it isn't there.
want_rust() {
  local wanted have
  wanted=$(rust_wanted)
  if ! command -v cargo >/dev/null && [[ -x ${CARGO_HOME:-$HOME/.cargo}/bin/cargo ]]; then
    export PATH="${CARGO_HOME:-$HOME/.cargo}/bin:$PATH"
  fi
  have=$(rust_version || true)
  if [[ -n $have ]] && command -v cargo >/dev/null && at_least "$have" "$wanted"; then
    return
  fi
  if ! command -v rustup >/dev/null; then
    install_rustup "$wanted" "${have:-none}"
  elif ! rustup toolchain install "$wanted.0" --profile minimal -c rustfmt -c clippy >&2; then
    fail "Rust ${have:-(none)} is here, $wanted is needed, and rustup could not fetch it" \
      "with a network: rustup toolchain install $wanted.0" \
      "behind a proxy: set https_proxy, then run this again"
  fi
  export RUSTUP_TOOLCHAIN=$wanted.0
  have=$(rust_version || true)
  at_least "${have:-0}" "$wanted" || fail "Rust $wanted is still missing after the installation" \
    "check by hand: rustc +$wanted.0 --version"
}

install_rustup() {
  local wanted=$1 have=$2 script
  command -v curl >/dev/null || apt_install "curl is missing (rustup is fetched with it)" curl ca-certificates
  say "Rust $wanted or newer is missing (found: $have); installing it by rustup into ${CARGO_HOME:-$HOME/.cargo}"
  scratch
  script=$SCRATCH/rustup.sh
  if ! curl --proto '=https' --tlsv1.2 -sSf -o "$script" https://sh.rustup.rs ||
    ! sh "$script" -y -q --no-modify-path --profile minimal -c rustfmt -c clippy \
      --default-toolchain "$wanted.0" >&2; then
    fail "Rust could not be fetched: is there a network?" \
      "behind a proxy: set https_proxy, then run this again" \
      "by hand: install rustup from https://rustup.rs, then: rustup toolchain install $wanted.0"
  fi
  export PATH="${CARGO_HOME:-$HOME/.cargo}/bin:$PATH"
}

# want_component NAME: rustfmt or clippy.
want_component() {
  local tool=$1
  [[ $tool == clippy ]] && tool=cargo-clippy
  (cd "$ROOT" && "$tool" --version >/dev/null 2>&1) && return
  command -v rustup >/dev/null || fail "$1 is missing" "install it with your Rust toolchain's packages"
  (cd "$ROOT" && rustup component add "$1" >&2) || fail "$1 could not be fetched" "rustup component add $1"
}

# Everything that compiling needs.
setup_tools() {
  [[ $(uname -s) == Linux ]] || fail "Atoll's sandbox is made of Linux namespaces; this is $(uname -s)" \
    "run it in a Linux machine or virtual machine (Debian 12, Ubuntu 22.04 or newer)"
  local -a missing=()
  command -v cc >/dev/null || missing+=(gcc libc6-dev)
  command -v git >/dev/null || missing+=(git)
  ((${#missing[@]} == 0)) || apt_install "needed to build and to work on repositories" "${missing[@]}"
  want_engine
  want_rust
}
