// Permutation invariance: scramble the pixels before or after the process.

import { compared, order, permuted, sampled, SCALES } from "./numerics/permutations.js";
import { normals, uniform } from "./numerics/random.js";
import { plain } from "./numerics/ticks.js";
import { picture } from "./picture.js";
import { follow, frame, range, readout, select, slider } from "./ui.js";

const PROCESSES = [
  ["preserving", "variance preserving"],
  ["heat", "inverse heat dissipation"],
  ["blurring", "blurring diffusion"],
];
const PERMUTATIONS = [
  ["tiles", "shuffle 16 tiles"],
  ["pixels", "shuffle all pixels"],
  ["shift", "cyclic shift by half of the width"],
  ["mirror", "mirror image"],
  ["turn", "quarter turn"],
];
const ROUNDING = 1e-12;
const WHOLE = [-1, 1];
const QUARTER = [-0.25, 0.25]; // a difference is shown four times as large

function greyValues(view) {
  const bytes = new Uint8Array(view.buffer, view.byteOffset, view.byteLength);
  return Float64Array.from(bytes, (b) => b / 127.5 - 1);
}

function results(image, side, noise, { process, permutation, scale }) {
  const places = order(permutation, side);
  const run = (u, g) => sampled(process, scale, u, g, side);
  const straight = run(image, noise);
  const before = run(permuted(image, places), permuted(noise, places));
  return { straight, before, after: permuted(straight, places) };
}

function say({ before, after }, { process, permutation, scale }) {
  const name = (options, key) => options.find(([value]) => value === key)[1];
  const { largest, rms, equal } = compared(before, after);
  const start = `${name(PROCESSES, process)}, scale ${scale} of ${SCALES}, ${name(PERMUTATIONS, permutation)}: `;
  const sentence = start[0].toUpperCase() + start.slice(1);
  if (equal) return `${sentence}all ${before.length} grey values agree in every bit.`;
  if (largest < ROUNDING) return `${sentence}equal up to rounding, ${plain(largest, 1)}.`;
  return `${sentence}the largest difference is ${plain(largest)}, the root mean square ${plain(rms)}.`;
}

function render({ model, el }) {
  const image = greyValues(model.get("pixels"));
  const side = Math.sqrt(image.length);
  const noise = normals(uniform(7), image.length);
  const views = {
    straight: picture({ heading: "process only", label: "The photograph after the process" }),
    after: picture({ heading: "process, then permute", label: "Permuted after the process" }),
    before: picture({ heading: "permute, then process", label: "Permuted before the process" }),
    gap: picture({ heading: "difference × 4", label: "Difference of the two; grey is 0" }),
  };
  const text = readout();
  frame(el, {
    label: "Permutation invariance",
    figures: Object.values(views).map(({ node }) => node),
    readout: text,
    controls: [
      slider(model, "scale", { label: "scale", stops: range(1, SCALES, 1) }),
      select(model, "process", { label: "process", options: PROCESSES }),
      select(model, "permutation", { label: "permutation", options: PERMUTATIONS }),
    ],
  });
  const names = ["process", "permutation", "scale"];
  follow(model, names, () => {
    const chosen = Object.fromEntries(names.map((name) => [name, model.get(name)]));
    const found = results(image, side, noise, chosen);
    for (const [name, values] of Object.entries(found)) views[name].show(values, side, WHOLE);
    views.gap.show(found.before.map((u, p) => u - found.after[p]), side, QUARTER);
    text.textContent = say(found, chosen);
  });
}

export default { render };
