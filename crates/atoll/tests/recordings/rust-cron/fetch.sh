#!/bin/sh
# usage: fetch.sh DIR   (see ../fetching.sh)
# cron 0.12.0
# shellcheck source-path=SCRIPTDIR source=../fetching.sh
. "$(dirname "$0")/../fetching.sh"

# A throw-away package that names the crate makes cargo download its archive.
mkdir -p "$tmp/src"
: > "$tmp/src/lib.rs"
cat > "$tmp/Cargo.toml" <<'END'
[package]
name = "fetch"
version = "0.0.0"
edition = "2021"
[dependencies]
cron = "=0.12.0"
END
(cd "$tmp" && cargo fetch --quiet)
crate=
for found in "${CARGO_HOME:-$HOME/.cargo}"/registry/cache/*/cron-0.12.0.crate; do crate=$found; done
unpack "$crate" 1ff76b51e4c068c52bfd2866e1567bee7c567ae8f24ada09fd4307019e25eab7

break_it
# Its own .gitignore leaves the lock file out; with it the versions stay the same.
sed -i /Cargo.lock/d "$dest/.gitignore"
cp "$here/Cargo.lock" "$dest/Cargo.lock"
(cd "$dest" && cargo fetch --quiet --locked)

done_with_it
