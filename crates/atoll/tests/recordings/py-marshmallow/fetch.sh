#!/bin/sh
# usage: fetch.sh DIR   (DIR must not exist; WITH_GIT=1 also makes it a git repository)
# Fetches marshmallow 3.21.3, checks its SHA-256, adds the failing test and sets up the dependencies.
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

(cd "$tmp" && python3 -m pip download --quiet --no-deps --no-binary :all: marshmallow==3.21.3)
check "$tmp/marshmallow-3.21.3.tar.gz" 4f57c5e050a54d66361e826f94fba213eb10b67b2fdb02c3e0343ce207ba1662
tar -xzf "$tmp/marshmallow-3.21.3.tar.gz" -C "$dest" --strip-components=1

# the ceiling keeps git from looking at a repository around DIR
(cd "$dest" && GIT_CEILING_DIRECTORIES=$(dirname "$dest") git apply --whitespace=nowarn "$here/break.patch")

python3 -m venv "$dest/.venv"
"$dest/.venv/bin/python" -m pip install --quiet -r "$here/requirements.txt"
# Editable, as its contributors do: one test reads the installed metadata.
"$dest/.venv/bin/python" -m pip install --quiet --no-deps --no-build-isolation -e "$dest"

if [ "${WITH_GIT:-}" = 1 ]; then
    cd "$dest"
    git init -q
    printf '%s\n' /.venv/ /node_modules/ /target/ __pycache__/ .pytest_cache/ '*.egg-info/' >> .git/info/exclude
    git add -A
    git -c user.name=fetch -c user.email=fetch@example.invalid commit -q -m "Import"
fi
