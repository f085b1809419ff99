#!/bin/sh
# The demo: makes the repositories of the example and runs its manifest with
# the model that tasks.yaml names, a script. No key, no network.
#
# Usage: demo.sh PATH/TO/nightjar [FOLDER [OPTION…]]
# FOLDER (default: a new one in build/demo) gets the repositories and the run
# directory; options are those of `nightjar run`. With the script, ends with 0
# when the run ended as it must: with exit status 1, since one of the tasks is
# there to be refused. With another model, ends as the run does.
set -eu

nightjar=$(cd "$(dirname "$1")" && pwd)/$(basename "$1")
example=$(cd "$(dirname "$0")" && pwd)
folder=${2:-build/demo/$(date -u +%Y%m%dT%H%M%SZ)-$$}
[ $# -lt 2 ] || shift
shift
mkdir -p "$folder"
folder=$(cd "$folder" && pwd)

cp -R "$example/tasks.yaml" "$example/script.yaml" "$example/triage.schema.json" \
    "$folder/"
"$example/make-repositories.sh" "$folder/repositories"

cd "$folder"
echo "\$ nightjar run tasks.yaml${*:+ $*}"
status=0
"$nightjar" run tasks.yaml --out "$folder/run" "$@" || status=$?

# Without a journal nothing was run, and it was said why.
[ -s run/journal.jsonl ] || exit "$status"

read_on() {
    echo
    echo "what happened:  nightjar show $folder/run fix-trim"
    echo "all of it:      $folder/run/reports/report.html"
}
if ! grep -q '^ *provider: scripted' tasks.yaml; then
    read_on
    exit "$status"
fi

# Every task must have ended as its kind demands.
ended_as() {
    grep -q "\"type\":\"task_finished\".*\"task\":\"$1\",\"verdict\":\"$2\",\"reason\":\"$3\"" \
        run/journal.jsonl || { echo "demo: $1 did not end as $2 ($3)" >&2; exit 1; }
}
for task in fix-trim rename-api rename-web rename-cli; do
    ended_as $task passed verified
done
ended_as triage passed completed
ended_as touch-workflow failed policy
grep -q '"round":1,"passed":false,"failed_step":"unit test"' run/journal.jsonl ||
    { echo "demo: the first fix was not sent back" >&2; exit 1; }
[ "$status" -eq 1 ] ||
    { echo "demo: expected exit status 1, got $status" >&2; exit 1; }

echo
echo "patches:"
for patch in run/tasks/*/patch.diff; do
    [ -s "$patch" ] && echo "    $folder/$patch"
done
echo "triage: $(cat run/tasks/triage/output.json)"
read_on
echo
echo "As expected: exit status 1, because 'touch-workflow' was refused by policy;"
echo "every other task passed, 'fix-trim' after its first fix was sent back."
