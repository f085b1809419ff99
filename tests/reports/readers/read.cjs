// What published readers make of a JUnit file, and validators of a SARIF and a
// CTRF file: one JSON object on standard output, with an error for a reader
// that could not be used.
//
//     node read.cjs NODE_MODULES junit.xml report.sarif ctrf.json report.tap summary.md
"use strict";
const fs = require("fs");
const path = require("path");
const os = require("os");
const { createRequire } = require("module");
const { pathToFileURL } = require("url");

const [modules, junit, sarif, ctrf, tap, markdown] = process.argv.slice(2);
const need = createRequire(path.join(modules, "x.js"));
const found = {};
const xml = fs.readFileSync(junit, "utf8");
const folder = fs.mkdtempSync(path.join(os.tmpdir(), "readers-"));

const importFrom = (name) => import(pathToFileURL(need.resolve(name)).href);
const count = (suites) => {
  const cases = suites.flatMap((suite) => suite.testcase || []);
  const has = (kind) => cases.filter((one) => one[kind] && one[kind].length !== 0).length;
  return { tests: cases.length, failures: has("failure"), errors: has("error"), skipped: has("skipped") };
};

const readers = {
  "junit2json": async () => {
    const { parse } = await importFrom("junit2json");
    return count((await parse(xml)).testsuite);
  },
  "test-results-parser": async () => {
    const { parse } = need("test-results-parser");
    const result = parse({ type: "junit", files: [junit] });
    const cases = result.suites.flatMap((suite) => suite.cases);
    const all = (status) => cases.filter((one) => one.status === status).length;
    // It has one word for failures and errors.
    return { tests: cases.length, wrong: all("FAIL") + all("ERROR"), skipped: all("SKIP") };
  },
  "junit-to-ctrf": async () => {
    const { convertJUnitToCTRFReport } = await importFrom("junit-to-ctrf");
    const { summary } = (await convertJUnitToCTRFReport(junit)).results;
    return { tests: summary.tests, wrong: summary.failed + summary.other, skipped: summary.skipped };
  },
  "junit-report-merger": async () => {
    const { mergeFiles } = need("junit-report-merger");
    const out = path.join(folder, "merged.xml");
    await mergeFiles(out, [junit]);
    // What it writes is counted as text: it undoes one escape of "&amp;lt;".
    const merged = fs.readFileSync(out, "utf8");
    const number = (tag) => merged.split("<" + tag).length - 1;
    return { tests: number("testcase"), failures: number("failure"), errors: number("error"),
      skipped: number("skipped") };
  },
  "junitxml-to-javascript": async () => {
    const Parser = need("junitxml-to-javascript");
    const result = await new Parser().parseXMLString(xml);
    const sum = (key) => result.testsuites.reduce((total, suite) => total + suite[key], 0);
    const cases = result.testsuites.flatMap((suite) => suite.testCases);
    // Failures are among its errors.
    return { tests: cases.length, wrong: sum("errors"), skipped: sum("skipped") };
  },
  "xunit-viewer": async () => {
    const from = (name) => import(pathToFileURL(path.join(modules, "node_modules/xunit-viewer/src/cli", name)).href);
    const { default: parse } = await from("parse.js");
    const { default: describe } = await from("get-description.js");
    const text = describe(await parse(xml));
    const number = (word) => Number((text.match(new RegExp("(\\d+) " + word)) || [0, 0])[1]);
    return { tests: (text.match(/\d+/g) || []).reduce((sum, one) => sum + Number(one), 0),
      failures: number("failure"), errors: number("error"), skipped: number("skipped") };
  },
};

const validators = {
  "sarif schema": async () => {
    const Ajv = need("ajv-draft-04");
    // One of its patterns is none with the flag u.
    const ajv = new Ajv({ strict: false, allErrors: true, unicodeRegExp: false });
    need("ajv-formats")(ajv);
    const schema = JSON.parse(fs.readFileSync(need.resolve(
      "@microsoft/jest-sarif/lib/schemas/sarif-2.1.0-rtm.5.json")));
    ajv.validate(schema, JSON.parse(fs.readFileSync(sarif)));
    return (ajv.errors || []).slice(0, 5).map((one) => one.instancePath + " " + one.message);
  },
  "ctrf schema": async () => {
    const Ajv = need("ajv");
    const ajv = new (Ajv.default || Ajv)({ strict: false, allErrors: true });
    need("ajv-formats")(ajv);
    const schema = JSON.parse(fs.readFileSync(path.join(modules,
      "node_modules/ctrf/dist/ctrf-schema-0.0.json")));
    ajv.validate(schema, JSON.parse(fs.readFileSync(ctrf)));
    return (ajv.errors || []).slice(0, 5).map((one) => one.instancePath + " " + one.message);
  },
  "tap-parser": async () => {
    const { Parser } = need("tap-parser");
    const result = await new Promise((resolve) => {
      const parser = new Parser({ strict: true }, resolve);
      parser.end(fs.readFileSync(tap, "utf8"));
    });
    return { tests: result.count, wrong: result.fail, skipped: result.skip,
      failures: result.failures.filter((one) => one.tapError).map((one) => one.tapError).slice(0, 5),
      bailout: result.bailout };
  },
};

// What renderers of Markdown make of it: their tags, and the text outside of code.
const renderers = {
  "marked": async (text) => need("marked").marked.parse(text, { gfm: true }),
  "markdown-it": async (text) => need("markdown-it")({ html: true, linkify: true }).render(text),
  "remark-gfm": async (text) => {
    const { unified } = await importFrom("unified");
    const { default: parse } = await importFrom("remark-parse");
    const { default: gfm } = await importFrom("remark-gfm");
    const { default: html } = await importFrom("remark-html");
    return String(await unified().use(parse).use(gfm).use(html, { sanitize: false }).process(text));
  },
};
const rendered = Object.fromEntries(Object.entries(renderers).map(([name, render]) => ["markdown by " + name,
  async () => {
    const html = await render(fs.readFileSync(markdown, "utf8"));
    const rest = html.replace(/<code[^>]*>[^]*?<\/code>/g, "");
    return { tags: [...new Set((html.match(/<[A-Za-z][\w-]*/g) || []))].sort(),
      rows: (html.match(/<tr>/g) || []).length,
      outside: ["octocat", "alert", "evil", "/close", "#1"].filter((word) => rest.includes(word)) };
  }]));

(async () => {
  for (const [name, read] of Object.entries({ ...readers, ...validators, ...rendered })) {
    try {
      found[name] = await read();
    } catch (problem) {
      found[name] = { error: String(problem && problem.stack).slice(0, 600) };
    }
  }
  fs.rmSync(folder, { recursive: true, force: true });
  console.log(JSON.stringify(found));
})();
