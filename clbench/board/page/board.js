"use strict";
(() => {
  const data = JSON.parse(document.getElementById("data").textContent);
  const at = (id) => document.getElementById(id);
  const root = document.documentElement;
  const dark = matchMedia("(prefers-color-scheme: dark)");
  // What is being looked at: a track, how it is sorted, which rows are chosen for the curves.
  const seen = { track: 0, key: "rank", up: true, chosen: new Map() };

  // Strangers' strings become text nodes and nothing else.
  function make(tag, attributes, ...children) {
    const node = document.createElement(tag);
    for (const [name, value] of Object.entries(attributes || {})) {
      if (value === true) node.setAttribute(name, "");
      else if (value !== null && value !== undefined && value !== false) node.setAttribute(name, value);
    }
    node.append(...children.filter((child) => child !== null));
    return node;
  }

  const shared = (place) => data.shared[place];
  const percent = (value) => (value / 100).toFixed(1);
  const count = (value) => value.toLocaleString("en-US");
  function short(value) {
    for (const [size, unit] of [[1e12, "T"], [1e9, "G"], [1e6, "M"], [1e3, "k"]]) {
      if (value >= size) return `${(value / size).toFixed(1)} ${unit}`;
    }
    return String(value);
  }
  const half = (ends) => (ends.length > 1 ? (ends[2] - ends[0]) / 100 : null);
  const figure = (row, key) => row.figures[data.figures.findIndex((one) => one.key === key)];

  // Columns: key, head, what it is (for the title), the value to sort by, and the cell.
  const COLUMNS = [
    { key: "rank", head: "rank", title: "shared where not significantly different", value: (r) => r.rank,
      cell: (r) => make("td", { class: "rank" }, String(r.rank)), up: true },
    { key: "name", head: "submission", title: "name, model, author", value: (r) => r.name, cell: named, up: true },
    { key: "depth", head: "layers", title: "transformer layers", value: (r) => r.cost[0], cell: (r) => make("td", {}, String(r.cost[0])), up: true },
    { key: "parameters", head: "parameters", title: "all, embeddings included", value: (r) => r.cost[1], cell: (r) => make("td", { title: count(r.cost[1]) }, short(r.cost[1])), up: true },
    ...data.shown.map((key) => {
      const about = data.figures.find((one) => one.key === key);
      return {
        key, head: about.title.replace(" at inception", ""), title: `${about.meaning}; ${about.better} is better`, up: about.better === "lower",
        value: (r) => (figure(r, key) ? figure(r, key)[0] : null),
        cell: (r) => interval(figure(r, key)),
      };
    }),
    { key: "flops", head: "FLOPs a pair", title: "of a forward pass at the mean length", value: (r) => r.cost[3], cell: (r) => make("td", { title: `${count(r.cost[3])} at ${r.cost[4]} tokens` }, short(r.cost[3])), up: true },
    { key: "latency", head: "latency, ms", title: "at batch 1 on the submitter's machine", value: (r) => r.latency, cell: (r) => make("td", {}, r.latency === null ? "" : r.latency.toFixed(1)), up: true },
  ];

  function interval(ends) {
    if (!ends) return make("td", {}, "–");
    const width = half(ends);
    return make("td", {}, percent(ends[0]), " ", make("small", {}, width === null ? "" : `± ${width.toFixed(1)}`));
  }

  function named(row) {
    const box = make("input", { type: "checkbox", "aria-label": `curve of ${row.name}` });
    box.checked = chosen().has(row.name);
    box.addEventListener("change", () => {
      if (box.checked) chosen().add(row.name); else chosen().delete(row.name);
      drawCurves();
    });
    const link = make("a", { href: `#/submission/${row.name}` }, row.name);
    return make("th", { scope: "row" }, box, " ", link, make("br"), make("small", {}, `${row.model} · ${row.author}`));
  }

  const track = () => data.tracks[seen.track];
  function chosen() {
    const name = track().name;
    // To begin with, the best five and the references.
    if (!seen.chosen.has(name)) {
      const first = track().rows.filter((row, place) => place < 5 || row.cost[0] === 0).slice(0, 8);
      seen.chosen.set(name, new Set(first.map((row) => row.name)));
    }
    return seen.chosen.get(name);
  }

  function head() {
    const cells = COLUMNS.map((column) => {
      const button = make("button", { type: "button", title: column.title }, column.head);
      button.addEventListener("click", () => {
        seen.up = seen.key === column.key ? !seen.up : column.up;
        seen.key = column.key;
        sortHeads();
        body();
      });
      return make("th", { scope: "col", class: column.key === "name" ? "name" : null, "data-key": column.key }, button);
    });
    at("rows").tHead.replaceChildren(make("tr", {}, ...cells));
    sortHeads();
  }

  function sortHeads() {
    for (const cell of at("rows").tHead.rows[0].cells) {
      if (cell.dataset.key === seen.key) cell.setAttribute("aria-sort", seen.up ? "ascending" : "descending");
      else cell.removeAttribute("aria-sort");
    }
  }

  // "layers:6" asks for a depth; every other word has to be in name, model, author or backbone.
  function asked(row) {
    const words = at("filter").value.toLowerCase().split(/\s+/).filter(Boolean);
    const text = `${row.name} ${row.model} ${row.author} ${shared(row.backbone)[0]}`.toLowerCase();
    return words.every((word) => (/^layers:\d+$/.test(word) ? row.cost[0] === Number(word.slice(7)) : text.includes(word)));
  }

  function body() {
    const column = COLUMNS.find((one) => one.key === seen.key);
    const rows = track().rows.filter(asked);
    const direction = seen.up ? 1 : -1;
    rows.sort((one, other) => {
      const a = column.value(one), b = column.value(other);
      if (a === null || b === null) return (a === null) - (b === null); // what is not defined stands last, either way
      return a < b ? -direction : a > b ? direction : 0;
    });
    at("rows").tBodies[0].replaceChildren(...rows.map((row) => make("tr", {}, ...COLUMNS.map((one) => one.cell(row)))));
    at("count").textContent = `${rows.length} of ${track().rows.length} submissions`;
  }

  function board() {
    at("tracks").replaceChildren(...data.tracks.map((one, place) =>
      make("a", { href: `#/track/${encodeURIComponent(one.name)}`, "aria-current": place === seen.track ? "page" : null },
        `${one.stream} · ${one.edition} · ${one.strategy}`)));
    if (!data.tracks.length) {
      at("count").textContent = "no submission yet";
      return;
    }
    const one = track();
    at("rows").caption.textContent = `${one.stream}, ${one.edition} edition, ${one.strategy}; in %, ± half width of the 95% interval over seeds`;
    const floors = one.domains.map((name, d) => `${name}${one.only[d] ? " (evaluation only)" : ""} ${percent(one.majority[0][d])}`);
    at("floors").textContent = `Majority class, accuracy in %: ${floors.join(", ")}. Its balanced accuracy is 50 with two classes.`;
    const places = ["mean over the domains met", ...one.domains.map((name, d) => (one.only[d] ? `${name} (evaluation only)` : name))];
    at("place").replaceChildren(...places.map((name, number) => make("option", { value: number - 1 }, name)));
    head();
    body();
    drawPareto();
    drawCurves();
  }

  const measure = () => Number(document.querySelector("input[name=measure]:checked").value);
  const isDark = () => (root.dataset.theme || (dark.matches ? "dark" : "light")) === "dark";
  const palette = () => (isDark() ? data.dark : data.light);

  // The plotting library is half of this page: it is read when the first chart comes into sight.
  let library = null;
  function plotting() {
    if (!library) {
      library = new Promise((done) => {
        const script = document.createElement("script");
        script.textContent = at("library").textContent;
        document.head.append(script);
        done();
      });
    }
    return library;
  }
  const views = new Map();
  const waiting = new Map();
  const sight = new IntersectionObserver((entries) => {
    for (const entry of entries) {
      const draw = waiting.get(entry.target.id);
      if (entry.isIntersecting && draw) {
        waiting.delete(entry.target.id);
        draw();
      }
    }
  }, { rootMargin: "200px" });

  function chart(id, description, spec) {
    waiting.set(id, async () => {
      await plotting();
      const style = getComputedStyle(root);
      const ink = style.getPropertyValue("--dim").trim(), line = style.getPropertyValue("--line").trim();
      const axis = { labelColor: ink, titleColor: ink, gridColor: line, domainColor: line, tickColor: line, labelFontSize: 12, titleFontSize: 12, titleFontWeight: "normal" };
      const config = { font: "system-ui, sans-serif", view: { stroke: null }, axis, legend: { labelColor: ink, titleColor: ink, labelFontSize: 12, labelLimit: 260, symbolStrokeWidth: 2 } };
      const whole = { $schema: `https://vega.github.io/schema/vega-lite/v${data.vegaLite}.json`, width: "container", height: 320,
        autosize: { type: "fit-x", contains: "padding" }, background: "transparent", ...spec };
      if (views.has(id)) views.get(id).finalize();
      // ast: expressions are interpreted, so that the page needs no eval.
      const made = await vegaEmbed(at(id), whole, { renderer: "svg", actions: false, ast: true, config });
      views.set(id, made.view);
      // A picture with a name; the library calls every chart "Vega visualization".
      at(id).setAttribute("role", "img");
      at(id).setAttribute("aria-label", description);
      at(id).removeAttribute("aria-roledescription");
      at(id).dataset.drawn = String(Number(at(id).dataset.drawn || 0) + 1);
    });
    sight.unobserve(at(id));
    sight.observe(at(id));
  }

  function drawPareto() {
    const key = measure() ? "lifetime_balanced_accuracy" : "lifetime_accuracy";
    const values = track().rows.map((row) => {
      const ends = figure(row, key) || [0];
      const width = half(ends);
      return { name: row.name, model: row.model, layers: row.cost[0], parameters: row.cost[1], score: ends[0] / 100,
        low: (ends.length > 1 ? ends[1] : ends[0]) / 100, high: (ends.length > 1 ? ends[2] : ends[0]) / 100,
        text: percent(ends[0]) + (width === null ? "" : ` ± ${width.toFixed(1)}`), front: row.front, size: count(row.cost[1]) };
    });
    // The front that is stored is that of accuracy; of balanced accuracy it is found here by the same rule.
    const encoders = values.filter((one) => one.layers > 0);
    for (const one of encoders) {
      one.front = !encoders.some((other) => (other.parameters <= one.parameters && other.score > one.score) || (other.parameters < one.parameters && other.score >= one.score));
    }
    const colours = palette();
    const title = measure() ? "lifetime balanced accuracy, %" : "lifetime accuracy, %";
    const y = { field: "score", type: "quantitative", title, scale: { zero: false, nice: true } };
    const x = { field: "parameters", type: "quantitative", title: "parameters", scale: { zero: false, nice: true }, axis: { format: "~s", tickCount: 6 } };
    const tooltip = [["name", "submission"], ["model", "model"], ["layers", "layers"], ["size", "parameters"], ["text", title]].map(([field, name]) => ({ field, title: name, type: "nominal" }));
    const front = encoders.filter((one) => one.front).map((one) => one.name).join(", ");
    chart("pareto", `${title} against parameters of ${encoders.length} encoders; on the front: ${front}`, {
      data: { values },
      layer: [
        ...(encoders.length === values.length ? [] : [
        { transform: [{ filter: "datum.layers === 0" }], mark: { type: "rule", strokeDash: [4, 4], color: colours[2], opacity: .8 }, encoding: { y, tooltip } },
        { transform: [{ filter: "datum.layers === 0" }], mark: { type: "text", align: "left", dx: 4, dy: -6, color: colours[2], limit: 160 }, encoding: { x: { value: 0 }, y, text: { field: "model", type: "nominal" } } },
        ]),
        { transform: [{ filter: "datum.layers > 0 && datum.front" }], mark: { type: "line", interpolate: "step-after", color: colours[1], strokeWidth: 1.5 }, encoding: { x, y } },
        { transform: [{ filter: "datum.layers > 0" }], mark: { type: "rule", color: colours[0], opacity: .35 }, encoding: { x, y: { ...y, field: "low" }, y2: { field: "high" } } },
        { transform: [{ filter: "datum.layers > 0" }], mark: { type: "point", filled: true, size: 70, opacity: .95 },
          encoding: { x, y, tooltip, color: { condition: { test: "datum.front", value: colours[1] }, value: colours[0] } } },
        { transform: [{ filter: "datum.layers > 0 && datum.front" }], mark: { type: "text", align: "left", dx: 7, dy: 9, fontSize: 11, limit: 150, color: colours[1] }, encoding: { x, y, text: { field: "model", type: "nominal" } } },
      ],
    });
  }

  // A row's scores along its life at a place: a domain, or -1 for the mean over the domains met.
  function along(row, one, place, kind) {
    const wide = one.domains.length;
    return one.experiences.map((name, t) => {
      const scores = row.matrix[kind].slice(t * wide, (t + 1) * wide);
      const met = [...row.met.slice(t * wide, (t + 1) * wide)].map(Number);
      const known = scores.filter((_, d) => met[d]);
      const score = place < 0 ? known.reduce((sum, value) => sum + value, 0) / known.length : scores[place];
      const band = place < 0 && row.half[kind] ? row.half[kind][t] / 100 : null;
      return { t, experience: name, score: score / 100, low: band === null ? null : score / 100 - band, high: band === null ? null : score / 100 + band,
        met: place < 0 || Boolean(met[place]), text: percent(score) + (band === null ? "" : ` ± ${band.toFixed(1)}`) };
    });
  }

  function lines(values, names, one, title, legend) {
    const colours = names.map((_, place) => palette()[place % palette().length]);
    const dashes = names.map((_, place) => data.dashes[Math.floor(place / palette().length) % data.dashes.length]);
    const color = { field: "line", type: "nominal", sort: null, scale: { domain: names, range: colours }, legend: { title: legend, orient: "bottom", columns: 2, direction: "vertical", symbolOpacity: 1, symbolFillColor: null } };
    const x = { field: "t", type: "ordinal", scale: { padding: .3 }, axis: { title: "after experience", labelExpr: "names[datum.value]", labelAngle: 0, labelOverlap: true, labelLimit: 110 } };
    const y = { field: "score", type: "quantitative", title, scale: { zero: false, nice: true } };
    const tooltip = [["line", legend], ["experience", "after"], ["text", title], ["trained", "trained on by then"]].map(([field, name]) => ({ field, title: name, type: "nominal" }));
    return {
      params: [{ name: "names", value: one.experiences }],
      data: { values: values.map((value) => ({ ...value, trained: value.met ? "yes" : "no" })) },
      encoding: { x, color },
      layer: [
        ...(values.some((value) => value.low !== null)
          ? [{ transform: [{ filter: "isValid(datum.low)" }], mark: { type: "area", opacity: .12 }, encoding: { y: { ...y, field: "low" }, y2: { field: "high" } } }] : []),
        { mark: { type: "line", strokeWidth: 2 }, encoding: { y, strokeDash: { ...color, scale: { domain: names, range: dashes } } } },
        { mark: { type: "point", size: 45, opacity: 1 }, encoding: { y, fill: color, fillOpacity: { condition: { test: "datum.met", value: 1 }, value: 0 } } },
        { mark: { type: "point", size: 600, opacity: 0, filled: true }, encoding: { y, tooltip } },
      ],
    };
  }

  function drawCurves() {
    const place = Number(at("place").value);
    const rows = track().rows.filter((row) => chosen().has(row.name));
    const values = rows.flatMap((row) => along(row, track(), place, measure()).map((value) => ({ line: row.name, ...value })));
    const title = measure() ? "balanced accuracy, %" : "accuracy, %";
    at("curves").dataset.lines = String(rows.length);
    const names = rows.map((row) => row.name).join(", ");
    chart("curves", `${title} after each experience of ${rows.length} submissions: ${names}`, lines(values, rows.map((row) => row.name), track(), title, "submission"));
  }

  function submission(name) {
    const found = data.tracks.flatMap((one) => one.rows.map((row) => [one, row])).find(([, row]) => row.name === name);
    const page = at("submission");
    if (!found) {
      page.replaceChildren(make("h2", {}, "No such submission"), make("p", {}, make("a", { href: "#/" }, "Back to the board")));
      return;
    }
    const [one, row] = found;
    const [title, citation] = shared(row.recipe);
    const [backbone, digest] = shared(row.backbone);
    const [cpu, threads, version, versions] = shared(row.machine);
    const facts = [
      ["model", title ? `${row.model}: ${title}` : row.model],
      ["source", citation],
      ["author", row.author],
      ["page", row.link ? make("a", { href: row.link, rel: "noopener nofollow" }, row.link) : null],
      ["licence", shared(row.licence)],
      ["track", make("a", { href: `#/track/${encodeURIComponent(one.name)}` }, `${one.stream}, ${one.edition} edition, ${one.strategy}`)],
      ["rank", `${row.rank} of ${one.rows.length}`],
      ["backbone", `${backbone} (${digest})`],
      ["seeds", row.seeds.join(", ")],
      ["size", `${row.cost[0]} layers, ${count(row.cost[1])} parameters (${count(row.cost[2])} without embeddings), ${short(row.cost[3])}FLOPs a pair of ${row.cost[4]} tokens, ${(row.cost[5] / 1e6).toFixed(1)} MB`],
      ["speed", row.latency === null ? null : `${row.latency.toFixed(1)} ms at batch 1` + (row.throughput === null ? "" : `, ${count(Math.round(row.throughput))} pairs/s in batches`)],
      ["machine", `${cpu}${threads ? `, ${threads} thread${threads > 1 ? "s" : ""}` : ""}`],
      ["versions", `clbench ${version}; ${versions}`],
    ].filter(([, value]) => value);
    const figures = data.figures.map((about, place) => make("tr", {}, make("th", { scope: "row" }, about.title), interval(row.figures[place]),
      make("td", {}, about.better), make("td", { style: "text-align: left; white-space: normal" }, about.meaning)));
    const heats = make("div", {});
    const kinds = make("fieldset", {}, make("legend", {}, "Matrix of"));
    for (const [number, text] of ["accuracy", "balanced accuracy"].entries()) {
      const radio = make("input", { type: "radio", name: "heat", value: number });
      radio.checked = number === 0;
      radio.addEventListener("change", () => { heats.replaceChildren(heat(one, row, number)); ownCurves(one, row, number); });
      kinds.append(make("label", {}, radio, ` ${text}`));
    }
    heats.append(heat(one, row, 0));
    page.replaceChildren(
      make("p", {}, make("a", { href: `#/track/${encodeURIComponent(one.name)}` }, "← the board")),
      make("h2", { id: "submission-head", tabindex: -1 }, row.name),
      make("dl", {}, ...facts.flatMap(([term, value]) => [make("dt", {}, term), make("dd", {}, value)])),
      make("h2", {}, "What it knew, and when"), kinds, heats,
      make("figure", {}, make("div", { id: "own", class: "chart" })),
      make("h2", {}, "Figures"),
      make("div", { class: "wide", tabindex: 0, role: "region", "aria-label": "All figures" },
        make("table", {}, make("caption", {}, "in %, mean and half width of the 95% interval over seeds"),
          make("thead", {}, make("tr", {}, ...["figure", "%", "better", "meaning"].map((text) => make("th", { scope: "col", class: text === "%" || text === "better" ? null : "text" }, text)))),
          make("tbody", {}, ...figures))),
      make("h2", {}, "Run it again"),
      make("pre", { tabindex: 0, "aria-label": "commands" }, `${row.rerun}\nclbench verify leaderboard/submissions/${row.name} --rerun`),
    );
    ownCurves(one, row, 0);
  }

  function heat(one, row, kind) {
    const wide = one.domains.length;
    const all = row.matrix[kind];
    const low = Math.min(...all), high = Math.max(...all);
    const cell = (value, met) => {
      const share = high > low ? (value - low) / (high - low) : 1;
      const style = `background: rgba(var(--heat), ${(0.04 + 0.5 * share).toFixed(2)})`;
      return make("td", { class: met ? "heat" : "heat unmet", style, title: met ? null : "not trained on by then" }, percent(value));
    };
    const rows = one.experiences.map((name, t) => make("tr", {}, make("th", { scope: "row" }, t === 0 ? `${name} (inception)` : name),
      ...one.domains.map((_, d) => cell(all[t * wide + d], row.met[t * wide + d] === "1"))));
    const floor = make("tr", {}, make("th", { scope: "row" }, "majority class"), ...one.domains.map((_, d) => make("td", {}, percent(one.majority[kind][d]))));
    return make("div", { class: "wide", tabindex: 0, role: "region", "aria-label": "Accuracy matrix" },
      make("table", { id: "heat" }, make("caption", {}, `${kind ? "balanced accuracy" : "accuracy"} in % after each experience; ○ not trained on by then`),
        make("thead", {}, make("tr", {}, make("th", { scope: "col", class: "text" }, "after"), ...one.domains.map((name, d) => make("th", { scope: "col" }, one.only[d] ? `${name} (evaluation only)` : name)))),
        make("tbody", {}, ...rows, floor)));
  }

  function ownCurves(one, row, kind) {
    const values = one.domains.flatMap((name, d) => along(row, one, d, kind).map((value) => ({ line: name, ...value })));
    chart("own", "The matrix above as lines", lines(values, [...one.domains], one, kind ? "balanced accuracy, %" : "accuracy, %", "domain"));
  }

  function route() {
    const [, kind, name] = location.hash.split("/");
    let wanted = "";
    try { wanted = decodeURIComponent(name || ""); } catch { /* a broken address is no submission's */ }
    const single = kind === "submission";
    at("board").hidden = single;
    at("submission").hidden = !single;
    document.title = single ? `${wanted} · clbench leaderboard` : "clbench leaderboard";
    if (single) {
      submission(wanted);
      scrollTo(0, 0);
      const heading = at("submission-head");
      if (heading) heading.focus({ preventScroll: true });
      return;
    }
    const place = data.tracks.findIndex((one) => one.name === wanted);
    if (place >= 0) seen.track = place;
    board();
  }

  function stored(value) {
    try {
      if (value === undefined) return localStorage.getItem("clbench-theme");
      if (value) localStorage.setItem("clbench-theme", value); else localStorage.removeItem("clbench-theme");
    } catch { /* a page from a file may have no storage */ }
    return null;
  }
  const themes = ["", "light", "dark"];
  let theme = themes.includes(stored()) ? stored() : "";
  function paint() {
    root.dataset.theme = theme || (dark.matches ? "dark" : "light");
    palette().forEach((colour, place) => root.style.setProperty(`--c${place}`, colour));
    at("theme").textContent = `Theme: ${theme || "automatic"}`;
  }
  function repaint() { paint(); route(); }
  at("theme").addEventListener("click", () => { theme = themes[(themes.indexOf(theme) + 1) % 3]; stored(theme); repaint(); });
  dark.addEventListener("change", repaint);
  at("filter").addEventListener("input", body);
  at("place").addEventListener("change", drawCurves);
  for (const radio of document.querySelectorAll("input[name=measure]")) radio.addEventListener("change", () => { drawPareto(); drawCurves(); });
  at("meanings").replaceChildren(...data.figures.flatMap((about) => [make("dt", {}, about.title), make("dd", {}, `${about.meaning}; ${about.better} is better`)]));
  addEventListener("hashchange", route);
  paint();
  route();
})();
