# shellcheck shell=sh
# What each fetch.sh shares; sourced with DIR as its argument. WITH_GIT=1 also makes DIR a git repository.
set -eu
if [ $# -ne 1 ] || [ -e "$1" ]; then
    echo "usage: fetch.sh DIR (which must not exist)" >&2
    exit 2
fi
here=$(cd "$(dirname "$0")" && pwd)
mkdir -p "$1"
dest=$(cd "$1" && pwd)
tmp=$(mktemp -d)
trap 'chmod -R u+w "$tmp"; rm -rf "$tmp"' EXIT

check() { # FILE SHA256
    python3 -c 'import hashlib, sys
got = hashlib.sha256(open(sys.argv[1], "rb").read()).hexdigest()
sys.exit(0 if got == sys.argv[2] else f"{sys.argv[1]}: SHA-256 is {got}, not {sys.argv[2]}")' "$1" "$2"
}

unpack() { # ARCHIVE SHA256
    check "$1" "$2"
    tar -xzf "$1" -C "$dest" --strip-components=1
}

# Adds the failing test. The ceiling keeps git from looking at a repository around DIR.
break_it() {
    (cd "$dest" && GIT_CEILING_DIRECTORIES=$(dirname "$dest") git apply --whitespace=nowarn "$here/break.patch")
}

# What code and tests load, at locked versions; linters and bundlers are left out.
npm_packages() {
    mkdir "$tmp/deps"
    cp "$here/deps.package.json" "$tmp/deps/package.json"
    cp "$here/deps.package-lock.json" "$tmp/deps/package-lock.json"
    (cd "$tmp/deps" && npm ci --silent --ignore-scripts --no-audit --no-fund)
    mv "$tmp/deps/node_modules" "$dest/node_modules"
}

done_with_it() {
    [ "${WITH_GIT:-}" = 1 ] || return 0
    cd "$dest"
    git init -q
    printf '%s\n' /.venv/ /node_modules/ /target/ __pycache__/ .pytest_cache/ '*.egg-info/' >> .git/info/exclude
    git add -A
    git -c user.name=fetch -c user.email=fetch@example.invalid commit -q -m "Import"
}
