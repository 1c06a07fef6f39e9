"use strict";
(() => {
  // Text reaches the page only through textContent; the policy in <head> forbids markup from strings altogether.
  const make = (tag, attributes = {}, ...children) => {
    const node = document.createElement(tag);
    for (const [name, value] of Object.entries(attributes)) {
      if (typeof value === "function") node.addEventListener(name, value);
      else if (value !== false && value != null) node.setAttribute(name, value === true ? "" : value);
    }
    node.append(...children.filter((child) => child !== false));
    return node;
  };
  const draw = (tag, attributes = {}, ...children) => {
    const node = document.createElementNS("http://www.w3.org/2000/svg", tag);
    for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, value);
    node.append(...children);
    return node;
  };
  const bytes = async (element) => {
    const packed = Uint8Array.from(atob(JSON.parse(element.textContent)), (c) => c.charCodeAt(0));
    const stream = new Blob([packed]).stream().pipeThrough(new DecompressionStream("deflate"));
    return new Response(stream).arrayBuffer();
  };
  const unpack = async (element) => JSON.parse(new TextDecoder().decode(await bytes(element)));
  const save = (parts, name, type) => {
    const url = URL.createObjectURL(new Blob(parts, { type }));
    const link = make("a", { href: url, download: name });
    document.body.append(link);
    link.click();
    link.remove();
    setTimeout(() => URL.revokeObjectURL(url), 10000);
  };
  // A spreadsheet runs text that starts like a formula; an apostrophe makes it text.
  const neutral = (text) => (/^\s*[=+\-@\t\r]/.test(text) ? "'" + text : text);
  const quoted = (text) => (/[",\r\n]/.test(text) ? '"' + text.replaceAll('"', '""') + '"' : text);

  // ---- tables: sort, filter, save -------------------------------------------------------------------------------
  const enhance = (table) => {
    const body = table.tBodies[0];
    const heads = [...table.tHead.rows[0].cells];
    const tools = document.querySelector(`.tools[data-for="${table.dataset.key}"]`);
    let rows = [...body.rows];
    let loading = null;
    const whole = () => {
      const source = table.dataset.more && document.getElementById(table.dataset.more);
      if (!source) return Promise.resolve();
      loading ??= unpack(source).then((content) => {
        for (const cells of content) {
          const row = make("tr");
          for (const [i, item] of cells.entries()) {
            const pair = Array.isArray(item);
            const shape = pair ? { "data-v": item[1], class: heads[i].dataset.kind !== "text" && "n" } : { class: item.length > 36 && "long" };
            row.append(make("td", shape, pair ? item[0] : item));
          }
          rows.push(row);
        }
        body.append(...rows);
        table.caption.querySelector(".more")?.remove();
      });
      return loading;
    };
    const value = (row, i) => row.cells[i].dataset.v ?? row.cells[i].textContent;
    const filters = [];
    const count = make("output", { "aria-live": "polite" });
    const show = async () => {
      await whole();
      let shown = 0;
      for (const row of rows) {
        row.hidden = !filters.every((test) => test(row));
        shown += row.hidden ? 0 : 1;
      }
      count.textContent = `${shown} of ${rows.length} rows`;
    };
    heads.forEach((head, i) => {
      const button = make("button", { type: "button" }, head.textContent);
      head.replaceChildren(button);
      button.addEventListener("click", async () => {
        await whole();
        const next = { none: "ascending", ascending: "descending", descending: "none" }[head.getAttribute("aria-sort") ?? "none"];
        heads.forEach((other) => other.removeAttribute("aria-sort"));
        if (next !== "none") head.setAttribute("aria-sort", next);
        const numeric = head.dataset.kind !== "text";
        const sign = next === "descending" ? -1 : 1;
        const keys = new Map(rows.map((row) => [row, numeric ? parseFloat(value(row, i)) : value(row, i)]));
        const compare = (a, b) => {
          const [x, y] = [keys.get(a), keys.get(b)];
          if (numeric) return Number.isNaN(x) || Number.isNaN(y) ? Number.isNaN(x) - Number.isNaN(y) : sign * (x - y);
          return sign * x.localeCompare(y, "en", { numeric: true });
        };
        body.append(...(next === "none" ? rows : [...rows].sort(compare)));
      });
    });
    if (Number(table.dataset.rows) > 8) {
      const search = make("input", { type: "search", autocomplete: "off", spellcheck: "false" });
      filters.push((row) => search.value.toLowerCase().split(/\s+/).every((word) => row.textContent.toLowerCase().includes(word)));
      search.addEventListener("input", show);
      tools.append(make("label", {}, "Filter by words", search));
      heads.forEach((head, i) => {
        if (!("facet" in head.dataset)) return;
        const select = make("select", {}, make("option", { value: "" }, "all"));
        const fill = () => {
          const known = new Set([...select.options].map((option) => option.value));
          for (const name of new Set(rows.map((row) => row.cells[i].textContent))) {
            if (!known.has(name)) select.append(make("option", { value: name }, name));
          }
        };
        fill();
        if (select.options.length < 3 && !table.dataset.more) return;
        select.addEventListener("focus", () => whole().then(fill));
        select.addEventListener("change", show);
        filters.push((row) => !select.value || row.cells[i].textContent === select.value);
        tools.append(make("label", {}, head.textContent, select));
      });
    }
    const csv = async () => {
      await whole();
      const line = (cells) => cells.map(quoted).join(",");
      const kept = [...body.rows].filter((row) => !row.hidden);
      const content = [heads.map((head) => head.dataset.name)].concat(
        kept.map((row) => heads.map((head, i) => (head.dataset.kind === "text" ? neutral(value(row, i)) : value(row, i))))
      );
      save([content.map(line).join("\r\n") + "\r\n"], `${table.dataset.key}.csv`, "text/csv");
    };
    if (rows.length > 8) count.textContent = `${table.dataset.rows} rows`;
    tools.append(make("button", { type: "button", class: "do", click: csv }, "Save as CSV"), count);
  };
  document.querySelectorAll("table.data").forEach(enhance);

  // What names a row stays in sight beside what is scrolled to, as far as it leaves room for it.
  const pin = (table, room) => {
    const heads = [...table.tHead.rows[0].cells];
    const named = heads.findIndex((head) => "must" in head.dataset || !["text", "plain"].includes(head.dataset.kind));
    let left = 0;
    heads.forEach((head, i) => {
      const width = head.getBoundingClientRect().width;
      const held = i === 0 || (i < named && left + width <= 0.45 * room);
      for (const row of [table.tHead.rows[0], ...table.tBodies[0].rows]) {
        row.cells[i].classList.toggle("pinned", held);
        row.cells[i].style.left = held ? `${left}px` : "";
      }
      left = held ? left + width : Infinity;
    });
  };
  const seen = new ResizeObserver((entries) => {
    for (const { target, contentRect } of entries) if (contentRect.width) pin(target.querySelector("table"), contentRect.width);
  });
  document.querySelectorAll(".table > .scroll").forEach((part) => seen.observe(part));

  // ---- downloads of whole tables ---------------------------------------------------------------------------------
  const types = { csv: "text/csv", parquet: "application/vnd.apache.parquet" };
  for (const cell of document.querySelectorAll("td.save")) {
    for (const kind of ["csv", "parquet"]) {
      const name = `${cell.dataset.name}.${kind}`;
      const source = document.querySelector(`script[data-download="${CSS.escape(name)}"]`);
      if (!source) continue;
      const click = async () => save([await bytes(source)], name, types[kind]);
      cell.append(make("button", { type: "button", class: "do", click, "aria-label": `Save ${name}` }, kind === "csv" ? "CSV" : "Parquet"));
    }
  }

  const config = document.querySelector(".tools[data-config]");
  if (config && document.getElementById("config")) {
    const click = () => save([document.getElementById("config").textContent], `${config.dataset.config}.yaml`, "text/yaml");
    config.append(make("button", { type: "button", class: "do", click }, "Save the configuration"));
  }

  // ---- figures: save as SVG, PNG or CSV, read a value ---------------------------------------------------------------
  const picture = (svg, scale) =>
    new Promise((resolve, reject) => {
      const url = URL.createObjectURL(new Blob([svg], { type: "image/svg+xml" }));
      const image = new Image();
      image.onerror = reject;
      image.onload = () => {
        const canvas = make("canvas", { width: image.width * scale, height: image.height * scale });
        const pen = canvas.getContext("2d");
        pen.fillStyle = "#ffffff";
        pen.fillRect(0, 0, canvas.width, canvas.height);
        pen.drawImage(image, 0, 0, canvas.width, canvas.height);
        URL.revokeObjectURL(url);
        canvas.toBlob(resolve, "image/png");
      };
      image.src = url;
    });
  for (const tools of document.querySelectorAll(".tools[data-figure]")) {
    const name = tools.dataset.figure;
    const svg = tools.parentElement.querySelector("svg");
    const alone = () => {
      const copy = svg.cloneNode(true);
      copy.setAttribute("xmlns", "http://www.w3.org/2000/svg");
      copy.setAttribute("font-family", "DejaVu Sans, sans-serif");
      copy.setAttribute("color", "#101418");
      return new XMLSerializer().serializeToString(copy);
    };
    const button = (label, click) => make("button", { type: "button", class: "do", "aria-label": `Save ${name} as ${label}`, click }, label);
    tools.append(
      button("SVG", () => save([alone()], `${name}.svg`, "image/svg+xml")),
      button("PNG", async () => save([await picture(alone(), 2)], `${name}.png`, "image/png"))
    );
    const source = tools.dataset.numbers && document.querySelector(`.tools[data-for="${tools.dataset.numbers}"] button.do`);
    if (source) tools.append(button("CSV", () => source.click()));
    const told = make("output", { "aria-live": "polite" });
    tools.append(told);
    svg.addEventListener("pointerover", (event) => {
      const title = event.target.closest(".hover > *")?.querySelector("title");
      told.textContent = title ? title.textContent : "";
    });
  }

  // ---- words: what they mean, where the pointer or the focus is -----------------------------------------------------
  const tip = make("div", { class: "tip", hidden: true });
  document.getElementById("main").append(tip);
  const explain = (event) => {
    const link = event.target.closest?.("a.word");
    tip.hidden = !link;
    if (!link) return;
    tip.textContent = document.getElementById(link.getAttribute("aria-describedby"))?.textContent ?? "";
    const at = link.getBoundingClientRect();
    tip.style.left = `${Math.max(8, Math.min(at.left, innerWidth - tip.offsetWidth - 8))}px`;
    tip.style.top = `${at.bottom + tip.offsetHeight + 8 > innerHeight ? at.top - tip.offsetHeight - 4 : at.bottom + 4}px`;
  };
  for (const name of ["pointerover", "focusin"]) document.addEventListener(name, explain);
  addEventListener("scroll", () => (tip.hidden = true), { passive: true, capture: true });
  addEventListener("keydown", (event) => event.key === "Escape" && (tip.hidden = true));

  // ---- a link into a closed part opens it ---------------------------------------------------------------------------
  const reveal = (behavior) => {
    const target = location.hash.length > 1 && document.getElementById(decodeURIComponent(location.hash.slice(1)));
    if (target) target.querySelectorAll(":scope > details").forEach((part) => (part.open = true));
    for (let node = target; node; node = node.parentElement) if (node.tagName === "DETAILS") node.open = true;
    if (target) target.scrollIntoView({ behavior });
  };
  addEventListener("hashchange", () => reveal("auto"));
  if (location.hash.length > 1) {
    // Sections take their true height as they are drawn: a page opened at a link keeps to its place for a moment.
    const hold = new ResizeObserver(() => requestAnimationFrame(() => reveal("instant")));
    hold.observe(document.body);
    for (const name of ["wheel", "touchstart", "pointerdown", "keydown"]) addEventListener(name, () => hold.disconnect(), { passive: true });
    setTimeout(() => hold.disconnect(), 3000);
  }
  const menu = document.querySelector(".menu");
  if (matchMedia("(max-width: 60rem)").matches) menu.open = false;
  menu.addEventListener("click", (event) => {
    if (event.target.tagName === "A" && matchMedia("(max-width: 60rem)").matches) menu.open = false;
  });

  // ---- sample explorer -----------------------------------------------------------------------------------------------
  const app = document.getElementById("explorer-app");
  if (!app) return;
  const groups = JSON.parse(document.getElementById("explorer-index").textContent);
  const words = JSON.parse(document.getElementById("explorer-words").textContent);
  const ends = { eos: "", stop: "", length: "cut off at the token limit", context: "cut off: context full", depth: "cut off at the depth limit" };
  const bin = (score) => (score == null ? "sx" : "s" + Math.min(4, Math.floor(score * 5)));
  const number = (score) => (score == null ? "–" : score.toFixed(2));
  const levels = ["benchmark", "policy", "method", "prm", "budget"];
  const labels = { benchmark: "Benchmark", policy: "Policy", method: "Method", prm: "PRM", budget: "N", problem: "Problem", score: "Score of a response" };
  const picks = {};
  const picker = make("div", { class: "picker" });
  const view = make("div", { "aria-live": "polite" });
  const cache = new Map();
  const choice = (name, change) => {
    const select = make("select", { change });
    picks[name] = select;
    picker.append(make("label", {}, labels[name], select));
    return select;
  };
  const options = (select, values, text = (v) => v) => {
    const before = select.value;
    select.replaceChildren(...values.map((value) => make("option", { value }, text(value))));
    if (values.includes(before)) select.value = before;
    select.parentElement.hidden = values.length < 2 && ["0", "none", "1"].includes(values[0]);
  };
  const matching = (depth) => groups.filter((group) => levels.slice(0, depth).every((name) => group[name] === picks[name].value));
  const refill = (from) => {
    for (let i = from; i < levels.length; i++) {
      const values = [...new Set(matching(i).map((group) => group[levels[i]]))];
      options(picks[levels[i]], values, (v) => words.methods[v] ?? v);
    }
    const group = matching(levels.length)[0];
    options(picks.problem, group.problems);
    picks.score.parentElement.hidden = group.prm === "none";
    return show();
  };
  const move = (by) => {
    const select = picks.problem;
    select.selectedIndex = (select.selectedIndex + by + select.options.length) % select.options.length;
    return show();
  };
  levels.forEach((name, i) => choice(name, () => refill(i + 1)));
  choice("score", () => show());
  options(picks.score, Object.keys(words.scores), (v) => words.scores[v]);
  picks.score.value = app.dataset.score;
  choice("problem", () => show());
  picker.append(
    make("button", { type: "button", class: "do", click: () => move(-1) }, "← Previous"),
    make("button", { type: "button", class: "do", click: () => move(1) }, "Next →")
  );
  app.append(picker, view);

  const tally = (problem) => {
    const answers = new Map();
    for (const response of problem.responses) {
      if (response.answer == null) continue;
      const entry = answers.get(response.answer) ?? { count: 0, sum: 0, best: -Infinity, scored: false, correct: response.correct };
      const score = response.score[picks.score.value];
      entry.count += 1;
      if (score != null) {
        entry.sum += score;
        entry.best = Math.max(entry.best, score);
        entry.scored = true;
      }
      answers.set(response.answer, entry);
    }
    const list = [...answers].sort((a, b) => b[1].count - a[1].count);
    const winner = (key) => list.reduce((top, item) => (top && top[1][key] >= item[1][key] ? top : item), null)?.[0];
    const scored = list.some(([, entry]) => entry.scored);
    const won = { majority: winner("count"), "PRM-Vote": scored && winner("sum"), "PRM-Max": scored && winner("best") };
    const rows = list.map(([answer, entry]) =>
      make("tr", {},
        make("th", { scope: "row" }, answer),
        make("td", { class: "n" }, String(entry.count)),
        make("td", { class: "n" }, entry.scored ? entry.sum.toFixed(2) : "–"),
        make("td", { class: "n" }, entry.scored ? entry.best.toFixed(2) : "–"),
        make("td", { class: entry.correct ? "right" : "wrong" }, entry.correct ? "✓ right" : "✗ wrong"),
        make("td", {}, Object.entries(won).filter(([, a]) => a === answer).map(([name]) => name).join(", ")))
    );
    const silent = problem.responses.filter((response) => response.answer == null).length;
    const head = ["Answer", "Responses", "Sum of scores", "Best score", "Graded", "Chosen by"];
    return make("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": "Votes" },
      make("table", {},
        make("caption", {}, make("span", {}, `Votes among the ${problem.responses.length} responses shown here, by the answer's text${silent ? `; ${silent} gave no answer` : ""}`)),
        make("thead", {}, make("tr", {}, ...head.map((text, i) => make("th", { scope: "col", class: i > 0 && i < 4 && "n" }, text)))),
        make("tbody", {}, ...rows)));
  };
  const response = (item) => {
    const steps = item.steps.map((step, i) =>
      make("li", { class: item.scores.length > 0 ? "step" : "" },
        item.scores.length > 0 && make("span", { class: `score ${bin(item.scores[i])}`, title: "PRM score of this step" }, number(item.scores[i])),
        make("span", { dir: "auto" }, step)));
    return make("article", { class: "response" },
      make("h4", {},
        make("span", {}, `Response ${item.sample}`),
        make("span", { class: item.correct ? "right" : "wrong" }, item.correct ? "✓ right" : "✗ wrong"),
        make("span", {}, item.answer == null ? "no answer" : `answer ${item.answer}`),
        item.why ? make("small", {}, item.why) : "",
        ends[item.finish] ? make("span", { class: "wrong" }, ends[item.finish]) : ""),
      make("ol", {}, ...steps));
  };
  const tree = (problem) => {
    // Each node: [tree, node, parent, depth, text, score, kept, finish]; leaves get rows, parents the mean of theirs.
    const children = new Map();
    const id = (t, n) => `${t}/${n}`;
    for (const node of problem.nodes) {
      const key = node[2] < 0 ? `root/${node[0]}` : id(node[0], node[2]);
      children.set(key, [...(children.get(key) ?? []), node]);
    }
    const place = new Map();
    let row = 0;
    const visit = (node) => {
      const below = children.get(id(node[0], node[1])) ?? [];
      const ys = below.map(visit);
      const y = ys.length ? ys.reduce((a, b) => a + b, 0) / ys.length : row++;
      place.set(id(node[0], node[1]), y);
      return y;
    };
    const [dx, dy, w, h, top] = [92, 24, 44, 18, 26];
    const told = make("p", { class: "told", "aria-live": "polite" }, "Choose a node to read its step. Bold frames were kept, dashed ones were dropped.");
    const lines = draw("g");
    const marks = draw("g");
    for (const t of [...new Set(problem.nodes.map((node) => node[0]))]) {
      (children.get(`root/${t}`) ?? []).forEach(visit);
      row += 0.6;
    }
    const x = (depth) => 8 + (depth - 1) * dx;
    const y = (key) => top + place.get(key) * dy;
    let deepest = 1;
    for (const [t, n, parent, depth, text, score, kept, finish] of problem.nodes) {
      const key = id(t, n);
      if (!place.has(key)) continue;
      deepest = Math.max(deepest, depth);
      if (parent >= 0 && place.has(id(t, parent))) {
        const [x0, y0, x1, y1] = [x(depth - 1) + w, y(id(t, parent)) + h / 2, x(depth), y(key) + h / 2];
        lines.append(draw("path", { d: `M${x0} ${y0}C${x0 + 24} ${y0} ${x1 - 24} ${y1} ${x1} ${y1}`, class: kept ? "kept-line" : "" }));
      }
      const state = `${kept ? "kept" : "dropped"}${finish === "open" ? "" : `, ended (${finish})`}`;
      const name = `tree ${t}, step ${depth}, score ${number(score)}, ${state}`;
      const node = draw("g", { tabindex: "0", role: "button", class: kept ? "kept" : "", "aria-label": name },
        draw("rect", { x: x(depth), y: y(key), width: w, height: h, rx: finish === "open" ? 3 : 9, class: bin(score) }),
        draw("text", { x: x(depth) + w / 2, y: y(key) + 13, class: score == null ? "sx-text" : "" }, number(score)));
      const tell = () => told.replaceChildren(make("b", {}, name + ": "), make("span", { dir: "auto" }, text));
      node.addEventListener("click", tell);
      node.addEventListener("focus", tell);
      node.addEventListener("keydown", (event) => {
        if (event.key === "Enter" || event.key === " ") { event.preventDefault(); tell(); }
      });
      marks.append(node);
    }
    const [width, height] = [x(deepest) + w + 12, top + row * dy + 8];
    const svg = draw("svg", { width, height, viewBox: `0 0 ${width} ${height}`, role: "group", "aria-label": "Search tree" });
    for (let depth = 1; depth <= deepest; depth++) svg.append(draw("text", { x: x(depth), y: 14, class: "label" }, `step ${depth}`));
    svg.append(lines, marks);
    return make("div", { class: "tree" }, make("h3", { class: "sub" }, "Search tree"), make("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": "Search tree" }, svg), told);
  };
  const key = () => make("p", { class: "key" }, "PRM score of a step: ",
    ...["0 – 0.2 likely wrong", "0.2 – 0.4", "0.4 – 0.6 undecided", "0.6 – 0.8", "0.8 – 1 likely right"].map((text, i) => make("span", { class: `score s${i}` }, text)));
  let asked = 0;
  async function show() {
    const ask = ++asked;
    const group = matching(levels.length)[0];
    try {
      if (!cache.has(group.data)) cache.set(group.data, await unpack(document.getElementById(group.data)));
    } catch (error) {
      view.replaceChildren(make("p", {}, "This browser cannot unpack the samples (it has no DecompressionStream); a version from 2023 or later can."));
      return;
    }
    if (ask !== asked) return;
    const problem = cache.get(group.data).find((item) => item.id === picks.problem.value);
    const cards = problem.responses.map(response);
    const list = make("div", { class: "responses" }, ...cards.slice(0, 8));
    const more = cards.length > 8 && make("button", { type: "button", class: "do", click: () => { list.append(...cards.slice(8)); more.remove(); } }, `Show all ${cards.length} responses`);
    view.replaceChildren(
      make("p", { class: "problem", dir: "auto" }, problem.problem, "\n", make("b", {}, `Right answer: ${problem.gold}`)),
      ...(group.prm === "none" ? [] : [key()]),
      ...(problem.responses.length > 1 ? [tally(problem)] : []),
      ...(problem.nodes ? [tree(problem)] : []),
      make("h3", { class: "sub" }, problem.responses.length > 1 ? "Responses" : "Response"),
      list,
      ...(more ? [more] : []));
  }
  // Open where there is most to see: a searched tree, of the policy and the PRM that the page names.
  const wanted = { policy: app.dataset.policy, prm: app.dataset.prm, method: words.searches[0] };
  const fit = (group) => 4 * (words.searches.includes(group.method)) + Object.entries(wanted).filter(([name, value]) => group[name] === value).length;
  const first = groups.reduce((best, group) => (fit(group) > fit(best) ? group : best));
  refill(0);
  for (const [i, name] of levels.entries()) {
    picks[name].value = first[name];
    refill(i + 1);
  }
})();
