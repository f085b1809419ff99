#!/bin/sh
# The documents say what the program says.
. tests/lib.sh

ok "docs/ is what the tables print" tests/docs.sh "$NIGHTJAR" check
ok "the schema is JSON" python3 -c \
    'import json; json.load(open("docs/nightjar.schema.json"))'
# Every command has a page and examples; the program's names them all.
commands=$("$NIGHTJAR" help | sed -n '/^Commands:/,/^$/s/^  \([a-z-]*\) .*/\1/p')
pages=docs/nightjar.1
without=
unnamed=
for command in $commands; do
    "$NIGHTJAR" help --man "$command" >"$TMPDIR/nightjar-$command.1" ||
        without="$without $command:page"
    pages="$pages $TMPDIR/nightjar-$command.1"
    "$NIGHTJAR" "$command" --help | grep -q '^Examples:$' ||
        without="$without $command:examples"
    grep -q "^\.BR nightjar.-$command (1)" docs/nightjar.1 ||
        unnamed="$unnamed $command"
    grep -q '^\.BR nightjar (1)' "$TMPDIR/nightjar-$command.1" ||
        unnamed="$unnamed nightjar($command)"
done
is "$without" '' "each of $(echo "$commands" | wc -l) commands has a page and examples"
is "$unnamed" '' 'SEE ALSO names the other pages'
if command -v man >/dev/null 2>&1; then
    said=
    for page in $pages; do
        said="$said$(MANROFFSEQ='' MANWIDTH=80 man --warnings -l "$page" 2>&1 >/dev/null)"
    done
    is "$said" '' 'the man pages have no errors'
    like "$(MANROFFSEQ='' MANWIDTH=80 man -l "$TMPDIR/nightjar-run.1" 2>/dev/null |
        col -b)" '^ *-j, --jobs N' '… and say what the options are'
else
    skip "there is no man command" 2
fi

# Every command and option of the help is in the README's reference or man page.
for command in $commands; do
    ok "help $command" "$NIGHTJAR" help "$command"
    ok "$command --help" "$NIGHTJAR" "$command" --help
done
is "$("$NIGHTJAR" help run)" "$("$NIGHTJAR" run --help)" "both are the same"

# One table of exit statuses: every document that lists them has them all.
statuses=$(sed -n '/^## Exit status/,/^## Env/s/^| \([0-9]*\) |.*/\1/p' docs/cli.md)
is "$("$NIGHTJAR" help | sed -n '/^Exit status:/,/^$/s/^  \([0-9][0-9]*\) .*/\1/p')" \
    "$statuses" 'docs/cli.md has the exit statuses of help'
sentence=$(tr '\n' ' ' <README.md | grep -o 'Exit status: [^.]*\.')
# shellcheck disable=SC2086 # words
is "$(printf '%s\n' "$sentence" | grep -o '[0-9][0-9]*' | paste -sd' ')" \
    "$(echo $statuses)" 'the README has all of them, and no other'

# Each format and each input and output of the action is explained.
for format in $("$NIGHTJAR" help report | sed -n '/^Formats:/,/^$/p' | tr '\n' ' ' |
    grep -o ' [a-z-]* (' | tr -d ' ('); do
    like "$(cat docs/reports.md)" "\`$format\`" "docs/reports.md has $format"
done
for name in $(sed -n '/^inputs:/,/^runs:/s/^  \([a-z-]*\):$/\1/p' action.yml); do
    like "$(cat docs/ci.md)" "\`$name\`" "docs/ci.md has $name"
done

# What the README tells users to type.
for line in 'make demo' 'make test' 'nightjar run tasks.yaml'; do
    like "$(cat README.md)" "$line" "the README has '$line'"
done

# The manifests that docs/batches.md shows are good ones.
mkdir -p "$TMPDIR/shown/src"
(
    cd "$TMPDIR/shown" || exit 1
    git init -q . && echo x >src/f.c && git add . &&
        git -c user.name=a -c user.email=a@b commit -qm one
    echo '{"number": 1, "state": "open"}' >issues.jsonl
    echo 'https://example.org/a/b.git v1' >repos.txt
    echo '{}' >triage.schema.json
) >/dev/null 2>&1
{
    printf 'version: 1\nmodel: {name: m}\n'
    sed -n '/^```yaml$/,/^```$/{/^```/d;p;}' docs/batches.md
} >"$TMPDIR/shown/tasks.yaml"
is "$("$NIGHTJAR" check "$TMPDIR/shown/tasks.yaml" 2>/dev/null | wc -l)" 4 \
    'docs/batches.md: four tasks'

# So is the one of docs/ci.md.
sed -n '/^version: 1$/,/^```$/{/^```/d;p;}' docs/ci.md >"$TMPDIR/shown/ci.yaml"
is "$("$NIGHTJAR" check "$TMPDIR/shown/ci.yaml" 2>/dev/null)" fix-lint \
    'docs/ci.md: a task'

# Links between documents lead somewhere.
missing=
for file in README.md SECURITY.md docs/*.md; do
    for target in $(grep -o '](\([^)#:]*\)' "$file" | sed 's/](//'); do
        [ -e "$(dirname "$file")/$target" ] || missing="$missing $file:$target"
    done
done
is "$missing" "" "no link is broken"

done_testing
