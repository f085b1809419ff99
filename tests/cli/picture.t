#!/bin/sh
# The picture of the demo: the same bytes each time, a picture that stands
# alone, and the committed one shows what the demo shows.
. tests/lib.sh

for number in 1 2; do
    ok "picture $number" examples/quickstart/picture.py "$NIGHTJAR" \
        "$TMPDIR/$number.svg"
done
ok 'the same bytes' cmp "$TMPDIR/1.svg" "$TMPDIR/2.svg"
for picture in docs/demo.svg "$TMPDIR/1.svg"; do
    ok "$(basename "$picture") stands alone" python3 - "$picture" <<'END'
import os, re, sys
import xml.etree.ElementTree as tree
path = sys.argv[1]
text = open(path, encoding="utf-8").read()
assert len(text.encode()) < 100_000, len(text)
root = tree.fromstring(text)
names = {element.tag.split("}")[1] for element in root.iter()}
assert names <= {"svg", "title", "style", "rect", "path", "circle", "text",
                 "tspan"}, names
assert not re.search(r"href|url\(|<script|\son\w+=", text)
assert "prefers-color-scheme: dark" in text
lines = "\n".join("".join(e.itertext()) for e in root.iter() if
                  e.tag.endswith("}text"))
for task in ("fix-trim", "rename-api", "rename-web", "rename-cli", "triage"):
    assert re.search(r"\] %s: *passed" % task, lines), (task, lines)
assert re.search(r"\] touch-workflow: *failed", lines), lines
assert "/tmp" not in text and "T0" not in text
END
done
like "$(cat README.md)" '^!\[[^]]+\]\(docs/demo\.svg\)$' \
    'the README shows it and says what it is'

done_testing
