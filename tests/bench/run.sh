#!/bin/sh
# `make bench`: see bench.py, batch.py and reports.py. Servers on loopback, bounded, gone
# at the end. BENCH_TASKS=100 makes the second one short.
set -eu
folder=$(dirname "$0")
python3 "$folder/bench.py" "${NIGHTJAR_BUILD:?is not set}"
python3 "$folder/batch.py" "$NIGHTJAR_BUILD" "${BENCH_TASKS:-1000}"
exec python3 "$folder/reports.py" "$NIGHTJAR_BUILD" 2000
