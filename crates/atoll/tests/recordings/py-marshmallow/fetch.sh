#!/bin/sh
# usage: fetch.sh DIR   (see ../fetching.sh)
# marshmallow 3.21.3
# shellcheck source-path=SCRIPTDIR source=../fetching.sh
. "$(dirname "$0")/../fetching.sh"

(cd "$tmp" && python3 -m pip download --quiet --no-deps --no-binary :all: marshmallow==3.21.3)
unpack "$tmp/marshmallow-3.21.3.tar.gz" 4f57c5e050a54d66361e826f94fba213eb10b67b2fdb02c3e0343ce207ba1662

break_it

python3 -m venv "$dest/.venv"
"$dest/.venv/bin/python" -m pip install --quiet -r "$here/requirements.txt"
# Editable, as its contributors do: one test reads the installed metadata.
"$dest/.venv/bin/python" -m pip install --quiet --no-deps --no-build-isolation -e "$dest"

done_with_it
