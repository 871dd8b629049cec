# shellcheck shell=bash
# The engine for models that run here, some minutes of C++, and the OS keychain,
# some forty crates: a plain `cargo build` leaves them out, and every command of
# ./dev builds them in, always by the same features, so that no build undoes
# another's.

engine_wanted() { [[ ${ATOLL_EMBEDDED:-1} != 0 ]]; }

# features SCOPE…: the arguments that build it into what cargo is told to build.
# Without packages named that is the workspace; cargo refuses a feature of a
# package that isn't selected.
features() {
  local word last="" all=1 atoll=0 llama=0
  engine_wanted || return 0
  for word in "$@"; do
    case $last in -p | --package) word=-p$word ;; esac
    case $word in
      -p | --package) ;;
      -patoll | --package=atoll) all=0 atoll=1 ;;
      -patoll-llama | --package=atoll-llama) all=0 llama=1 ;;
      -p* | --package=*) all=0 ;;
    esac
    last=$word
  done
  if ((all || atoll)); then printf '%s\n' --features atoll/embedded,atoll/keychain; fi
  if ((llama)); then printf '%s\n' --features atoll-llama/engine; fi
}

# Is there a libclang where bindgen looks for one?
libclang_there() {
  [[ -n ${LIBCLANG_PATH:-} ]] || compgen -G '/usr/lib*/llvm*/lib*/libclang*.so*' >/dev/null ||
    compgen -G '/usr/lib*/libclang*.so*' >/dev/null || compgen -G '/usr/lib/*/libclang*.so*' >/dev/null
}

# What compiling it needs beside Rust.
want_engine() {
  engine_wanted || return 0
  local -a missing=()
  command -v c++ >/dev/null || missing+=(g++)
  command -v make >/dev/null || missing+=(make)
  command -v cmake >/dev/null || missing+=(cmake)
  libclang_there || missing+=(libclang-dev)
  ((${#missing[@]} == 0)) ||
    apt_install "needed for models that run here (ATOLL_EMBEDDED=0 builds without them)" "${missing[@]}"
}
