#!/bin/sh
# The documents say what the program says.
. tests/lib.sh

ok "docs/ is what the tables print" tests/docs.sh "$NIGHTJAR" check
ok "the schema is JSON" python3 -c \
    'import json; json.load(open("docs/nightjar.schema.json"))'
if command -v man >/dev/null 2>&1; then
    ok "the man page has no errors" sh -c \
        '! MANROFFSEQ= man --warnings -l docs/nightjar.1 2>&1 >/dev/null | grep .'
else
    skip "there is no man command"
fi

# Every command and option of the help is in the README's reference or man page.
for command in run check report plan merge status logs prompt why policy schema \
    help version; do
    ok "help $command" "$NIGHTJAR" help "$command"
    ok "$command --help" "$NIGHTJAR" "$command" --help
done
is "$("$NIGHTJAR" help run)" "$("$NIGHTJAR" run --help)" "both are the same"

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

# Links between documents lead somewhere.
missing=
for file in README.md SECURITY.md docs/*.md; do
    for target in $(grep -o '](\([^)#:]*\)' "$file" | sed 's/](//'); do
        [ -e "$(dirname "$file")/$target" ] || missing="$missing $file:$target"
    done
done
is "$missing" "" "no link is broken"

done_testing
