#!/bin/sh
# usage: fetch.sh DIR   (see ../fetching.sh)
# sqlparse 0.5.1
# shellcheck source-path=SCRIPTDIR source=../fetching.sh
. "$(dirname "$0")/../fetching.sh"

(cd "$tmp" && python3 -m pip download --quiet --no-deps --no-binary :all: sqlparse==0.5.1)
unpack "$tmp/sqlparse-0.5.1.tar.gz" bb6b4df465655ef332548e24f08e205afc81b9ab86cb1c45657a7ff173a3a00e

break_it

python3 -m venv "$dest/.venv"
"$dest/.venv/bin/python" -m pip install --quiet -r "$here/requirements.txt"

done_with_it
