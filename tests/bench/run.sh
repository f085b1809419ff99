#!/bin/sh
# `make bench`: see bench.py. Servers on loopback, bounded, gone at the end.
set -eu
exec python3 "$(dirname "$0")/bench.py" "${NIGHTJAR_BUILD:?is not set}"
