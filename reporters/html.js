"use strict";
/* Sorting, filtering and details of the report. The page has all rows without
 * it; what a task did is in a block of JSON for each, read when it is opened.
 * Text only ever becomes text nodes. */
(() => {
  const body = document.querySelector("#tasks tbody");
  const rows = Array.from(body.rows);
  const search = document.getElementById("search");
  const verdict = document.getElementById("verdict");
  const shown = document.getElementById("shown");
  const SVG = "http://www.w3.org/2000/svg";

  const make = (name, text, kind) => {
    const node = document.createElement(name);
    if (text !== undefined && text !== null) node.textContent = String(text);
    if (kind) node.className = kind;
    return node;
  };
  const seconds = (ms) => ms < 60000 ? (ms / 1000).toFixed(1) + "s"
    : Math.floor(ms / 60000) + "m" + String(Math.floor(ms / 1000) % 60).padStart(2, "0") + "s";
  const dollars = (micro) => micro === null ? "?" : "$" + (micro / 1e6).toFixed(micro < 1e5 ? 4 : 2);

  /* ---- filter ---- */
  const detailOf = (row) => {
    const next = row.nextElementSibling;
    return next && next.classList.contains("detail") ? next : null;
  };
  const texts = rows.map((row) => (row.textContent + " " + row.dataset.s).toLowerCase());
  const filter = () => {
    const words = search.value.toLowerCase().split(/\s+/).filter(Boolean);
    let count = 0;
    rows.forEach((row, i) => {
      const fits = (!verdict.value || row.dataset.v === verdict.value) &&
        words.every((word) => texts[i].includes(word));
      row.hidden = !fits;
      const detail = detailOf(row);
      if (detail) detail.hidden = !fits;
      count += fits;
    });
    shown.textContent = count + " of " + rows.length + " tasks shown";
  };
  search.addEventListener("input", filter);
  verdict.addEventListener("change", filter);

  /* ---- sort ---- */
  const heads = Array.from(document.querySelectorAll("#tasks thead th"));
  const keyOf = (row, column) => {
    const cell = row.cells[column];
    return cell.dataset.k === undefined ? cell.textContent : Number(cell.dataset.k);
  };
  const sortBy = (column) => {
    const head = heads[column];
    const down = head.getAttribute("aria-sort") === "ascending";
    heads.forEach((other) => other.removeAttribute("aria-sort"));
    head.setAttribute("aria-sort", down ? "descending" : "ascending");
    const keyed = rows.map((row, i) => ({ row, i, key: keyOf(row, column) }));
    keyed.sort((a, b) => {
      const order = typeof a.key === "number" ? a.key - b.key
        : a.key < b.key ? -1 : a.key > b.key ? 1 : 0;
      return (down ? -order : order) || a.i - b.i;
    });
    const all = document.createDocumentFragment();
    keyed.forEach(({ row }) => {
      const detail = detailOf(row);
      all.append(row);
      if (detail) all.append(detail);
    });
    body.append(all);
  };
  heads.forEach((head, column) =>
    head.querySelector("button").addEventListener("click", () => sortBy(column)));

  /* ---- details ---- */
  const section = (parent, title) => {
    parent.append(make("h3", title));
    return parent;
  };
  const facts = (parent, pairs) => {
    const list = make("dl");
    pairs.forEach(([name, value]) => {
      if (value === undefined || value === null || value === "") return;
      list.append(make("dt", name));
      const cell = make("dd");
      cell.append(make("code", value));
      list.append(cell);
    });
    parent.append(list);
  };
  const colours = (text) => {
    const pre = make("pre");
    pre.tabIndex = 0;
    pre.setAttribute("role", "region");
    pre.setAttribute("aria-label", "patch");
    let inHunk = false;
    text.split("\n").forEach((line) => {
      let kind = "";
      if (line.startsWith("diff --git ")) { kind = "file"; inHunk = false; }
      else if (line.startsWith("@@")) { kind = "hunk"; inHunk = true; }
      else if (inHunk && line.startsWith("+")) kind = "add";
      else if (inHunk && line.startsWith("-")) kind = "del";
      pre.append(make("span", line, kind));
    });
    return pre;
  };
  const output = (text, label) => {
    const pre = make("pre", text);
    pre.tabIndex = 0;
    pre.setAttribute("role", "region");
    pre.setAttribute("aria-label", label);
    return pre;
  };
  const bar = (from, took, whole, kind) => {
    const svg = document.createElementNS(SVG, "svg");
    svg.setAttribute("viewBox", "0 0 1000 10");
    svg.setAttribute("preserveAspectRatio", "none");
    svg.setAttribute("aria-hidden", "true");
    const rect = document.createElementNS(SVG, "rect");
    const scale = 1000 / Math.max(whole, 1);
    rect.setAttribute("x", String(Math.min(990, Math.max(0, from * scale))));
    rect.setAttribute("width", String(Math.max(6, took * scale)));
    rect.setAttribute("height", "10");
    rect.setAttribute("class", kind);
    svg.append(rect);
    return svg;
  };
  const timeline = (parent, attempt) => {
    const list = make("ol", null, "timeline");
    attempt.events.forEach((event) => {
      const item = make("li");
      const text = make("div");
      const from = Math.max(0, event.end - event.ms);
      item.append(make("span", seconds(from), "muted"));
      if (event.kind === "turn") {
        item.append(bar(from, event.ms, attempt.ms, "b1"));
        text.append("turn " + event.number + ", " + seconds(event.ms) + ": " +
          event.input + " tokens in (" + event.cached + " cached), " +
          event.output + " out, " + dollars(event.cost));
      } else if (event.kind === "call") {
        item.append(bar(from, event.ms, attempt.ms, "b3"));
        text.append(event.tool + " ", make("code", event.call));
        if (!event.allowed) text.append(" ", make("span", "denied", "deny"));
        if (event.summary) text.append(make("div", "→ " + event.summary, "muted"));
      } else {
        item.append(bar(from, event.ms, attempt.ms, "b2"));
        text.append(event.phase + " step ", make("code", event.name), " ",
          make("span", event.result, event.result === "passed" ? "passed" : "failed"),
          ", " + seconds(event.ms));
      }
      item.append(text);
      list.append(item);
    });
    parent.append(list);
    if (attempt.dropped)
      parent.append(make("p", attempt.dropped + " more are in the journal.", "muted"));
  };
  const decisions = (parent, task) => {
    const list = task.attempts.flatMap((attempt) => attempt.events.filter((event) =>
      event.kind === "call" && (!event.allowed || event.reviewed)));
    if (!list.length) return;
    section(parent, "Policy decisions");
    const items = make("ul");
    list.forEach((event) => {
      const item = make("li");
      item.append(make("span", event.allowed ? "allowed" : "denied", event.allowed ? "passed" : "deny"),
        (event.reviewed ? " after a review" : "") + ", " + (event.rule || "no rule") + ": ",
        make("code", event.call), " – " + event.reason);
      items.append(item);
    });
    parent.append(items);
  };
  const notes = (parent, title, list) => {
    if (!list.length) return;
    section(parent, title);
    const items = make("ul");
    list.forEach((note) => {
      const item = make("li");
      item.append(make("code", note.path || "the patch"), " " + note.rule + ": " + note.message);
      items.append(item);
    });
    parent.append(items);
  };
  const fill = (cell, task) => {
    facts(cell, [["verdict", task.verdict + " (" + task.reason + ")"], ["message", task.message],
      ["hint", task.hint], ["repository", task.repo], ["ref", task.ref], ["commit", task.commit],
      ["cost", task.cost], ["tokens", task.tokens], ["folder", task.folder]]);
    notes(cell, "Not allowed", task.violations);
    notes(cell, "Findings", task.findings);
    if (task.plan.length) {
      section(cell, "Plan");
      const plan = make("ul", null, "plan");
      const marks = { completed: "☑ ", in_progress: "▶ ", pending: "☐ " };
      task.plan.forEach((step) => {
        const item = make("li", (marks[step.status] || "• ") + step.step);
        item.append(make("span", " (" + step.status.replace("_", " ") + ")", "muted"));
        plan.append(item);
      });
      cell.append(plan);
    }
    task.attempts.forEach((attempt) => {
      section(cell, "Attempt " + attempt.number + ": timeline");
      timeline(cell, attempt);
    });
    decisions(cell, task);
    const failed = task.attempts.flatMap((attempt) =>
      attempt.events.filter((event) => event.kind === "step" && event.output));
    if (failed.length) {
      section(cell, "Checks");
      failed.forEach((event) => {
        cell.append(make("p", event.phase + " step " + event.name + ": " + event.result +
          (event.status >= 0 ? " (exit status " + event.status + ")" : "")),
          output(event.output, "output of " + event.name));
      });
    }
    if (task.final) {
      section(cell, "What the agent said");
      cell.append(output(task.final, "final message"));
    }
    if (task.patch) {
      section(cell, "Patch");
      cell.append(colours(task.patch));
    }
  };
  const toggle = (row, button) => {
    const old = detailOf(row);
    if (old) {
      old.remove();
      button.setAttribute("aria-expanded", "false");
      return;
    }
    const detail = make("tr", null, "detail");
    const cell = make("td");
    detail.setAttribute("role", "row");
    cell.setAttribute("role", "cell");
    cell.setAttribute("aria-colspan", String(heads.length));
    cell.id = "detail-" + row.dataset.i;
    detail.append(cell);
    try {
      fill(cell, JSON.parse(document.getElementById("d" + row.dataset.i).textContent));
    } catch (problem) {
      cell.append(make("p", "This task's details cannot be read: " + problem.message));
    }
    row.after(detail);
    button.setAttribute("aria-expanded", "true");
    button.setAttribute("aria-controls", cell.id);
  };
  body.addEventListener("click", (event) => {
    const button = event.target.closest("tbody th button");
    if (button) toggle(button.closest("tr"), button);
  });

  /* ---- keyboard: / filters, Escape leaves, arrows go from task to task ---- */
  const step = (from, by) => {
    const open = Array.from(body.querySelectorAll("tr:not([hidden]) > th > button"));
    const to = open[open.indexOf(from) + by];
    if (to) to.focus();
  };
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.altKey || event.metaKey) return;
    const at = document.activeElement;
    const isButton = at.matches && at.matches("tbody th button");
    if (event.key === "/" && at !== search) {
      event.preventDefault();
      search.focus();
    } else if (event.key === "Escape" && at === search) {
      search.value = "";
      filter();
    } else if (isButton && (event.key === "ArrowDown" || event.key === "ArrowUp")) {
      event.preventDefault();
      step(at, event.key === "ArrowDown" ? 1 : -1);
    }
  });

  document.querySelector(".controls").hidden = false;
  document.documentElement.dataset.ready = "true";
  filter();
  let wanted = "";
  try { wanted = decodeURIComponent(location.hash.slice(1)); } catch { /* no task's name */ }
  const target = wanted && rows.find((row) => row.dataset.t === wanted);
  if (target) {
    const button = target.querySelector("th button");
    toggle(target, button);
    button.focus();
  }
})();
