#!/bin/sh
# `make bench`: see bench.py and batch.py. Servers on loopback, bounded, gone
# at the end. BENCH_TASKS=100 makes the second one short.
set -eu
folder=$(dirname "$0")
python3 "$folder/bench.py" "${NIGHTJAR_BUILD:?is not set}"
exec python3 "$folder/batch.py" "$NIGHTJAR_BUILD" "${BENCH_TASKS:-1000}"
