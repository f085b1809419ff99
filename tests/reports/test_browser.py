#!/usr/bin/env python3
"""The HTML report in a real headless browser: hostile text runs no script and
loads nothing, the keyboard reaches everything, 2,000 tasks are there.

PICTURES=FOLDER keeps screenshots."""
from corpus import *  # noqa: F401,F403
from corpus import (FOLDER, HOSTILE, equal, hostile_run, large_run, note, ok,
                    report)
from browser import (DOWN, ENTER, ESCAPE, HOME, SPACE, TAB, UP, Browser, available)

PICTURES = os.environ.get("PICTURES")
FOCUS = "return document.activeElement.textContent.trim()"


def page_of(folder, name):
    path = os.path.join(FOLDER, name + ".html")
    with open(path, "wb") as file:
        file.write(report(folder, "--report", "html"))
    return path


def picture(page, name):
    if PICTURES:
        page.picture(os.path.join(PICTURES, name + ".png"))


def problems(page):
    return [entry["message"] for entry in page.log()
            if entry["level"] in ("SEVERE", "WARNING")]


if not available():
    print("1..0 # SKIP chromium and chromium-driver are not installed")
    sys.exit(0)

folder, counts = hostile_run()
hostile = page_of(folder, "hostile")
tasks = sum(counts.values())
with Browser() as page:
    # ---- hostile text ----------------------------------------------------------
    page.open(hostile)
    equal(page.run("return document.documentElement.dataset.ready"), "true",
          "the page's own script ran: its hash is in the policy")
    equal(problems(page), [], "and nothing is complained about")
    equal(page.run("return getComputedStyle(document.querySelector('td.v'))"
                   ".fontWeight"), "600", "the style sheet holds")
    equal(page.run("return document.querySelectorAll('#tasks tbody tr').length"),
          tasks, "a row for each task")
    page.run("""
        window.fired = [];
        window.alert = (x) => window.fired.push('alert ' + x);
        document.querySelectorAll('tbody th button').forEach((b) => b.click());
        """)
    equal(page.run("return document.querySelectorAll('tr.detail').length"),
          tasks, "all details are opened")
    equal(page.run("return document.querySelectorAll('tr.detail h3').length > "
                   "2 * arguments[0]", tasks), True, "and have sections")
    equal(page.run("return [...document.querySelectorAll('tr.detail p')]"
                   ".filter(p => p.textContent.includes('cannot be read'))"
                   ".length"), 0, "each can be read")
    equal(page.run("return window.fired"), [], "no script of others ran")
    equal(page.run("""
        const known = new Set(['HTML','HEAD','META','TITLE','STYLE','BODY','A',
            'HEADER','H1','H2','H3','P','UL','LI','STRONG','MAIN','DIV','FIGURE',
            'FIGCAPTION','LABEL','INPUT','SELECT','OPTION','NOSCRIPT','TABLE',
            'THEAD','TBODY','TR','TH','TD','BUTTON','SCRIPT','DL','DT','DD',
            'CODE','PRE','SPAN','OL','svg','rect']);
        return [...new Set([...document.querySelectorAll('*')]
            .map(e => e.tagName).filter(t => !known.has(t)))];"""), [],
          "no element that is not the page's own")
    equal(page.run("""
        return [...document.querySelectorAll('*')].flatMap(e =>
            [...e.attributes].map(a => a.name))
            .filter(n => n.startsWith('on') || n === 'src' || n === 'style');
        """), [], "no handler, source or style of others")
    equal(page.run("return performance.getEntriesByType('resource').length"), 0,
          "nothing was loaded")
    equal(page.run("""
        const img = document.createElement('img');
        img.src = 'http://127.0.0.1:9/x';
        document.body.append(img);
        const script = document.createElement('script');
        script.textContent = 'window.fired.push("inline")';
        document.body.append(script);
        const div = document.createElement('div');
        div.innerHTML = '<b onclick="window.fired.push(1)" id=z>x</b>';
        document.body.append(div);
        document.getElementById('z').click();
        return window.fired;"""), [],
          "even markup that came in would run nothing: the policy holds")
    refused = problems(page)
    ok(sum("Content Security Policy" in text for text in refused) >= 2,
       "and the browser says so", refused)
    picture(page, "hostile")

    # ---- the keyboard alone ----------------------------------------------------
    folder = large_run(60, "small")
    small = page_of(folder, "small")
    page.open(small)
    picture(page, "small")
    page.keys(TAB)
    equal(page.run(FOCUS), "to the tasks", "first comes a way past the head")
    page.keys("/")
    equal(page.run("return document.activeElement.id"), "search",
          "a slash goes to the filter")
    page.keys("service-3")
    shown = page.run("return document.getElementById('shown').textContent")
    equal(shown, "11 of 60 tasks shown", "typing filters, and says how many")
    equal(page.run("return document.getElementById('shown')"
                   ".getAttribute('role')"), "status", "to screen readers, too")
    page.keys(ESCAPE)
    equal(page.run("return [...document.querySelectorAll('#tasks tbody tr')]"
                   ".filter(r => !r.hidden).length"), 60, "Escape shows all")
    page.keys(TAB)
    equal(page.run("return document.activeElement.id"), "verdict",
          "then the verdicts")
    page.keys("f")
    equal(page.run("return document.getElementById('verdict').value"), "failed",
          "which a letter chooses")
    page.keys(HOME)
    for column in ("verdict", "task", "message", "changes", "turns", "tokens",
                   "cached", "cost"):
        page.keys(TAB)
        equal(page.run(FOCUS), column, f"the head of {column}")
    page.keys(ENTER)
    sort = ("return [...document.querySelectorAll('#tasks tbody tr td:nth-child"
            "(8)')].map(c => Number(c.dataset.k))")
    cost = page.run(sort)
    equal(cost, sorted(cost), "Enter sorts")
    page.keys(SPACE)
    equal(page.run(sort), sorted(cost, reverse=True), "and again turns it")
    equal(page.run("return document.querySelectorAll('th[aria-sort]').length + "
                   "document.querySelector('th[aria-sort]').getAttribute("
                   "'aria-sort')"), "1descending", "as its head says")
    page.keys(TAB, TAB)
    first = page.run(FOCUS)
    ok(first.startswith("team-"), "then the tasks", first)
    page.keys(DOWN, DOWN, UP)
    equal(page.run(FOCUS), page.run(
        "return document.querySelectorAll('tbody th')[1].textContent"),
        "arrows go from task to task")
    page.keys(ENTER)
    equal(page.run("return document.activeElement.getAttribute("
                   "'aria-expanded')"), "true", "Enter opens one")
    detail = page.run("return document.getElementById(document.activeElement"
                      ".getAttribute('aria-controls')).innerText")
    for part in ("Plan", "timeline", "Checks", "What the agent said", "Patch",
                 "Policy decisions", "repository", "cost", "☐ look"):
        ok(part in detail, f"with {part}", detail[:3000])
    page.keys(TAB)
    equal(page.run("return document.activeElement.tagName"), "PRE",
          "what scrolls can be reached")
    picture(page, "detail")
    equal(page.run("""
        return [...document.querySelectorAll('input, select, button, pre, svg')]
            .filter(e => e.tabIndex >= 0 || e.tagName === 'svg')
            .filter(e => !(e.textContent.trim() || e.labels && e.labels.length
                || e.getAttribute('aria-label')
                || e.getAttribute('aria-hidden') === 'true')).length"""), 0,
          "everything that can be reached or seen has a name")
    equal(page.run("return document.documentElement.lang + "
                   "document.querySelectorAll('th:not([scope])').length"), "en0",
          "language and scopes are said")
    page.open(small, "#team-7/service-7")
    equal(page.run("return document.querySelectorAll('tr.detail').length"), 1,
          "an address with a task opens it")
    equal(problems(page), [], "without a complaint")

    # ---- contrast, light -------------------------------------------------------
    CONTRAST = """
        const parse = (c) => c.match(/[\\d.]+/g).map(Number);
        const light = (c) => { const [r, g, b] = parse(c).map((v) => {
            v /= 255; return v <= .03928 ? v / 12.92 : ((v + .055) / 1.055) ** 2.4; });
            return .2126 * r + .7152 * g + .0722 * b; };
        const back = (e) => { while (e) { const c = getComputedStyle(e).backgroundColor;
            if (!/, 0\\)$/.test(c)) return c; e = e.parentElement; }
            return getComputedStyle(document.body).backgroundColor; };
        let least = 99;
        for (const e of document.querySelectorAll('p, td, th, button, li, span, dd, dt, figcaption, label')) {
            if (!e.textContent.trim() || !e.offsetParent) continue;
            const a = light(getComputedStyle(e).color), b = light(back(e));
            least = Math.min(least, (Math.max(a, b) + .05) / (Math.min(a, b) + .05));
        }
        return least;"""
    ok(page.run(CONTRAST) >= 4.5, "text stands out: 4.5 to 1 at least")

    # ---- many ------------------------------------------------------------------
    large = page_of(large_run(2000), "large")
    page.open(large)
    equal(page.run("return document.querySelectorAll('#tasks tbody tr').length"),
          2000, "2,000 tasks")
    took = page.run("""
        const times = {};
        const timed = (name, f) => { const t = performance.now(); f();
            document.body.offsetHeight; times[name] = Math.round(performance.now() - t); };
        const nav = performance.getEntriesByType('navigation')[0];
        times.load = Math.round(nav.domContentLoadedEventEnd);
        timed('sort', () => document.querySelectorAll('thead button')[7].click());
        timed('filter', () => { const s = document.getElementById('search');
            s.value = 'service-19'; s.dispatchEvent(new Event('input')); });
        timed('open', () => document.querySelector('tbody tr:not([hidden]) th button').click());
        return times;""")
    note(f"2,000 tasks, {os.path.getsize(large) >> 10} KiB: milliseconds {took}")
    equal(page.run("return [...document.querySelectorAll('#tasks tbody "
                   "tr:not(.detail)')].filter(r => !r.hidden).length"), 111,
          "filtered")
    picture(page, "large-filtered")
    page.open(large)
    picture(page, "large")

with Browser(dark=True, size=(1280, 1000)) as page:
    page.open(small, "#team-3/service-3")
    back = page.run("return getComputedStyle(document.body).backgroundColor")
    equal(back, "rgb(13, 17, 23)", "dark where it is asked for")
    ok(page.run(CONTRAST) >= 4.5, "and readable", page.run(CONTRAST))
    picture(page, "dark")
with Browser(size=(390, 844)) as page:
    page.open(small, "#team-3/service-3")
    ok(page.run("return document.documentElement.scrollWidth <= "
                "window.innerWidth"), "narrow: the page does not scroll aside")
    picture(page, "narrow")
done()
