"use strict";
(() => {
  const { spec, light, dark } = JSON.parse(document.getElementById("data").textContent);
  const darkness = matchMedia("(prefers-color-scheme: dark)");
  const controls = document.getElementById("controls");
  const place = document.getElementById("place");
  const boxes = [...document.querySelectorAll(".models input")];
  const choose = document.getElementById("choose");
  const others = document.getElementById("others");
  let view = null;

  // Around what is drawn, within 0 and 1 but for a marker's edge, and at least a tenth: as score_limits in scores.py.
  function limits(measure, at, hidden) {
    const drawn = [];
    for (const point of spec.data.values) {
      if (point.place !== at || hidden.includes(point.number)) continue;
      drawn.push(point[measure], point[measure + "_low"], point[measure + "_high"]);
    }
    for (const point of spec.layer[0].data.values) if (point.place === at) drawn.push(point[measure]);
    const known = drawn.filter((value) => typeof value === "number");
    const low = Math.min(...known), high = Math.max(...known);
    const free = Math.max(0.05 * (high - low), (0.1 - (high - low)) / 2);
    return [Math.max(low - free, -0.02), Math.min(high + free, 1.02)];
  }

  function show() {
    if (!view) return;
    const off = boxes.filter((box) => !box.checked).map((box) => Number(box.value));
    const measure = document.querySelector("input[name=measure]:checked").value;
    const hidden = others.checked ? [] : off;
    view.signal("measure", measure);
    view.signal("place", Number(place.value));
    view.signal("faded", off);
    view.signal("hidden", hidden);
    view.signal("limits", limits(measure, Number(place.value), hidden));
    view.runAsync();
  }

  function bringForward(number) {
    if (!view || view.signal("lit") === number) return;
    view.signal("lit", number);
    view.runAsync();
  }

  // A shade at the side where a table goes on.
  function cue(box) {
    const scroller = box.parentElement;
    const tell = () => {
      scroller.toggleAttribute("data-before", box.scrollLeft > 1);
      scroller.toggleAttribute("data-after", box.scrollLeft + box.clientWidth < box.scrollWidth - 1);
    };
    box.addEventListener("scroll", tell, { passive: true });
    new ResizeObserver(tell).observe(box);
  }

  // The specification holds numbers of colours; which colours these are depends on the background.
  function coloured(part, palette) {
    if (Array.isArray(part)) return part.map((one) => coloured(one, palette));
    if (part === null || typeof part !== "object") return part;
    const copy = {};
    for (const [key, value] of Object.entries(part)) {
      const colours = (key === "color" || key === "fill") && value && value.scale;
      copy[key] = colours
        ? { ...value, scale: { ...value.scale, range: value.scale.range.map((number) => palette[number]) } }
        : key === "data" ? value : coloured(value, palette);
    }
    return copy;
  }

  async function draw() {
    const style = getComputedStyle(document.documentElement);
    const ink = style.getPropertyValue("--ink").trim(), line = style.getPropertyValue("--line").trim();
    const config = {
      font: "system-ui, sans-serif",
      view: { stroke: null },
      axis: { labelColor: ink, titleColor: ink, gridColor: line, domainColor: line, tickColor: line,
              labelFontSize: 13, titleFontSize: 13, titleFontWeight: "normal" },
    };
    // ast: expressions are interpreted, so that the page needs no eval.
    const options = { renderer: "svg", actions: false, ast: true, config };
    if (view) view.finalize();
    view = (await vegaEmbed("#chart", coloured(spec, darkness.matches ? dark : light), options)).view;
    view.addEventListener("pointermove", (_, item) => {
      bringForward(item && item.datum && Number.isInteger(item.datum.number) ? item.datum.number : -1);
    });
    view.addEventListener("pointerout", () => bringForward(-1));
    show();
  }

  controls.hidden = choose.hidden = false;
  controls.addEventListener("change", show);
  for (const box of boxes) {
    const label = box.closest("label");
    box.addEventListener("change", show);
    for (const come of ["pointerenter", "focusin"]) label.addEventListener(come, () => bringForward(Number(box.value)));
    for (const go of ["pointerleave", "focusout"]) label.addEventListener(go, () => bringForward(-1));
  }
  others.addEventListener("change", show);
  choose.addEventListener("click", ({ target }) => {
    if (target.tagName !== "BUTTON") return;
    for (const box of boxes) box.checked = target.value === "all";
    show();
  });
  for (const box of document.querySelectorAll(".wide")) cue(box);
  darkness.addEventListener("change", draw);
  draw();
})();
