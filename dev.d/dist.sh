# shellcheck shell=bash
# What is shipped: one binary with its completions, manual pages and unit, as
# an archive, or put in place on this machine.

# What an installation consists of, below its prefix. Only these are removed.
SHIPPED=(
  bin/atoll
  'share/man/man1/atoll*.1'
  share/bash-completion/completions/atoll
  share/zsh/site-functions/_atoll
  share/fish/vendor_completions.d/atoll.fish
)

version() { sed -n 's/^version *= *"\([^"]*\)".*/\1/p' "$ROOT/Cargo.toml" | head -n 1; }

# stage DIR: the files as they lie below a prefix.
stage() {
  local to=$1 binary page
  # shellcheck disable=SC2034  # read by build.sh
  BUILD_PROFILE=${ATOLL_BUILD_PROFILE:-release}
  build_binary loud
  binary=$(binary_path)
  mkdir -p "$to"/{bin,share/man/man1,share/bash-completion/completions} \
    "$to"/share/{zsh/site-functions,fish/vendor_completions.d}
  install -m 755 "$binary" "$to/bin/atoll"
  binary=$to/bin/atoll
  while IFS= read -r page; do
    "$binary" --man "$page" >"$to/share/man/man1/$page.1"
  done < <("$binary" --man)
  "$binary" completion bash >"$to/share/bash-completion/completions/atoll"
  "$binary" completion zsh >"$to/share/zsh/site-functions/_atoll"
  "$binary" completion fish >"$to/share/fish/vendor_completions.d/atoll.fish"
}

cmd_dist() {
  setup_tools
  preflight
  local name folder archive when
  name=atoll-$(version)-$(uname -m)-linux
  scratch
  folder=$SCRATCH/$name
  stage "$folder"
  install -m 644 "$ROOT"/{README.md,CHANGELOG.md,LICENSE,SECURITY.md} "$folder/"
  mkdir -p "$folder/lib/systemd/user"
  "$folder/bin/atoll" up --service --print |
    sed 's|^ExecStart="[^"]*"|ExecStart="/usr/local/bin/atoll"|; /^Environment=/d' \
      >"$folder/lib/systemd/user/atoll.service"
  # The same commit gives the same archive, but for what the compiler does.
  when=${SOURCE_DATE_EPOCH:-$(git -C "$ROOT" log -1 --format=%ct 2>/dev/null || echo 0)}
  archive=$(target_dir)/dist/$name.tar.gz
  mkdir -p "${archive%/*}"
  tar --sort=name --mtime="@$when" --owner=0 --group=0 --numeric-owner -C "$SCRATCH" -cf - "$name" |
    gzip -9n >"$archive.part"
  mv -- "$archive.part" "$archive"
  (cd "${archive%/*}" && sha256sum "$name.tar.gz" >"$name.tar.gz.sha256")
  row dist "$(du -h "$archive" | cut -f1) $archive" ok
  printf '%s\n' "$archive"
}

# prefix_of ARGS…: --prefix DIR, else root's or the user's own.
prefix_of() {
  local prefix=$HOME/.local
  ((EUID != 0)) || prefix=/usr/local
  while (($#)); do
    case $1 in
      --prefix=*) prefix=${1#*=} ;;
      --prefix)
        shift
        prefix=${1-}
        ;;
      *) fail "no such option: $1" "./dev install [--prefix DIR]" ;;
    esac
    shift || true
  done
  [[ -n $prefix ]] || fail "--prefix wants a folder" "./dev install --prefix DIR"
  [[ $prefix == /* ]] || prefix=$CALLER/$prefix
  printf '%s' "$prefix"
}

cmd_install() {
  local prefix folder file
  prefix=$(prefix_of "$@")
  setup_tools
  preflight
  mkdir -p "$prefix/bin" 2>/dev/null || true
  [[ -w $prefix/bin ]] ||
    fail "$prefix can't be written" "./dev install --prefix \"\$HOME/.local\""
  scratch
  folder=$SCRATCH/prefix
  stage "$folder"
  # The binary last and in one step: one that runs is replaced, never changed.
  while IFS= read -r file; do
    mkdir -p "$prefix/${file%/*}"
    install -m "$([[ $file == bin/* ]] && echo 755 || echo 644)" "$folder/$file" "$prefix/$file.part"
    mv -f -- "$prefix/$file.part" "$prefix/$file"
  done < <(cd "$folder" && find . -type f -printf '%P\n' | sort -r)
  row install "$prefix/bin/atoll" ok
  local command=atoll
  if [[ :$PATH: != *":$prefix/bin:"* ]]; then
    command=$prefix/bin/atoll
    say "note    $prefix/bin is not on PATH: add  export PATH=\"$prefix/bin:\$PATH\"  to your shell's start"
  fi
  say ""
  say "Next  $command status"
  say "      $command up --service    starts the node at each login"
  say "Undo  ./dev uninstall${1:+ $*}"
}

cmd_uninstall() {
  local prefix item file gone=0
  prefix=$(prefix_of "$@")
  for item in "${SHIPPED[@]}"; do
    for file in "$prefix"/$item; do
      if [[ -f $file ]]; then
        rm -f -- "$file"
        gone=$((gone + 1))
      fi
    done
  done
  if ((gone == 0)); then
    row install "nothing of atoll is below $prefix"
  else
    row install "$gone files removed from $prefix; what atoll keeps of yours was left" ok
  fi
}
