#!/bin/sh
# usage: fetch.sh DIR   (see ../fetching.sh)
# qs 6.13.0
# shellcheck source-path=SCRIPTDIR source=../fetching.sh
. "$(dirname "$0")/../fetching.sh"

(cd "$tmp" && npm pack --silent qs@6.13.0 > /dev/null)
unpack "$tmp/qs-6.13.0.tgz" abffeabbdedc8e466c1bd75227e14ceb76e77f61be475dfcee0d3bbe6dd608fd

break_it

npm_packages

done_with_it
