#!/bin/sh
# usage: fetch.sh DIR   (DIR must not exist; WITH_GIT=1 also makes it a git repository)
# Fetches indextree 4.3.1, checks its SHA-256, adds the failing test and sets up the dependencies.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
[ $# -eq 1 ] && [ ! -e "$1" ] || { echo "usage: fetch.sh DIR (which must not exist)" >&2; exit 2; }
mkdir -p "$1"
dest=$(cd "$1" && pwd)
tmp=$(mktemp -d)
trap 'chmod -R u+w "$tmp"; rm -rf "$tmp"' EXIT
check() { # FILE SHA256
    python3 -c 'import hashlib, sys
got = hashlib.sha256(open(sys.argv[1], "rb").read()).hexdigest()
sys.exit(0 if got == sys.argv[2] else f"{sys.argv[1]}: SHA-256 is {got}, not {sys.argv[2]}")' "$1" "$2"
}

# A throw-away package that names the crate makes cargo download its archive.
mkdir -p "$tmp/src"
: > "$tmp/src/lib.rs"
cat > "$tmp/Cargo.toml" <<'END'
[package]
name = "fetch"
version = "0.0.0"
edition = "2021"
[dependencies]
indextree = "=4.3.1"
END
(cd "$tmp" && cargo fetch --quiet)
crate=
for found in "${CARGO_HOME:-$HOME/.cargo}"/registry/cache/*/indextree-4.3.1.crate; do crate=$found; done
check "$crate" 990980c3d268c9b99df35e813eca2b8d1ee08606f6d2bb325edbd0b0c68f9ffe
tar -xzf "$crate" -C "$dest" --strip-components=1

# the ceiling keeps git from looking at a repository around DIR
(cd "$dest" && GIT_CEILING_DIRECTORIES=$(dirname "$dest") git apply --whitespace=nowarn "$here/break.patch")
(cd "$dest" && cargo fetch --quiet --locked)

if [ "${WITH_GIT:-}" = 1 ]; then
    cd "$dest"
    git init -q
    printf '%s\n' /.venv/ /node_modules/ /target/ __pycache__/ .pytest_cache/ '*.egg-info/' >> .git/info/exclude
    git add -A
    git -c user.name=fetch -c user.email=fetch@example.invalid commit -q -m "Import"
fi
