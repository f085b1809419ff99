#!/usr/bin/env python3
"""Hostile text in every field: every format parses by a reader of its own,
says the same numbers, and nothing in it is obeyed."""
import shutil
import unicodedata
import xml.etree.ElementTree as ET

from corpus import *  # noqa: F401,F403
from corpus import (FOLDER, HOSTILE, NIGHTJAR, equal, github_commands,
                    hostile_run, note, ok, other_commands, report)

ROOT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..")
folder, counts = hostile_run()
whole = {}
listed = subprocess.run([NIGHTJAR, "help", "report"], capture_output=True,
                        text=True).stdout
text = " ".join(listed[listed.index("Formats:"):].split("\n\n")[0].split())
formats = re.findall(r"([a-z-]+) \(", text.replace("(OTLP/JSON)", ""))
formats = [name for name in formats if name not in ("patches", "bundles")]
equal(len(formats), 14, "formats that the help lists", formats)
# A patch must stay what it is, byte for byte: of mail only the rest is looked at.
PATCH = re.compile(r"^diff --git .*?(?=^From 0{40} |\Z)", re.M | re.S)
for name in formats:
    whole[name] = report(folder, "--report", name).decode("utf-8")
    shown = PATCH.sub("", whole[name]) if name == "mail" else whole[name]
    equal(report(folder, "--report", name).decode(), whole[name],
          f"{name}: the same bytes again")
    bad = sorted({f"U+{ord(c):04X}" for c in shown
                  if (ord(c) < 32 and c not in "\t\n\r")
                  or 0x7F <= ord(c) < 0xA0})
    # JSON for programs has texts as they are, escaped where it asks for it.
    ok(not bad or name == "json", f"{name}: no control characters", bad)
    hidden = {c for c in shown
              if unicodedata.category(c) == "Cf" and c not in "\u00ad"
              and ord(c) not in range(0x600, 0x606)}
    ok(not hidden or name == "json", f"{name}: no hidden characters",
       [hex(ord(c)) for c in hidden])

# ---- numbers -----------------------------------------------------------------
data = json.loads(whole["json"])
equal({k: v for k, v in data["counts"].items() if k in counts}, counts,
      "report.json counts")
tasks = sum(counts.values())
wrong = counts["error"] + counts["unfinished"]
root = ET.fromstring(whole["junit"])
cases = list(root.iter("testcase"))
junit = {"tests": len(cases),
         "failures": len(root.findall(".//failure")),
         "errors": len(root.findall(".//error")),
         "skipped": len(root.findall(".//skipped"))}
for key, value in junit.items():
    equal(int(root.get(key)), value, f"JUnit: {key} of the root")
    equal(sum(int(s.get(key)) for s in root), value, f"JUnit: {key} of suites")
equal(len({(c.get("classname"), c.get("name")) for c in cases}), len(cases),
      "JUnit: names are unique")
own = [c for c in cases if "nightly" == c.get("classname")]
equal(len(own), tasks, "JUnit: a case for each task")
strict = ET.fromstring(whole["junit-strict"])
equal([(c.get("classname"), c.get("name"), [e.tag for e in c])
       for c in strict.iter("testcase")],
      [(c.get("classname"), c.get("name"),
        [e.tag for e in c if e.tag in ("failure", "error", "skipped")])
       for c in cases], "the strict dialect has the same cases")
ctrf = json.loads(whole["ctrf"])["results"]
equal([ctrf["summary"][k] for k in ("tests", "failed", "other", "skipped")],
      [junit[k] for k in ("tests", "failures", "errors", "skipped")],
      "CTRF counts what JUnit counts")
equal(len(ctrf["tests"]), junit["tests"], "CTRF has them all")
equal(sum(test["status"] == "failed" for test in ctrf["tests"]),
      junit["failures"], "and says of each what it is")

