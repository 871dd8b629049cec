#!/bin/sh
# usage: fetch.sh DIR   (DIR must not exist; WITH_GIT=1 also makes it a git repository)
# Fetches github.com/alecthomas/kong v1.6.0, checks its SHA-256, adds the failing test and sets up the dependencies.
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

json=$(cd "$tmp" && go mod download -json github.com/alecthomas/kong@v1.6.0)
zip=$(printf '%s' "$json" | python3 -c 'import json, sys; print(json.load(sys.stdin)["Zip"])')
dir=$(printf '%s' "$json" | python3 -c 'import json, sys; print(json.load(sys.stdin)["Dir"])')
check "$zip" 42aa5c654eb9d0ffa4320711b537f4541fc6ff706730e486719cde6fc73ed6c5
(cd "$dir" && tar -cf - .) | tar -xf - -C "$dest"
chmod -R u+w "$dest" # the module cache is read-only

# the ceiling keeps git from looking at a repository around DIR
(cd "$dest" && GIT_CEILING_DIRECTORIES=$(dirname "$dest") git apply --whitespace=nowarn "$here/break.patch")
(cd "$dest" && go mod download)

if [ "${WITH_GIT:-}" = 1 ]; then
    cd "$dest"
    git init -q
    printf '%s\n' /.venv/ /node_modules/ /target/ __pycache__/ .pytest_cache/ '*.egg-info/' >> .git/info/exclude
    git add -A
    git -c user.name=fetch -c user.email=fetch@example.invalid commit -q -m "Import"
fi
