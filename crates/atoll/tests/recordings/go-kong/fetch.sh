#!/bin/sh
# usage: fetch.sh DIR   (see ../fetching.sh)
# github.com/alecthomas/kong v1.6.0
# shellcheck source-path=SCRIPTDIR source=../fetching.sh
. "$(dirname "$0")/../fetching.sh"

json=$(cd "$tmp" && go mod download -json github.com/alecthomas/kong@v1.6.0)
zip=$(printf '%s' "$json" | python3 -c 'import json, sys; print(json.load(sys.stdin)["Zip"])')
dir=$(printf '%s' "$json" | python3 -c 'import json, sys; print(json.load(sys.stdin)["Dir"])')
check "$zip" 42aa5c654eb9d0ffa4320711b537f4541fc6ff706730e486719cde6fc73ed6c5
(cd "$dir" && tar -cf - .) | tar -xf - -C "$dest"
chmod -R u+w "$dest" # the module cache is read-only

break_it
(cd "$dest" && go mod download)

done_with_it
