#!/bin/sh
# usage: fetch.sh DIR   (DIR must not exist; WITH_GIT=1 also makes it a git repository)
# Fetches light-my-request 6.5.1, checks its SHA-256, adds the failing test and sets up the dependencies.
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

(cd "$tmp" && npm pack --silent light-my-request@6.5.1 > /dev/null)
check "$tmp/light-my-request-6.5.1.tgz" 43127605f8e51d1bc3aed1d1aa65a14a02cfe9ccf9b636c8bb3f9e1407ce1901
tar -xzf "$tmp/light-my-request-6.5.1.tgz" -C "$dest" --strip-components=1

# the ceiling keeps git from looking at a repository around DIR
(cd "$dest" && GIT_CEILING_DIRECTORIES=$(dirname "$dest") git apply --whitespace=nowarn "$here/break.patch")

# What the code and its tests load, at locked versions; linters and bundlers are left out.
mkdir "$tmp/deps"
cp "$here/deps.package.json" "$tmp/deps/package.json"
cp "$here/deps.package-lock.json" "$tmp/deps/package-lock.json"
(cd "$tmp/deps" && npm ci --silent --ignore-scripts --no-audit --no-fund)
mv "$tmp/deps/node_modules" "$dest/node_modules"

if [ "${WITH_GIT:-}" = 1 ]; then
    cd "$dest"
    git init -q
    printf '%s\n' /.venv/ /node_modules/ /target/ __pycache__/ .pytest_cache/ '*.egg-info/' >> .git/info/exclude
    git add -A
    git -c user.name=fetch -c user.email=fetch@example.invalid commit -q -m "Import"
fi