# ---- TAP, by the parser that prove has ----------------------------------------
tap = subprocess.run(
    ["perl", "-MTAP::Parser", "-e",
     "my $p = TAP::Parser->new({tap => join('', <STDIN>)}); $p->run; "
     # Perl 5.36 knows versions up to 13, of which 14 is the same here.
     "my @e = grep { !/version 14/ } $p->parse_errors; "
     "printf '%d %d %d %d %s', $p->tests_run, scalar $p->failed, "
     "scalar $p->skipped, scalar @e, join(';', @e)"],
    input=whole["tap"].encode(), capture_output=True)
numbers = tap.stdout.decode().split(" ", 4)
equal(numbers[:4], [str(tasks), str(counts["failed"] + wrong),
                    str(counts["skipped"]), "0"],
      "TAP: tests, failed, skipped, errors of the parser",
      tap.stdout, tap.stderr)
lines = whole["tap"].splitlines()
equal(lines[0], "TAP version 14", "TAP: its version")
shapes = re.compile(r"TAP version 14|1\.\.\d+|( {4})?(not )?ok \d+ - .*|"
                    r" {4}1\.\.\d+|# Subtest: .*|"
                    r"( {4})? {2}(---|\.\.\.|\w+: .*)")
equal([line for line in lines if not shapes.fullmatch(line)], [],
      "TAP: no line is anything else")

# ---- SARIF and code quality ------------------------------------------------------
sarif = json.loads(whole["sarif"])
results = [r for run in sarif["runs"] for r in run["results"]]
equal(len(sarif["runs"]), 3, "SARIF: a run for each repository")
found = sum(len(t["patch"]["violations"]) + len(t["patch"]["findings"])
            for t in data["tasks"] if t["patch"])
equal(len(results), found, "SARIF: every violation and finding")
uris = [l["physicalLocation"]["artifactLocation"]["uri"]
        for r in results for l in r.get("locations", [])]
ok(all(re.fullmatch(r"[A-Za-z0-9\-._~/%]+", u) and not u.startswith("/")
       and ".." not in u.split("/") for u in uris), "SARIF: relative URIs", uris)
quality = json.loads(whole["codequality"])
equal(len({q["fingerprint"] for q in quality}), len(quality),
      "code quality: fingerprints are unique")
ok(all(q["location"]["path"] and not q["location"]["path"].startswith(("/", "./"))
       for q in quality), "code quality: paths are relative")
ok(all(set(q) == {"description", "check_name", "fingerprint", "severity",
                  "location"} for q in quality), "code quality: its members")
try:
    import importlib
    jsonschema = importlib.import_module("jsonschema")
except ImportError:
    jsonschema = None
if jsonschema:
    schema = json.load(open(os.path.join(ROOT, "docs/report.schema.json")))
    errors = [e.message for e in jsonschema.Draft202012Validator(schema)
              .iter_errors(data)]
    equal(errors, [], "report.json fits its schema")

# ---- nothing is obeyed -----------------------------------------------------------
for name in formats:
    shown = PATCH.sub("", whole[name]) if name == "mail" else whole[name]
    commands = github_commands(shown)
    if name == "github":
        ours = [line for _, line in commands]
        ok(all(re.match(r"::(error|warning|notice) (file=|title=)", line)
               for line in ours), "annotations are all that is obeyed", ours)
        kinds = [n for n, _ in commands]
        ok(all(kinds.count(k) <= 10 for k in set(kinds)),
           "ten of each kind at most", kinds)
        equal(len([line for line in whole[name].splitlines() if line]),
              len(ours) + sum("and" in line and "more of the kind" in line
                              for line in whole[name].splitlines()),
              "annotations: a line each")
    elif name != "json":
        equal(commands, [], f"{name}: GitHub's runner obeys nothing")
    # A line of dashes means something in what a job prints, not in its files.
    if name != "json":
        equal([line for line in other_commands(shown)
               if line[0] != "buildkite" or name in ("table", "github")], [],
              f"{name}: nor does another")

