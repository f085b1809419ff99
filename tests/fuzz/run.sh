#!/bin/sh
# run.sh SECONDS FUZZER…: runs each fuzz target for that long, on a copy of its
# seeds. Status 1 if one found something; what it found is in build/fuzz/.
set -u
seconds=$1
shift
status=0
for fuzzer in "$@"; do
    name=$(basename "$fuzzer" | sed 's/^fuzz_//')
    found=build/fuzz/found-$name
    mkdir -p "$found"
    echo "== $name: $seconds s"
    "$fuzzer" -max_total_time="$seconds" -max_len=65536 -timeout=20 \
        -rss_limit_mb=2048 -print_final_stats=1 \
        -artifact_prefix="build/fuzz/crash-$name-" \
        "$found" "tests/fuzz/corpus/$name" 2>"build/fuzz/$name.log" || {
        echo "   found something: see build/fuzz/$name.log" >&2
        status=1
    }
    sed -n 's/^stat::number_of_executed_units: */   runs: /p' \
        "build/fuzz/$name.log"
done
exit $status
