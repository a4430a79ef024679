"use strict";
// The board's page. Every string of a submission reaches the page through textContent or an attribute's setter, never as
// markup; charts are Vega-Lite specifications whose fields and expressions are this file's own.
(() => {
  const board = JSON.parse(document.getElementById("content").textContent);
  const main = document.getElementById("main");
  const live = document.getElementById("live");
  const FIGURE = Object.fromEntries(board.figures.map(([name], place) => [name, place]));
  const MOST = 6; // lines that can be followed in one chart
  const submissions = new Map();
  for (const track of board.tracks) for (const row of track.rows) submissions.set(row.name, { row, track });

  // A submission's name without the end that its track says already; whole where two would be alike.
  const shortNames = new Map();
  for (const track of board.tracks) {
    const said = new Set([track.stream, track.edition, track.strategy, track.budget].filter(Boolean));
    const cut = track.rows.map((row) => {
      const parts = row.name.split(".");
      while (parts.length > 1 && said.has(parts[parts.length - 1])) parts.pop();
      return parts.join(".");
    });
    const times = new Map();
    for (const name of cut) times.set(name, (times.get(name) || 0) + 1);
    track.rows.forEach((row, place) => shortNames.set(row, times.get(cut[place]) > 1 ? row.name : cut[place]));
  }
  const nameOf = (row) => shortNames.get(row);

  // --- elements and numbers

  function el(tag, attributes = {}, ...children) {
    const made = document.createElement(tag);
    for (const [name, value] of Object.entries(attributes)) {
      if (name.startsWith("on")) made.addEventListener(name.slice(2), value);
      else if (value === true) made.setAttribute(name, "");
      else if (value !== false && value !== null && value !== undefined) made.setAttribute(name, value);
    }
    made.append(...children.filter((child) => child !== null && child !== undefined));
    return made;
  }

  const hidden = (text) => el("span", { class: "sr" }, text);

  // A box that scrolls within its frame, and a shade at each edge that it goes on beyond.
  function scrolling(attributes, ...children) {
    const box = el("div", { tabindex: "0", role: "region", ...attributes }, ...children);
    const frame = el("div", { class: "scroller" }, box);
    const tell = () => {
      frame.toggleAttribute("data-before", box.scrollLeft > 1);
      frame.toggleAttribute("data-after", box.scrollLeft + box.clientWidth < box.scrollWidth - 1);
      frame.toggleAttribute("data-below", box.scrollTop + box.clientHeight < box.scrollHeight - 1);
    };
    box.addEventListener("scroll", tell, { passive: true });
    const watch = new ResizeObserver(tell);
    watch.observe(box);
    for (const child of box.children) watch.observe(child);
    return { frame, box };
  }

  // A score comes cut off to 1/10,000, so that this is its only rounding: figures/format.py's, halves away from 0.
  function percent(value) {
    const tenths = Math.floor((Math.abs(value) + 5) / 10);
    return `${value < 0 && tenths ? "\u2212" : ""}${Math.floor(tenths / 10)}.${tenths % 10}`;
  }

  function short(value) {
    for (const [unit, size] of [["T", 1e12], ["G", 1e9], ["M", 1e6], ["k", 1e3]]) {
      if (value >= 0.9995 * size) {
        const scaled = value / size;
        const digits = scaled < 9.995 ? 2 : scaled < 99.95 ? 1 : 0;
        return (Math.round(scaled * 10 ** digits + 1e-9) / 10 ** digits).toFixed(digits) + unit;
      }
    }
    return Number.isInteger(value) ? String(value) : value.toPrecision(3);
  }

  const dash = () => el("span", { class: "none" }, "\u2013", hidden("not defined"));

  function figure(found, several) {
    if (found === null) return [dash()];
    const [mean, half] = found;
    if (half !== undefined) return [percent(mean), el("span", { class: "pm" }, `\u00b1\u2009${percent(half)}`)];
    return [percent(mean), several ? el("span", { class: "pm" }) : null];
  }

  const told = (found) =>
    found === null ? "not defined" : percent(found[0]) + (found[1] === undefined ? "" : ` \u00b1 ${percent(found[1])}`);
  const lives = (row) => board.shared[row.life];

  // --- the table's columns

  const cost = { layers: 0, parameters: 1, bare: 2, flops: 3, length: 4, disk: 5, latency: 6, throughput: 7, peak: 8, seconds: 9 };

  function score(name, head, about) {
    const place = FIGURE[name];
    const [, title, better, meaning] = board.figures[place];
    return {
      head, title: `${title}: ${about || meaning}, in %; ${better} is better`, first: better === "lower" ? 1 : -1,
      value: (row) => (row.figures[place] === null ? null : row.figures[place][0]),
      fill: (row, several) => figure(row.figures[place], several),
      floor: (track) => (track.majority_figures[place] === null ? null : percent(track.majority_figures[place])),
    };
  }

  function number(head, title, place, first = 1, show = short) {
    return {
      head, title, first, value: (row) => row.cost[place],
      fill: (row) => (row.cost[place] === null ? [dash()] : [show(row.cost[place])]), floor: () => null,
    };
  }

  const ranks = (row) => (row.rank === null ? "\u2013" : row.rank === row.last ? String(row.rank) : `${row.rank}\u2013${row.last}`);
  const milliseconds = (value) => (value < 100 ? value.toPrecision(3) : value.toFixed(0));
  const COLUMNS = [
    {
      head: "rank", title: "the best and the worst that the tests allow: behind those that are better by a significant difference in lifetime accuracy, ahead of those that are worse (p < 0.05 over examples and seeds)", first: 1,
      value: (row) => row.rank, floor: () => null,
      fill: (row) => [ranks(row)],
    },
    { head: "submission", title: "name, model and author", first: 1, name: true, value: (row) => row.name },
    {
      head: "level", title: `how far it was checked, ${board.levels.map(([name]) => name).join(", ")}: ${board.levels.map(([name, meaning]) => `${name}, ${meaning}`).join("; ")}`, first: -1,
      value: (row) => row.level, fill: (row) => [el("span", { class: `level level-${row.level}`, title: board.levels[row.level][1] + (row.reruns ? `; ${row.reruns} of ${row.orders ? row.count * row.orders.lives.length : row.count} runs carried out again` : "") }, board.levels[row.level][0]), row.refuted ? el("span", { class: "warned", title: "a run that was carried out again was another than its record says" }, el("span", { "aria-hidden": "true" }, " \u2717"), hidden(" refuted")) : null], floor: () => null,
    },
    score("lifetime_accuracy", "lifetime"),
    score("lifetime_balanced_accuracy", "balanced", "lifetime accuracy of mean recall, where naming the majority class gets no credit"),
    score("final_accuracy", "final"),
    score("forgetting", "forgetting"),
    score("backward_transfer", "BWT"),
    score("out_domain_accuracy", "out-dom."),
    {
      head: "fresh", title: "lifetime accuracy of the submission's own model, made again, on test examples drawn after it, in %; \u2717: farther from the claimed one than seeds and examples explain", first: -1,
      value: (row) => (row.fresh === null ? null : row.fresh[0]),
      fill: (row) => (row.fresh === null ? [dash()] : [percent(row.fresh[0]), row.fresh[1] ? null : el("span", { class: "warned" }, el("span", { "aria-hidden": "true" }, " \u2717"), hidden(" a gap that neither seeds nor pairs explain"))]),
      floor: () => null,
    },
    {
      head: "orders", when: (track) => track.rows.some((row) => row.orders), title: "lifetime accuracy in %: the mean over so many orders of the stream's domains, \u00b1 the standard deviation over them; all else is of the order of the stream's file", first: -1,
      value: (row) => (row.orders ? row.orders.over[0] : null),
      fill: (row) => (row.orders ? [`${percent(row.orders.over[0])} \u00b1 ${percent(row.orders.over[2])} (${row.orders.lives.length})`] : [dash()]),
      floor: () => null,
    },
    number("layers", "transformer layers", cost.layers, 1, String),
    number("params", "parameters, embeddings included", cost.parameters),
    number("FLOPs", "FLOPs of a forward pass over one example", cost.flops),
    { head: "seeds", title: "runs with different seeds", first: -1, value: (row) => row.count, fill: (row) => [String(row.count)], floor: () => null },
  ];

  // --- a track

  const picks = new Map(); // track -> Map(row -> colour number)

  function picked(track) {
    if (!picks.has(track)) picks.set(track, new Map(track.rows.slice(0, 3).map((row, place) => [row, place])));
    return picks.get(track);
  }

  function showTrack(track) {
    document.title = `${track.title} \u00b7 clbench leaderboard`;
    const columns = COLUMNS.filter((column) => !column.when || column.when(track));
    const several = track.rows.some((row) => row.count > 1);
    const chosen = picked(track);
    const redraw = { curves: () => {}, pareto: () => {} };

    const heads = columns.map((column) => {
      const button = el("button", { type: "button" }, el("abbr", { title: column.title }, column.head));
      const th = el("th", { scope: "col", class: column.name ? "name" : null, "aria-sort": "none" }, button);
      button.addEventListener("click", () => sort(column));
      return th;
    });
    const body = el("tbody");
    const lines = track.rows.map((row, order) => {
      const box = el("input", { type: "checkbox", "aria-label": `compare ${row.name}` });
      box.checked = chosen.has(row);
      const line = el("tr", { class: box.checked ? "picked" : null },
        el("td", { class: "pick" }, el("label", {}, box)),
        ...columns.map((column) => (column.name ? nameCell(row) : el("td", {}, ...column.fill(row, several)))));
      box.addEventListener("change", () => {
        if (box.checked && chosen.size >= MOST) {
          box.checked = false;
          say(`At most ${MOST} can be compared; take one away first.`);
          return;
        }
        if (box.checked) {
          const used = new Set(chosen.values());
          chosen.set(row, [...Array(MOST).keys()].find((colour) => !used.has(colour)));
        } else chosen.delete(row);
        line.classList.toggle("picked", box.checked);
        redraw.curves();
        redraw.pareto();
      });
      return { row, line, order, box, text: searchable(row) };
    });
    body.append(...lines.map((one) => one.line));

    const floor = el("tbody", { class: "floor" }, el("tr", {}, el("td", { class: "pick" }),
      ...columns.map((column) => column.name
        ? el("th", { scope: "row", class: "name" }, "majority class")
        : el("td", {}, ...(column.floor(track) === null ? [] : [column.floor(track), several ? el("span", { class: "pm" }) : null])))));

    let by = null;
    let direction = 1;
    function sort(column) {
      direction = by === column ? -direction : column.first;
      by = column;
      const place = columns.indexOf(column);
      const compare = (a, b) => {
        const x = column.value(a.row), y = column.value(b.row);
        if (x === null || y === null) return (x === null) - (y === null) || a.order - b.order;
        return (x < y ? -direction : x > y ? direction : 0) || a.order - b.order;
      };
      lines.sort(compare);
      body.append(...lines.map((one) => one.line));
      box.scrollTop = 0;
      for (const [number, th] of heads.entries()) {
        th.setAttribute("aria-sort", number !== place ? "none" : direction > 0 ? "ascending" : "descending");
      }
      for (const { line } of lines) {
        for (const cell of line.querySelectorAll(".sorted")) cell.classList.remove("sorted");
        if (!column.name) line.children[place + 1].classList.add("sorted");
      }
      say(`Sorted by ${column.title.split(":")[0].split(",")[0]}, ${direction > 0 ? "ascending" : "descending"}.`);
    }

    const search = el("input", { type: "search", placeholder: "name, model, author, backbone", autocomplete: "off", spellcheck: "false" });
    const depth = el("select", {}, el("option", { value: "" }, "any"),
      ...[...new Set(track.rows.map((row) => row.cost[cost.layers]))].sort((a, b) => a - b).map((n) => el("option", { value: n }, String(n))));
    const front = el("input", { type: "checkbox" });
    const division = el("select", {}, el("option", { value: "" }, "both"), ...board.divisions.map(([name, meaning]) => el("option", { value: name, title: meaning }, name)));
    const count = el("span", { class: "count" });
    function filter(announce) {
      const words = search.value.toLowerCase().split(/\s+/).filter(Boolean);
      let shown = 0;
      for (const { row, line, text } of lines) {
        const fits = words.every((word) => text.includes(word)) && (!front.checked || row.front)
          && (!division.value || row.division === division.value) && (!depth.value || row.cost[cost.layers] === Number(depth.value));
        line.hidden = !fits;
        shown += fits;
      }
      count.textContent = `${shown} of ${lines.length} submission${lines.length === 1 ? "" : "s"}`;
      if (announce) say(`${count.textContent} shown.`);
    }
    for (const [control, event] of [[search, "input"], [depth, "change"], [division, "change"], [front, "change"]]) {
      control.addEventListener(event, () => filter(true));
    }
    filter(false);

    const domains = track.domains.map((name, d) => (track.evaluation_only[d] ? `${name} (evaluation only)` : name)).join(", ");
    const level = track.majority_figures[FIGURE.lifetime_accuracy];
    const caption = `${track.title}: submissions, the highest lifetime accuracy first`;
    const table = el("table", {}, el("caption", { class: "sr" }, caption),
      el("thead", {}, el("tr", {}, el("th", { scope: "col", class: "pick" }, el("span", {}, el("abbr", { title: "compare: lay its curve over the others' below" }, "plot"))), ...heads)),
      floor, body);
    const { frame, box } = scrolling({ class: "box board", "aria-label": caption }, table);
    main.replaceChildren(
      heading([track.stream, track.edition, track.strategy, track.budget].filter(Boolean).join(" \u00b7 "), track.title),
      el("p", { class: "note" }, `Domains: ${domains}. Accuracies in %, mean over seeds \u00b1 half of a 95% interval. `
        + `Naming the majority class gets ${percent(level)} over a lifetime. A rank like 2\u20134 is the best and the worst that the tests allow (p < 0.05 over examples and seeds). \u25c6: on the Pareto front, references included. \u26a0: its records warn of something; its page says of what. \u2691: marked for a look. \u2717: farther from its accuracy on fresh test pairs than seeds and examples explain.`),
      el("div", { class: "controls", role: "search" },
        el("label", {}, "Filter ", search), el("label", {}, "Layers ", depth), el("label", {}, "Division ", division), el("label", {}, front, " Pareto front only"), count),
      frame,
      el("div", { class: "pair" }, paretoPanel(track, chosen, redraw), curvesPanel(track, chosen, redraw, lines)),
    );
  }

  function nameCell(row) {
    const link = el("a", { href: address(row), title: nameOf(row) === row.name ? null : row.name }, nameOf(row));
    const [model] = board.shared[row.recipe];
    return el("th", { scope: "row", class: "name" }, link,
      row.front ? el("span", { class: "front", title: "on the Pareto front" }, el("span", { "aria-hidden": "true" }, "\u25c6"), hidden(" on the Pareto front")) : null,
      row.warnings.length ? el("span", { class: "warned", title: row.warnings.map((place) => board.shared[place]).join("\n") },
        el("span", { "aria-hidden": "true" }, "\u26a0"), hidden(` ${row.warnings.length} warning${row.warnings.length === 1 ? "" : "s"}`)) : null,
      row.marks.length ? el("span", { class: "warned", title: row.marks.join("\n") }, el("span", { "aria-hidden": "true" }, "\u2691"), hidden(" marked for a look")) : null,
      el("small", {}, model === nameOf(row) ? row.author : `${model} \u00b7 ${row.author}`));
  }

  const searchable = (row) => [row.name, row.author, board.shared[row.recipe][0], board.shared[row.backbone][0]].join(" ").toLowerCase();
  const address = (row) => `#/submission/${encodeURIComponent(row.name)}`;

  // --- charts

  let library = null;

  function embed(place, spec, description) {
    if (library === null) {
      // Parsing takes a moment, which the table should not wait for.
      new Function(document.getElementById("library").textContent)();
      library = window.vegaEmbed;
    }
    const number = (place.drawn = (place.drawn || 0) + 1);
    const ink = colour("--ink"), quiet = colour("--quiet"), line = colour("--line");
    const config = {
      background: null, font: getComputedStyle(document.body).fontFamily, view: { stroke: null },
      axis: { labelColor: quiet, titleColor: quiet, gridColor: line, domainColor: line, tickColor: line, titleFontWeight: 400, labelFontSize: 12, titleFontSize: 12, titlePadding: 8 },
      legend: { labelColor: ink, titleColor: quiet, labelFontSize: 12, titleFontSize: 12, titleFontWeight: 400, labelLimit: 220 },
      text: { color: quiet },
    };
    const inner = el("div", { role: "img", "aria-label": description });
    const whole = { $schema: "https://vega.github.io/schema/vega-lite/v6.json", width: "container", height: 300, autosize: { type: "fit", contains: "padding" }, ...spec };
    place.replaceChildren(inner);
    return library(inner, whole, {
      renderer: "svg", config, tooltip: { theme: "custom" },
      actions: { export: true, source: false, compiled: false, editor: false }, downloadFileName: "clbench",
    }).then((result) => {
      if (place.drawn !== number) result.finalize();
      else {
        place.view = result.view;
        place.dataset.state = "drawn";
      }
      return result;
    });
  }

  function colour(variable) {
    const probe = el("span", { hidden: true });
    probe.style.color = `var(${variable})`;
    document.body.append(probe);
    const found = getComputedStyle(probe).color;
    probe.remove();
    return found;
  }

  let waiting = [];

  // Draw once the place is near the window, and again whenever the theme changes.
  function whenSeen(place, draw) {
    let seen = false;
    const watch = new IntersectionObserver((entries) => {
      if (!entries.some((entry) => entry.isIntersecting)) return;
      watch.disconnect();
      seen = true;
      draw();
    }, { rootMargin: "200px" });
    watch.observe(place);
    const again = () => { if (seen) draw(); };
    waiting.push(again);
    return again;
  }

  const DASHES = [[1, 0], [6, 3], [2, 2], [8, 3, 2, 3], [1, 0], [6, 3], [2, 2], [8, 3, 2, 3]];
  const palette = () => [...Array(MOST).keys()].map((number) => colour(`--s${number}`));

  function paretoPanel(track, chosen, redraw) {
    const place = el("div", { class: "chart" });
    const axis = el("select", {}, el("option", { value: "1" }, "parameters"), el("option", { value: "3" }, "FLOPs an example"), el("option", { value: "5" }, "bytes on disk"));
    const lifetime = FIGURE.lifetime_accuracy;
    const draw = () => {
      const key = Number(axis.value);
      const colours = palette();
      // References without an encoder are levels to be above, and no points among the encoders.
      const levels = track.rows.filter((row) => row.cost[cost.layers] === 0 && row.figures[lifetime])
        .map((row) => ({ y: row.figures[lifetime][0] / 100, model: board.shared[row.recipe][0] }));
      const values = track.rows.filter((row) => row.cost[cost.layers] > 0 && row.cost[key] > 0 && row.figures[lifetime]).map((row) => ({
        name: row.name, label: nameOf(row), model: board.shared[row.recipe][0], x: row.cost[key], size: short(row.cost[key]),
        y: row.figures[lifetime][0] / 100, shown: told(row.figures[lifetime]), rank: ranks(row),
        ...band(row.figures[lifetime][0], row.figures[lifetime][1]),
        colour: chosen.has(row) ? colours[chosen.get(row)] : null,
      }));
      if (!values.length) {
        place.dataset.state = "empty";
        place.replaceChildren(el("p", { class: "note" }, "No submission here tells this size."));
        return;
      }
      const sizes = values.map((one) => one.x);
      // The front of what is drawn: from small to large, each better than all before it.
      let best = -Infinity;
      const front = new Set();
      for (const one of [...values].sort((a, b) => a.x - b.x || b.y - a.y)) {
        if (one.y > best) { best = one.y; front.add(one); }
      }
      if (key === cost.parameters) { // as in the table: there nothing is rounded, and equals stand side by side
        front.clear();
        for (const one of values) if (submissions.get(one.name).row.front) front.add(one);
      }
      const accent = colour("--accent"), quiet = colour("--strong-line");
      for (const one of values) {
        one.front = front.has(one) ? "front" : "others";
        one.paint = one.colour || (front.has(one) ? accent : quiet);
      }
      const steps = [...front].sort((a, b) => a.x - b.x);
      const majority = track.majority_figures[lifetime] / 100;
      const lowest = Math.min(majority, ...values.map((one) => one.low), ...levels.map((one) => one.y));
      const highest = Math.max(...values.map((one) => one.high), ...levels.map((one) => one.y));
      const y = { field: "y", type: "quantitative", title: "lifetime accuracy, %", scale: { domain: [Math.max(0, Math.floor(lowest - 1)), Math.min(100, Math.ceil(highest + 1))], nice: false, zero: false } };
      const x = { field: "x", type: "quantitative", title: axis.selectedOptions[0].textContent + " (log)", scale: { type: "log", domain: [Math.min(...sizes) / 1.02, Math.max(...sizes) * 1.02], nice: false, padding: 12 }, axis: { format: ".3~s", tickCount: 6, grid: false, labelOverlap: "greedy" } };
      const tooltip = [["label", "submission"], ["model", "model"], ["shown", "lifetime accuracy"], ["size", axis.selectedOptions[0].textContent], ["rank", "rank"]].map(([field, title]) => ({ field, title, type: "nominal" }));
      embed(place, {
        layer: [
          { data: { values: [{ y: majority }] }, mark: { type: "rule", strokeDash: [2, 3], color: quiet, aria: false }, encoding: { y } },
          { data: { values: [{ y: majority }] }, mark: { type: "text", align: "right", baseline: "bottom", dx: -2, dy: -3, fontSize: 11, text: "majority class", aria: false }, encoding: { y, x: { value: "width" } } },
          { data: { values: levels }, mark: { type: "rule", strokeDash: [6, 4], color: quiet, aria: false }, encoding: { y } },
          { data: { values: levels }, mark: { type: "text", align: "left", baseline: "bottom", dx: 4, dy: -3, fontSize: 11, limit: 200, aria: false }, encoding: { y, x: { value: 0 }, text: { field: "model", type: "nominal" } } },
          { data: { values: steps }, mark: { type: "line", interpolate: "step-after", strokeWidth: 1.5, color: accent, opacity: 0.7, aria: false }, encoding: { x, y } },
          { data: { values }, transform: [{ filter: "datum.colour !== null" }], mark: { type: "rule", strokeWidth: 1.5, aria: false }, encoding: { x, y: { ...y, field: "low" }, y2: { field: "high" }, color: { field: "colour", type: "nominal", scale: null } } },
          { data: { values }, mark: { type: "point", filled: true, strokeWidth: 1.2, cursor: "pointer", aria: false },
            encoding: {
              x, y, tooltip,
              shape: { field: "front", type: "nominal", scale: { domain: ["front", "others"], range: ["diamond", "circle"] }, legend: null },
              size: { condition: { test: "datum.colour !== null || datum.front === 'front'", value: 110 }, value: 45 },
              color: { field: "paint", type: "nominal", scale: null },
              opacity: { condition: { test: "datum.colour !== null || datum.front === 'front'", value: 1 }, value: 0.65 },
            } },
        ],
      }, `Lifetime accuracy against ${axis.selectedOptions[0].textContent} of ${values.length} submissions; on the front: ${steps.map((one) => `${one.label} ${one.shown}`).join(", ")}. The table holds the same numbers.`)
        .then((result) => result.view.addEventListener("click", (_, item) => {
          if (item && item.datum && submissions.has(item.datum.name)) location.hash = address(submissions.get(item.datum.name).row);
        }));
    };
    redraw.pareto = whenSeen(place, draw);
    axis.addEventListener("change", redraw.pareto);
    return el("section", { class: "panel", "aria-labelledby": "pareto" }, el("h2", { id: "pareto" }, "Accuracy against size"),
      el("div", { class: "controls" }, el("label", {}, "Size ", axis)), place,
      el("p", { class: "note" }, "\u25c6 and the stepped line: the Pareto front of what is drawn. Coloured: compared at the side. A click opens the submission."));
  }

  function curvesPanel(track, chosen, redraw, lines) {
    const place = el("div", { class: "chart" });
    const list = el("ul", { class: "picked-list" });
    const kind = scoreSelect();
    const what = el("select", {}, el("option", { value: "-1" }, "mean over domains met"), ...track.domains.map((name, d) => el("option", { value: d }, name)));
    const clear = el("button", { type: "button" }, "Clear");
    const draw = () => {
      const domain = Number(what.value);
      const balanced = kind.value === "balanced";
      const colours = palette();
      const names = [...chosen.keys()].map((row) => row.name);
      list.replaceChildren(...[...chosen].map(([row, number]) => {
        const swatch = el("span", { class: "swatch", "aria-hidden": "true" });
        swatch.style.setProperty("--c", `var(--s${number})`);
        if (DASHES[number].length > 1 && DASHES[number][1]) swatch.style.borderTopStyle = DASHES[number][0] < 3 ? "dotted" : "dashed";
        const link = el("a", { href: address(row), title: nameOf(row) === row.name ? null : row.name }, nameOf(row));
        return bringsForward(el("li", {}, swatch, link), place, row.name);
      }));
      if (!names.length) {
        place.drawn = (place.drawn || 0) + 1;
        place.dataset.state = "empty";
        place.replaceChildren(el("p", { class: "note" }, "Tick rows of the table to lay their curves over one another."));
        return;
      }
      const values = [...chosen.keys()].flatMap((row) => curve(row, track, kind.value, domain));
      const ticks = lives([...chosen.keys()][0])[0];
      const scale = { domain: names, range: [...chosen.values()].map((number) => colours[number]) };
      const dashes = { domain: names, range: [...chosen.values()].map((number) => DASHES[number]) };
      embed(place, lineChart(values, ticks, {
        color: { field: "line", type: "nominal", scale, legend: null },
        strokeDash: { field: "line", type: "nominal", scale: dashes, legend: null },
      }, "submission", floors(track, balanced, domain, [...chosen.keys()][0])), `${balanced ? "Balanced accuracy" : "Accuracy"} after each experience, ${what.selectedOptions[0].textContent}: ${[...chosen.keys()].map(nameOf).join(", ")}. Each submission's page holds the numbers.`);
    };
    redraw.curves = whenSeen(place, draw);
    kind.addEventListener("change", redraw.curves);
    what.addEventListener("change", redraw.curves);
    clear.addEventListener("click", () => {
      chosen.clear();
      for (const { line, box } of lines) { box.checked = false; line.classList.remove("picked"); }
      redraw.curves();
      redraw.pareto();
      say("Nothing is compared.");
    });
    return el("section", { class: "panel", "aria-labelledby": "curves" }, el("h2", { id: "curves" }, "Forgetting curves"),
      el("div", { class: "controls" }, el("label", {}, "Score ", kind), el("label", {}, "of ", what), clear), place, list,
      el("p", { class: "note" }, "Hollow points: the domain had not been trained on. Bands: 95% intervals over seeds."));
  }

  const scoreSelect = () => el("select", {}, el("option", { value: "accuracy" }, "accuracy"), el("option", { value: "balanced" }, "balanced accuracy"));

  // A point for each experience: a domain's score, or (-1) the mean over the domains met.
  function curve(row, track, kind, domain, line = row.name) {
    const [experiences, met] = lives(row);
    const [means, halves] = row[kind];
    const count = track.domains.length;
    return experiences.map((experience, t) => {
      const place = domain < 0 ? experiences.length * count + t : t * count + domain;
      const half = halves.length ? halves[place] : 0;
      return {
        line, label: line === row.name ? nameOf(row) : line, t, experience, y: means[place] / 100, ...band(means[place], half),
        shown: percent(means[place]) + (halves.length ? ` \u00b1 ${percent(half)}` : ""),
        met: domain < 0 || met[t][domain] ? "met" : "unmet", part: "after",
      };
    });
  }

  // An interval's ends as far as scores go: from 0 to 100.
  const band = (mean, half = 0) => ({ low: Math.max(0, mean - half) / 100, high: Math.min(10000, mean + half) / 100 });

  // The majority class's level after each experience: on a domain, or (-1) the mean over the domains met.
  function floors(track, balanced, domain, row) {
    const levels = track.majority[Number(balanced)];
    const found = lives(row)[1].map((known, t) => {
      const met = levels.filter((_, d) => (domain < 0 ? known[d] : d === domain));
      return { t, y: met.reduce((sum, level) => sum + level, 0) / met.length / 100 };
    });
    return found.length > 1 ? found : [...found, { ...found[0], t: 1 }];
  }

  // Pointing at an entry of the legend, or reaching it by keyboard, fades the other lines of its chart.
  function bringsForward(entry, place, line) {
    const light = (lit) => { if (place.view) place.view.signal("lit", lit).runAsync(); };
    for (const come of ["pointerenter", "focusin"]) entry.addEventListener(come, () => light([line]));
    for (const go of ["pointerleave", "focusout"]) entry.addEventListener(go, () => light([]));
    return entry;
  }

  function lineChart(values, ticks, own, title, floor) {
    const lowest = Math.min(...values.map((one) => one.low), ...floor.map((one) => one.y));
    const highest = Math.max(...values.map((one) => one.high), ...floor.map((one) => one.y));
    const y = { field: "y", type: "quantitative", title: "%", scale: { domain: [Math.max(0, Math.floor((lowest - 1) / 5) * 5), Math.min(100, Math.ceil((highest + 1) / 5) * 5)], nice: false, zero: false, clamp: true } };
    // A name must not become part of an expression: the labels come in as a value.
    const x = { field: "t", type: "quantitative", title: "after experience (the first is inception)", scale: { domain: [0, Math.max(1, ticks.length - 1)], nice: false, padding: 12 }, axis: { values: ticks.map((_, t) => t), labelExpr: "ticks[datum.value]", labelAngle: 0, labelOverlap: true, labelLimit: 90, grid: true } };
    const tooltip = [["label", title], ["experience", "after"], ["shown", "%"]].map(([field, head]) => ({ field, title: head, type: "nominal" }));
    const aside = { condition: { test: "length(lit) && datum.line !== lit[0]", value: 0.15 }, value: 1 };
    return {
      params: [{ name: "ticks", value: ticks }, { name: "lit", value: [] }],
      layer: [
        { data: { values: floor.slice(1).map((one, place) => ({ ...floor[place], t2: one.t, y2: one.y })) }, mark: { type: "rule", strokeDash: [5, 4], color: colour("--strong-line"), aria: false }, encoding: { x, y, x2: { field: "t2" }, y2: { field: "y2" } } },
        { data: { values: floor.slice(-1) }, mark: { type: "text", align: "right", baseline: "bottom", dx: -2, dy: -3, fontSize: 11, text: "majority class", aria: false }, encoding: { y, x: { value: "width" } } },
        // An area through one point is nothing to see: then a bar.
        { data: { values }, transform: [{ filter: "datum.high > datum.low && (length(lit) ? datum.line === lit[0] : !datum.faded)" }], mark: { type: ticks.length > 1 ? "area" : "rule", ...(ticks.length > 1 ? {} : { strokeWidth: 6 }), opacity: ticks.length > 1 ? 0.12 : 0.3, aria: false }, encoding: { x, y: { ...y, field: "low" }, y2: { field: "high" }, color: own.color, detail: [{ field: "line", type: "nominal" }, { field: "part", type: "nominal" }] } },
        { data: { values }, mark: { type: "line", strokeWidth: 2, aria: false }, encoding: { x, y, detail: { field: "part", type: "nominal" }, opacity: aside, ...own } },
        { data: { values }, transform: [{ filter: "datum.met === 'met' && (!datum.faded || datum.line === lit[0])" }], mark: { type: "point", filled: true, size: 55, aria: false }, encoding: { x, y, color: own.color, opacity: aside, tooltip } },
        { data: { values }, transform: [{ filter: "datum.met === 'unmet' && (!datum.faded || datum.line === lit[0])" }], mark: { type: "point", filled: true, fill: colour("--page"), strokeWidth: 1.6, size: 55, aria: false }, encoding: { x, y, stroke: own.color, opacity: aside, tooltip } },
      ],
    };
  }

  // --- a submission

  function showSubmission({ row, track }) {
    document.title = `${row.name} \u00b7 clbench leaderboard`;
    const [model, title, citation, steps] = board.shared[row.recipe];
    const [backbone, kind, id, licence, seen] = board.shared[row.backbone];
    const versions = board.shared[row.versions];
    const c = row.cost;
    const bytes = (n) => `${short(n)}B`;
    const card = [
      ["author", row.author],
      ["link", row.link && /^https?:\/\//.test(row.link) ? el("a", { href: row.link, rel: "noopener noreferrer nofollow" }, row.link) : null],
      ["licence", row.licence],
      ["track", el("a", { href: trackAddress(track) }, track.title)],
      ["rank", row.rank === null ? "none: it has one seed" : `${ranks(row)} of ${track.rows.filter((one) => one.rank !== null).length}${row.front ? ", on the Pareto front" : ""}`],
      ["level", `${board.levels[row.level][0]}: ${board.levels[row.level][1]}${row.reruns ? ` (${row.reruns} of ${row.count} seeds)` : ""}`],
      ["division", `${row.division}: ${board.divisions.find(([name]) => name === row.division)[1]}`],
      ["recipe", title ? `${model}: ${title}` : model],
      ["source", citation],
      ["steps", steps.join(", then ")],
      ["backbone", [backbone, [kind, id !== backbone ? id : "", licence, seen].filter(Boolean).join(", ")].filter(Boolean).join(" \u2013 ")],
      ["seeds", row.seeds],
      ["size", `${c[cost.layers]} layers, ${short(c[cost.parameters])} parameters (${short(c[cost.bare])} without embeddings), ${bytes(c[cost.disk])} on disk`],
      ["cost of an example", `${short(c[cost.flops])} FLOPs at ${c[cost.length]} tokens${c[cost.latency] === null ? "" : `, ${milliseconds(c[cost.latency])} ms`}${c[cost.throughput] === null ? "" : `, ${short(c[cost.throughput])} pairs a second in batches`}`],
      ["cost of the runs", `${c[cost.seconds].toLocaleString("en")} s in all${c[cost.peak] === null ? "" : `, at most ${bytes(c[cost.peak])} of memory`}`],
      ["machine", row.machines.map((place) => board.shared[place]).join("; ")],
      ["versions", Object.entries(versions).map(([name, version]) => `${name} ${version}`).join(", ")],
    ].filter(([, value]) => value);

    const figures = el("table", { class: "plain" }, el("caption", { class: "sr" }, "All figures"),
      el("thead", {}, el("tr", {}, el("th", { scope: "col", class: "text" }, "figure"), el("th", { scope: "col" }, "%"), el("th", { scope: "col" }, "majority"), el("th", { scope: "col", class: "text" }, "better"), el("th", { scope: "col", class: "text" }, "meaning"))),
      el("tbody", {}, ...board.figures.map(([, name, better, meaning], place) => el("tr", {},
        el("th", { scope: "row" }, name), el("td", {}, ...figure(row.figures[place], row.count > 1)),
        el("td", { class: "quiet" }, track.majority_figures[place] === null ? "" : percent(track.majority_figures[place])),
        el("td", { class: "text quiet" }, better), el("td", { class: "text quiet" }, meaning)))));

    const kinds = scoreSelect();
    const { frame: heatFrame, box: heat } = scrolling({ class: "box bare", "aria-label": "Accuracy matrix" });
    const place = el("div", { class: "chart" });
    const legend = el("ul", { class: "picked-list" });
    const bright = new Map(track.domains.slice(0, MOST).map((_, d) => [d, d])); // domain -> colour number
    const toggle = (d) => {
      if (bright.has(d)) bright.delete(d);
      else if (bright.size < MOST) bright.set(d, [...Array(MOST).keys()].find((number) => ![...bright.values()].includes(number)));
      else return say(`At most ${MOST} are in colour; take one away first.`);
      drawCurve();
      legend.querySelectorAll("button")[d].focus();
    };
    const drawHeat = () => heat.replaceChildren(matrix(row, track, kinds.value));
    const drawCurve = () => {
      const values = track.domains.flatMap((name, d) => halvesOf(curve(row, track, kinds.value, d, name), lives(row)[1], d).map((one) => ({ ...one, faded: !bright.has(d) })))
        .concat(curve(row, track, kinds.value, -1, "mean over domains met").map((one) => ({ ...one, part: "mean" })));
      const lines = [...track.domains, "mean over domains met"];
      const colours = palette();
      const range = track.domains.map((_, d) => (bright.has(d) ? colours[bright.get(d)] : colour("--faded"))).concat(colour("--ink"));
      const many = track.domains.length > MOST;
      legend.replaceChildren(...lines.map((name, d) => {
        const swatch = el("span", { class: track.evaluation_only[d] ? "swatch hollow" : "swatch", "aria-hidden": "true" });
        swatch.style.setProperty("--c", range[d]);
        const text = track.evaluation_only[d] ? `${name} (evaluation only)` : name;
        // Of many domains a reader chooses which are in colour.
        const said = many && d < track.domains.length
          ? el("button", { type: "button", class: "plain-button", "aria-pressed": String(bright.has(d)), onclick: () => toggle(d) }, text)
          : text;
        return bringsForward(el("li", {}, swatch, said), place, name);
      }));
      const spec = lineChart(values, lives(row)[0], { color: { field: "line", type: "nominal", scale: { domain: lines, range }, legend: null } }, "domain", floors(track, kinds.value === "balanced", -1, row));
      spec.layer[3].encoding.strokeDash = { condition: { test: "datum.part === 'before'", value: [4, 3] }, value: [1, 0] };
      spec.layer[3].encoding.size = { condition: { test: "datum.part === 'mean'", value: 3.5 }, value: 1.8 };
      // Those in grey lie beneath those in colour.
      values.sort((a, b) => Boolean(b.faded) - Boolean(a.faded));
      spec.height = 340;
      embed(place, spec, `Accuracy on each domain after each experience; the matrix holds the same numbers.`);
    };
    const curveAgain = whenSeen(place, drawCurve);
    kinds.addEventListener("change", () => { drawHeat(); curveAgain(); });
    drawHeat();

    const runs = [command("Run it again", row.command), ...(row.orders ? row.orders.commands.map((line) => command("Run it again in another order", line)) : []), command("Check the submission, and run it again to compare", `clbench verify leaderboard/submissions/${row.name} --rerun`)];
    main.replaceChildren(
      el("p", { class: "back" }, el("a", { href: trackAddress(track) }, `\u2190 ${track.title}`)),
      heading(row.name),
      el("p", { class: "note" }, `Lifetime accuracy ${told(row.figures[FIGURE.lifetime_accuracy])} %, balanced ${told(row.figures[FIGURE.lifetime_balanced_accuracy])} %, forgetting ${told(row.figures[FIGURE.forgetting])} %, ${short(c[cost.parameters])} parameters.`),
      ...(row.warnings.length ? [el("section", { class: "panel", "aria-labelledby": "warnings" }, el("h2", { id: "warnings" }, "\u26a0 Warnings"),
        el("ul", {}, ...row.warnings.map((place) => el("li", {}, board.shared[place]))))] : []),
      ...(row.marks.length ? [el("section", { class: "panel", "aria-labelledby": "marks" }, el("h2", { id: "marks" }, "\u2691 Marked for a look"),
        el("p", { class: "note" }, "Outside the range in which the other submissions of the track lie; an honest one that is better than all before it is marked, too."),
        el("ul", {}, ...row.marks.map((sentence) => el("li", {}, sentence))))] : []),
      ...(row.measurements || []).map((one, number) => el("section", { class: "panel", "aria-labelledby": `measured-${number}` }, el("h2", { id: `measured-${number}` }, `Measured: ${one.where}`),
        el("p", { class: "note" }, `By the submitter, ${one.what}; ${bytes(one.disk)} on disk. ${one.versions}.`),
        scrolling({ class: "box bare", "aria-label": `Measured: ${one.where}` }, el("table", { class: "plain" },
          el("thead", {}, el("tr", {}, ...["threads", "p50 ms", "p95 ms", "p99 ms", "first ms", "model", "peak", "mJ an example"].map((head) => el("th", { scope: "col" }, head)))),
          el("tbody", {}, ...one.times.map(([threads, p50, p95, p99, first, model, peak, joules]) => el("tr", {}, el("th", { scope: "row" }, String(threads)),
            ...[...[p50, p95, p99, first].map(milliseconds), bytes(model), peak === null ? "\u2013" : bytes(peak), joules === null ? "\u2013" : (1000 * joules).toFixed(1)].map((cell) => el("td", {}, cell))))))).frame)),
      ...(row.orders ? [el("section", { class: "panel", "aria-labelledby": "orders" }, el("h2", { id: "orders" }, "Over the orders of the stream"),
        el("p", { class: "note" }, `Lifetime accuracy in the mean over ${row.orders.lives.length} orders ${told(row.orders.over.slice(0, 2))} % (95% interval over orders), standard deviation over orders ${percent(row.orders.over[2])}${row.orders.seeds_sd === null ? "" : `, over seeds within an order ${percent(row.orders.seeds_sd)}`}. All else on this page is of the first order, that of the stream's file.`),
        el("ul", {}, ...row.orders.lives.map(([order, figure]) => el("li", {}, `${order}: ${told(figure)} %`))))] : []),
      el("div", { class: "pair" },
        el("section", { class: "panel", "aria-labelledby": "matrix" }, el("h2", { id: "matrix" }, "Accuracy matrix"),
          el("div", { class: "controls" }, el("label", {}, "Score ", kinds)), heatFrame),
        el("section", { class: "panel", "aria-labelledby": "curve" }, el("h2", { id: "curve" }, "Forgetting curve"), place, legend,
          el("p", { class: "note" }, `Dashed and hollow: not trained on yet. Bands: 95% intervals over seeds. Majority class: its mean over the domains met.${track.domains.length > MOST ? " A click on a domain's name gives or takes its colour." : ""}`))),
      el("div", { class: "pair" },
        el("div", { class: "stack" },
          el("section", { class: "panel", "aria-labelledby": "card" }, el("h2", { id: "card" }, "Card"),
            el("dl", { class: "card" }, ...card.flatMap(([term, value]) => [el("dt", {}, term), el("dd", {}, value)]))),
          board.shared[row.checked].length ? el("section", { class: "panel", "aria-labelledby": "checked" }, el("h2", { id: "checked" }, "What was checked"),
            el("ul", {}, ...board.shared[row.checked].map((sentence) => el("li", {}, sentence)))) : null,
          el("section", { class: "panel", "aria-labelledby": "again" }, el("h2", { id: "again" }, "How to run it again"), ...runs,
            row.needs.length ? el("p", { class: "note" }, `It needs ${row.needs.join("; and ")}.`) : null)),
        el("section", { class: "panel", "aria-labelledby": "figures" }, el("h2", { id: "figures" }, "Figures"),
          scrolling({ class: "box bare", "aria-label": "All figures" }, figures).frame)),
    );
  }

  // A domain's line in two pieces: dashed before its training, solid from the point that its training began at.
  function halvesOf(points, met, d) {
    const first = met.findIndex((known) => known[d]);
    const learned = first < 0 ? points.length : Math.max(0, first - 1);
    const before = points.slice(0, learned + 1).map((one) => ({ ...one, part: "before" }));
    return first < 0 ? before : (learned > 0 ? before : []).concat(points.slice(learned).map((one) => ({ ...one, part: "after" })));
  }

  function matrix(row, track, kind) {
    const [experiences, met] = lives(row);
    const [means, halves] = row[kind];
    const count = track.domains.length;
    const cells = means.slice(0, experiences.length * count);
    const low = Math.min(...cells), high = Math.max(...cells);
    const label = kind === "balanced" ? "balanced accuracy" : "accuracy";
    const lines = experiences.map((experience, t) => el("tr", {}, el("th", { scope: "row" }, t === 0 ? `${experience} (inception)` : experience),
      ...track.domains.map((_, d) => {
        const value = cells[t * count + d];
        const learned = met[t][d] && !(t > 0 && met[t - 1][d]);
        const cell = el("td", { class: learned ? "learned" : met[t][d] ? null : "unmet" }, percent(value),
          halves.length ? el("small", {}, `\u00b1\u2009${percent(halves[t * count + d])}`) : null,
          met[t][d] ? (learned ? hidden(" just learned") : null) : hidden(" not trained on"));
        cell.style.setProperty("--v", high > low ? (value - low) / (high - low) : 0);
        return cell;
      })));
    const floor = el("tr", { class: "floor" }, el("th", { scope: "row" }, "majority class"), ...track.majority[Number(kind === "balanced")].map((value) => el("td", {}, percent(value))));
    const table = el("table", { class: "heat" }, el("caption", { class: "sr" }, `${label} in % on each domain's test examples (columns) after each experience (rows)`),
      el("thead", {}, el("tr", {}, el("th", { scope: "col" }, "after"), ...track.domains.map((name, d) => el("th", { scope: "col" }, name, track.evaluation_only[d] ? el("small", { class: "quiet" }, el("br"), "evaluation only") : null)))),
      el("tbody", {}, ...lines, floor));
    return el("div", {}, table, el("p", { class: "legend" },
      el("span", {}, percent(low), el("span", { class: "ramp" }), percent(high)), el("span", {}, el("b", {}, "bold"), ": just learned"), el("span", {}, el("i", {}, "italic, dashed"), ": not trained on by then")));
  }

  function command(title, text) {
    const button = el("button", { type: "button", "aria-label": `Copy: ${title}` }, "Copy");
    const pre = el("pre", {}, el("code", {}, ...text.split(" ").flatMap((word, place) => [place ? " " : null, el("span", {}, word)])));
    button.addEventListener("click", async () => {
      try {
        await navigator.clipboard.writeText(text);
        say("Copied.");
        button.textContent = "Copied";
        setTimeout(() => { button.textContent = "Copy"; }, 1500);
      } catch { // a page from a file may not be allowed to
        const range = document.createRange();
        range.selectNodeContents(pre);
        getSelection().removeAllRanges();
        getSelection().addRange(range);
        say("Selected; copy it with the keyboard.");
      }
    });
    return el("div", {}, el("p", { class: "note" }, title), el("div", { class: "command" }, pre, button));
  }

  // --- routes, theme

  const trackAddress = (track) => `#/track/${encodeURIComponent(track.title)}`;
  const heading = (text, title) => el("h1", { tabindex: "-1", title: title || null }, text);
  let telling = 0;

  function say(text) {
    // Emptied first, so that the same sentence is read twice.
    live.textContent = "";
    clearTimeout(telling);
    telling = setTimeout(() => { live.textContent = text; }, 60);
  }

  function navigation() {
    const groups = new Map();
    for (const track of board.tracks) {
      const key = `${track.stream} \u00b7 ${track.edition}`;
      if (!groups.has(key)) groups.set(key, []);
      groups.get(key).push(track);
    }
    document.getElementById("tracks").replaceChildren(...[...groups].map(([key, tracks]) => el("div", {}, el("b", {}, key),
      ...tracks.map((track) => {
        const link = el("a", { href: trackAddress(track), "aria-label": `${track.title}, ${track.rows.length} submission${track.rows.length === 1 ? "" : "s"}` },
          track.title.startsWith(`${track.stream}.${track.edition}.`) ? track.title.slice(track.stream.length + track.edition.length + 2) : track.title);
        link.track = track;
        return link;
      }))));
  }

  function decoded(text) {
    try { return decodeURIComponent(text); } catch { return text; }
  }

  function route(moved) {
    waiting = [];
    const [, kind, name] = /^#\/(track|submission)\/(.*)$/.exec(location.hash) || [];
    const wanted = decoded(name || "");
    let track = board.tracks[0];
    if (kind === "submission" && submissions.has(wanted)) {
      track = submissions.get(wanted).track;
      showSubmission(submissions.get(wanted));
    } else if (kind === "submission") {
      main.replaceChildren(heading("No such submission"), el("p", {}, `The board has no submission called ${wanted}.`));
      track = null;
    } else {
      track = board.tracks.find((one) => one.title === wanted) || track;
      showTrack(track);
    }
    for (const link of document.querySelectorAll("#tracks a")) {
      if (link.track === track) link.setAttribute("aria-current", kind === "submission" ? "true" : "page");
      else link.removeAttribute("aria-current");
    }
    if (moved) {
      window.scrollTo(0, 0);
      main.querySelector("h1").focus({ preventScroll: true });
    }
  }

  function remembered(value) {
    try { // a browser may refuse storage to a page from a file
      if (value === undefined) return localStorage.getItem("clbench-theme");
      localStorage.setItem("clbench-theme", value);
    } catch { /* then the choice lasts as long as the page */ }
    return null;
  }

  const theme = document.getElementById("theme");
  function dress() {
    if (theme.value === "auto") delete document.documentElement.dataset.theme;
    else document.documentElement.dataset.theme = theme.value;
    for (const again of waiting) again();
  }
  const kept = remembered();
  theme.value = ["light", "dark"].includes(kept) ? kept : "auto";
  theme.addEventListener("change", () => { remembered(theme.value); dress(); });
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", dress);
  document.getElementById("skip").addEventListener("click", (event) => {
    event.preventDefault(); // the address bar holds the route
    main.focus();
    main.scrollIntoView();
  });

  dress();
  navigation();
  route(false);
  addEventListener("hashchange", () => route(true));
})();