# ---- Markdown, as a forge renders it ----------------------------------------------
ok(len(whole["markdown"].encode()) <= 1000000, "Markdown: under 1 MiB")
if not shutil.which("cmark-gfm"):
    note("skipped: cmark-gfm is not installed")
    page = subprocess.CompletedProcess([], 0, b"", b"")
else:
    page = subprocess.run(
        ["cmark-gfm", "--unsafe", "-e", "table", "-e", "autolink", "-e",
         "strikethrough", "-e", "tagfilter"],
        input=whole["markdown"].encode(), capture_output=True)
if page.args and ok(page.returncode == 0, "Markdown is rendered", page.stderr):
    html = page.stdout.decode()
    tags = set(re.findall(r"</?([A-Za-z][\w-]*)", html))
    equal(tags - {"h2", "h3", "p", "table", "thead", "tbody", "tr", "th", "td",
                  "code", "pre", "strong", "ul", "li", "sub"}, set(),
          "Markdown: no tag but ours")
    rest = re.sub(r"<code[^>]*>.*?</code>", "", html, flags=re.S)
    ok("octocat" not in rest and "#1" not in rest and "alert" not in rest and
       "/close" not in rest, "Markdown: all of others is in code", rest[:2000])
    equal(html.count("<tr>"), tasks + 1, "Markdown: a row for each task")

# ---- mail ------------------------------------------------------------------------
box = os.path.join(FOLDER, "box")
os.makedirs(box)
split = subprocess.run(["git", "mailsplit", f"-o{box}"],
                       input=whole["mail"].encode(), capture_output=True)
passed = [t for t in data["tasks"] if t["verdict"] == "passed"]
equal(split.stdout.decode().strip(), str(len(passed)),
      "mail: a message for each passed task", split.stderr)
for number, task in enumerate(passed, 1):
    info = subprocess.run(
        ["git", "mailinfo", f"{box}/message", f"{box}/patch"],
        input=open(f"{box}/{number:04d}", "rb").read(), capture_output=True)
    head = info.stdout.decode("utf-8", "replace")
    said = open(f"{box}/message", "rb").read()
    good = ("Author: nightjar\nEmail: nightjar@localhost\n" in head and
            b"\nNightjar-Run: 20261121T000000Z-abc123\n" in said and
            b"\ndiff" not in said and not re.search(
                rb"^Signed-off-by", subprocess.run(
                    ["git", "interpret-trailers", "--parse"], input=said,
                    capture_output=True).stdout, re.M))
    patch = open(f"{box}/patch", "rb").read()
    good = good and len(re.findall(rb'^diff --git a/x "b/', patch, re.M)) == 2
    if not good:
        ok(False, f"mail {number}: {task['id'][:60]}", head, said[:500],
           patch[:500])
        break
else:
    ok(True, "mail: author, trailers and patch are ours, whatever was said")

# ---- HTML: well-formed enough to count -----------------------------------------
html = whole["html"]
equal(html.count("<tr role=\"row\" data-i="), tasks, "HTML: a row for each task")
equal(len(re.findall(r"<script", html)), tasks + 1,
      "HTML: our script and a block of JSON for each task, no other")
blocks = re.findall(r'<script type="application/json" id="d\d+">(.*?)</script>',
                    html, re.S)
equal(len([json.loads(block) for block in blocks]), tasks, "HTML: JSON in each")
ok("<img" not in html and "onerror=" not in re.sub(
    r"<script.*?</script>", "", html, flags=re.S), "HTML: no markup of others")

# ---- what cannot be read is told ------------------------------------------------
result = subprocess.run([NIGHTJAR, "report", folder, "--report", "nope"],
                        capture_output=True, text=True)
ok(result.returncode == 2 and "junit-strict" in result.stderr,
   "an unknown format names the known ones", result.stderr)
done()
