// Density as osmosis: a drawn density under VP, VE and osmosis towards N(0, 1), and the way back.

import { chart } from "./chart.js";
import {
  applied,
  backwards,
  bumped,
  CELLS,
  centres,
  drawn,
  forwards,
  kernel,
  levelled,
  NORMAL,
  normalised,
  STEP,
  STEPS,
  transition,
} from "./numerics/density.js";
import { fixed, plain, power } from "./numerics/ticks.js";
import { button, follow, frame, player, range, readout, reset, select, slider, write } from "./ui.js";

const X = centres();
const TOP = 0.8; // of the axis of densities
const NAMES = { two: "two bumps", box: "box", three: "three bumps", skew: "skew" };
const DIRECTIONS = [
  ["forward", "forward"],
  ["back", "back from N(0, 1)"],
];
const kernels = new Map(); // they depend on process and step alone

function exact(process, k, p) {
  if (k === 0) return p;
  const key = `${process} ${k}`;
  if (!kernels.has(key)) kernels.set(key, kernel(...transition(process, k), X));
  return applied(kernels.get(key), p);
}

function levels(model) {
  const own = model.get("shape") === "own";
  const view = model.get(own ? "own" : "levels");
  const start = own ? 0 : model.get("shapes").indexOf(model.get("shape")) * CELLS;
  return new Uint8Array(view.buffer, view.byteOffset + start, CELLS);
}

const points = (p) => Array.from(p, (value, i) => [X[i], value]);

function showDensities(densities, p, forth, reverse, k) {
  const lines = reverse
    ? [
        { points: points(forth.states[k]), series: 1 },
        { points: points(reverse.states[k]), series: 2, dashed: true },
      ]
    : [
        { points: points(exact("exploding", k, p)), series: 3 },
        { points: points(exact("preserving", k, p)), series: 1 },
        { points: points(forth.states[k]), series: 2, dashed: true },
      ];
  densities.show({
    x: { domain: [-5, 5], label: "grey value" },
    y: { domain: [0, TOP], label: reverse ? "density" : "density: draw one here" },
    lines: [{ points: points(NORMAL), series: 4, thin: true }, ...lines],
  });
}

function showDistances(chart, forth, reverse, k) {
  const { distances } = reverse ?? forth;
  const line = distances.map((value, step) => [STEP * step, value]);
  chart.show({
    x: { domain: [0, STEP * STEPS], label: "time s" },
    y: {
      domain: [1e-6, 10],
      log: true,
      label: reverse ? "relative entropy to the way forth" : "relative entropy to N(0, 1)",
      ticks: [1e-6, 1e-4, 1e-2, 1],
      format: power,
    },
    lines: [{ points: line, series: 2 }],
    dots: [{ at: line[k], series: 2 }],
  });
}

function sayForward(p, { states, distances }, k) {
  const preserving = exact("preserving", k, p);
  const gap = preserving.reduce((sum, value, i) => sum + Math.abs(value - states[k][i]) / 10, 0);
  return (
    `s = ${fixed(STEP * k, 2)}: osmosis and VP differ by ${plain(gap, 2)} of mass 1, the error of the ` +
    `grid. Relative entropy of osmosis to N(0, 1): ${plain(distances[k])} nats.`
  );
}

function sayBack({ distances }, k, last) {
  return (
    `From N(0, 1) at s = ${fixed(STEP * last, 2)} back to s = ${fixed(STEP * k, 2)}. Relative entropy to ` +
    `the density on the way forth: ${plain(distances[k])} nats, ${plain(distances[last])} at the start.`
  );
}

/** All controls; the bump serves readers without a pointer. */
function controls(model, text, bump) {
  const shapes = model.get("shapes").map((name) => [name, NAMES[name]]);
  const list = select(model, "shape", { label: "density at s = 0", options: [...shapes, ["own", "your own"]] });
  follow(model, ["own"], () => {
    list.querySelector("option:last-child").disabled = !model.get("own").byteLength;
  });
  const stops = range(0, STEPS, 1);
  const time = (k) => fixed(STEP * k, 2);
  const order = () =>
    model.get("direction") === "back" ? range(0, model.get("last"), 1).reverse() : stops;
  return [
    slider(model, "step", { label: "time s", stops, format: time }),
    player(model, "step", { stops: order, seconds: 6, text }),
    select(model, "direction", { label: "direction", options: DIRECTIONS }),
    slider(model, "last", { label: "the way back starts at s", stops: range(1, STEPS, 1), format: time }),
    list,
    button("Add a bump", bump),
    reset(model, ["shape", "own", "step", "last", "direction"]),
  ];
}

function render({ model, el }) {
  const change = (heights) => {
    const own = levelled(heights);
    if (!normalised(own)) text.textContent = "A density needs some mass.";
    else write(model, { own: new DataView(own.buffer), shape: "own", step: 0, direction: "forward" });
  };
  let sketch = null; // keeps its heights during a stroke; what is shown has mass 1
  const densities = chart({
    label: "Densities at time s. A pointer draws a new one.",
    entries: [
      [1, "VP, or the way forth", "line"],
      [2, "osmosis, or its way back", "line dashed"],
      [3, "VE", "line"],
      [4, "N(0, 1)", "line"],
    ],
    pen: (from, to) => {
      if (from === to) sketch = p; // a stroke begins
      sketch = drawn(sketch, from, to);
      change(sketch);
    },
  });
  const distances = chart({ label: "Relative entropy against time s" });
  const text = readout();
  let [p, forth] = [null, null];
  const show = () => {
    const last = model.get("last");
    const reverse = model.get("direction") === "back" ? backwards(forth.states, last) : null;
    const k = reverse ? Math.min(model.get("step"), last) : model.get("step");
    showDensities(densities, p, forth, reverse, k);
    showDistances(distances, forth, reverse, k);
    text.textContent = reverse ? sayBack(reverse, k, last) : sayForward(p, forth, k);
  };
  const start = () => {
    p = normalised(levels(model));
    forth = forwards(p);
    show();
  };
  frame(el, {
    label: "Density as osmosis",
    figures: [densities.node, distances.node],
    readout: text,
    controls: controls(model, text, () => change(bumped(p))),
  });
  follow(model, ["shape", "own"], start);
  follow(model, ["step", "last", "direction"], show);
}

export default { render };
