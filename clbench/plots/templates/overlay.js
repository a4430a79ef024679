"use strict";
(() => {
  const { spec, light, dark } = JSON.parse(document.getElementById("data").textContent);
  const darkness = matchMedia("(prefers-color-scheme: dark)");
  const controls = document.getElementById("controls");
  const place = document.getElementById("place");
  const boxes = [...document.querySelectorAll(".models input")];
  let view = null;

  function show() {
    if (!view) return;
    view.signal("measure", document.querySelector("input[name=measure]:checked").value);
    view.signal("place", Number(place.value));
    view.signal("hidden", boxes.filter((box) => !box.checked).map((box) => Number(box.value)));
    view.runAsync();
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
    show();
  }

  controls.hidden = false;
  controls.addEventListener("change", show);
  for (const box of boxes) box.addEventListener("change", show);
  darkness.addEventListener("change", draw);
  draw();
})();
