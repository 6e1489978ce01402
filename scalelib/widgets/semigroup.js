// Semigroup: particles that jump from scale k to scale i, directly or by way of j.

import { chart } from "./chart.js";
import { energyTest } from "./numerics/energy.js";
import { density, histogram, walk } from "./numerics/jumps.js";
import { linearBeta, variancePreserving } from "./numerics/processes.js";
import { uniform } from "./numerics/random.js";
import { fixed } from "./numerics/ticks.js";
import { button, follow, frame, range, readout, select, slider, tween, write } from "./ui.js";

const BETAS = linearBeta(20, 1e-3, 0.4);
const COUNT = 2000; // particles of each route
const SHOWN = 14; // of them with a path
const PERMUTATIONS = 199;
const LEVEL = 0.01;
const [LOW, HIGH, BINS] = [-3.6, 3.6, 24];
const SCALES = ["k", "j", "i"];
const ROUTES = [
  ["stop", "with fresh noise in each jump"],
  ["repeated", "with the same noise in both jumps"],
];

/** Keep k < j < i: the slider that moves pushes the others. */
function keepOrder(model) {
  SCALES.forEach((moved, place) => {
    model.on(`change:${moved}`, () => {
      const value = model.get(moved);
      const wanted = {};
      SCALES.forEach((name, other) => {
        const limit = value + other - place;
        if (other < place && model.get(name) > limit) wanted[name] = limit;
        if (other > place && model.get(name) < limit) wanted[name] = limit;
      });
      if (Object.keys(wanted).length) write(model, wanted);
    });
  });
}

function drawn(model) {
  const scales = Object.fromEntries(SCALES.map((name) => [name, model.get(name)]));
  const random = uniform(model.get("seed"));
  const direct = walk(BETAS, scales, "direct", COUNT, random);
  const other = walk(BETAS, scales, model.get("route"), COUNT, random);
  const test = energyTest(direct.at(-1), other.at(-1), PERMUTATIONS, random);
  return { ...scales, direct, other, test };
}

/** Path of a particle through (scale, value), as far as the scale `now`. */
function pathUntil(corners, now) {
  const points = [corners[0]];
  for (let l = 1; l < corners.length; l += 1) {
    const [[a, u], [b, v]] = [corners[l - 1], corners[l]];
    if (now <= a) break;
    const share = Math.min(1, (now - a) / (b - a));
    points.push([a + share * (b - a), u + share * (v - u)]);
  }
  return points;
}

function showPaths(paths, { k, j, i, direct, other }, fraction) {
  const now = k + fraction * (i - k);
  const lines = [];
  for (let l = 0; l < SHOWN; l += 1) {
    const corners = [[[k, direct[0][l]], [i, direct[1][l]]], other.map((u, at) => [[k, j, i][at], u[l]])];
    corners.forEach((c, s) => lines.push({ points: pathUntil(c, now), series: s + 1, thin: true }));
  }
  paths.show({
    x: { domain: [k, i], label: "scale", ticks: [k, j, i], format: String },
    y: { domain: [LOW, HIGH], label: "grey value" },
    rules: [{ at: j }],
    lines,
    dots: lines.map(({ points, series }) => ({ at: points.at(-1), series, radius: 3 })),
  });
}

function showHistograms(histograms, { i, direct, other }) {
  const width = (HIGH - LOW) / BINS;
  const exact = density(BETAS, i);
  const outline = (values, series) => {
    const heights = Array.from(histogram(values, LOW, HIGH, BINS));
    const corners = heights.flatMap((h, b) => [[LOW + b * width, h], [LOW + (b + 1) * width, h]]);
    return { points: [[LOW, 0], ...corners, [HIGH, 0]], series, dashed: series === 2 };
  };
  histograms.show({
    x: { domain: [LOW, HIGH], label: "grey value at scale i" },
    y: { domain: [0, 0.8], label: "density" },
    lines: [
      { points: range(LOW, HIGH, 0.05).map((x) => [x, exact(x)]), series: 4, thin: true },
      outline(direct.at(-1), 1),
      outline(other.at(-1), 2),
    ],
  });
}

function say({ k, j, i, test }, route) {
  const [[whole, variance], [first, early], [second, late]] = [[k, i], [k, j], [j, i]].map(([a, b]) =>
    variancePreserving(BETAS, a, b),
  );
  const [M, S, f, e, s, l] = [whole, variance, first, early, second, late].map((v) => fixed(v, 3));
  const twice = (second * Math.sqrt(early) + Math.sqrt(late)) ** 2;
  const composed =
    route === "stop"
      ? `${S} = ${s}² · ${e} + ${l}.`
      : `(${s} · √${e} + √${l})² = ${fixed(twice, 3)}, not ${S}.`;
  return (
    `Energy distance ${fixed(test.distance, 3)}, p = ${fixed(test.p, 3)}: ` +
    `${test.p <= LEVEL ? "the samples differ" : "no difference is found"}. ` +
    `Factor by way of ${j}: ${M} = ${f} · ${s}. Noise variance: ${composed}`
  );
}

function pathsChart() {
  return chart({
    label: "Paths of particles from scale k to scale i, directly and by way of j",
    entries: [[1, "directly", "line"], [2, "by way of j", "line"]],
  });
}

function histogramsChart() {
  return chart({
    label: "Histograms of both samples at scale i, and the exact density of the chain",
    entries: [[1, "directly", "line"], [2, "by way of j", "line dashed"], [4, "exact", "line"]],
  });
}

function controls(model) {
  const scale = (name, first, last) => slider(model, name, { label: `scale ${name}`, stops: range(first, last, 1) });
  return [
    scale("k", 0, 18),
    scale("j", 1, 19),
    scale("i", 2, 20),
    select(model, "route", { label: "by way of j", options: ROUTES }),
    button("Draw new particles", () => write(model, { seed: model.get("seed") + 1 })),
  ];
}

function render({ model, el }) {
  const [paths, histograms, text] = [pathsChart(), histogramsChart(), readout()];
  let stop = () => {};
  const show = (animated) => {
    stop();
    const found = drawn(model);
    showHistograms(histograms, found);
    text.textContent = say(found, model.get("route"));
    if (animated) stop = tween(el, 1.5, (fraction) => showPaths(paths, found, fraction));
    else showPaths(paths, found, 1);
  };
  keepOrder(model);
  frame(el, {
    label: "Semigroup property",
    figures: [paths.node, histograms.node],
    readout: text,
    controls: controls(model),
  });
  let seed = model.get("seed");
  follow(model, [...SCALES, "route", "seed"], () => {
    show(model.get("seed") !== seed); // motion only where the reader asked for it
    seed = model.get("seed");
  });
}

export default { render };
