#!/bin/sh
# usage: fetch.sh DIR   (see ../fetching.sh)
# light-my-request 6.5.1
# shellcheck source-path=SCRIPTDIR source=../fetching.sh
. "$(dirname "$0")/../fetching.sh"

(cd "$tmp" && npm pack --silent light-my-request@6.5.1 > /dev/null)
unpack "$tmp/light-my-request-6.5.1.tgz" 43127605f8e51d1bc3aed1d1aa65a14a02cfe9ccf9b636c8bb3f9e1407ce1901

break_it

npm_packages

done_with_it
