#!/bin/sh
# usage: fetch.sh DIR   (see ../fetching.sh)
# indextree 4.3.1
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
indextree = "=4.3.1"
END
(cd "$tmp" && cargo fetch --quiet)
crate=
for found in "${CARGO_HOME:-$HOME/.cargo}"/registry/cache/*/indextree-4.3.1.crate; do crate=$found; done
unpack "$crate" 990980c3d268c9b99df35e813eca2b8d1ee08606f6d2bb325edbd0b0c68f9ffe

break_it
(cd "$dest" && cargo fetch --quiet --locked)

done_with_it
