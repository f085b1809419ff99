#!/bin/sh
# Reference documents that are made from tables of the program.
#
#     docs.sh NIGHTJAR write     writes them into docs/
#     docs.sh NIGHTJAR check     says which differ; status 1 if one does
set -eu
nightjar=$1
action=$2
status=0

one() { # one FILE COMMAND…
    file=$1
    shift
    made=$(mktemp)
    "$@" >"$made"
    if [ "$action" = write ]; then
        cp "$made" "$file"
    elif ! cmp -s "$made" "$file"; then
        echo "$file differs from what '$*' prints: run 'make docs'" >&2
        status=1
    fi
    rm -f "$made"
}

one docs/cli.md "$nightjar" help --markdown
one docs/nightjar.1 "$nightjar" help --man
one docs/system-calls.md "$nightjar" doctor --markdown
one docs/manifest.md "$nightjar" schema --markdown
one docs/nightjar.schema.json "$nightjar" schema
one docs/default-policy.yaml "$nightjar" policy
exit $status
