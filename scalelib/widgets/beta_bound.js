// The beta bound: what the printed proposition claims of a step, and what happens.

import { chart } from "./chart.js";
import {
  claimedChange,
  entropy,
  printedBound,
  printedBoundLog10,
  trueChange,
  varianceAfter,
} from "./numerics/gaussian.js";
import { fixed, plain, signed } from "./numerics/ticks.js";
import { follow, frame, geometric, range, readout, slider } from "./ui.js";

const PIXELS = [1, 2, 3, 4, 8, 16, 64, 256, 1024, 4096, 65536];
const BETAS = range(0.01, 0.99, 0.01);
const VARIANCES = geometric(0.1, 10, 41); // contains 1
const STEPS = 12;
const FINE = range(0.001, 0.999, 0.002);

function change(model, step) {
  const [n, beta, c] = ["n", "beta", "variance"].map((name) => model.get(name));
  const low = printedBound(n);
  step.show({
    x: { domain: [0, 1], label: "noise variance β of the step" },
    y: { domain: [-1.5, 1.7], label: "change of entropy, nats per pixel" },
    bands: [{ from: low, to: 1 - low, series: 5 }],
    rules: [{ at: 0, axis: "y" }],
    lines: [
      { points: FINE.map((b) => [b, claimedChange(b, n)]), series: 2, dashed: true },
      { points: FINE.map((b) => [b, trueChange(b, c)]), series: 1 },
    ],
    dots: [
      { at: [beta, claimedChange(beta, n)], series: 2 },
      { at: [beta, trueChange(beta, c)], series: 1 },
    ],
  });
}

function course(model, steps) {
  const [n, beta, c] = ["n", "beta", "variance"].map((name) => model.get(name));
  const numbers = range(0, STEPS, 1);
  const claimed = (i) => entropy(c) + i * claimedChange(beta, n);
  steps.show({
    x: { domain: [0, STEPS], label: "step i, each with this β", ticks: range(0, STEPS, 3) },
    y: { domain: [-1, 5], label: "entropy, nats per pixel" },
    rules: [{ at: entropy(1), axis: "y" }],
    lines: [
      { points: numbers.map((i) => [i, claimed(i)]), series: 2, dashed: true },
      { points: numbers.map((i) => [i, entropy(varianceAfter(i, beta, c))]), series: 1 },
    ],
    dots: numbers.map((i) => ({ at: [i, entropy(varianceAfter(i, beta, c))], series: 1 })),
  });
}

function boundText(n) {
  const low = printedBound(n);
  if (low > 1e-3) return `${fixed(low, 4)} to ${fixed(1 - low, 4)}`;
  const log10 = printedBoundLog10(n);
  const power = Math.floor(log10);
  const end = `${plain(10 ** (log10 - power), 2)}·10^${plain(power, 9)}`;
  return `${end} to 1 − ${end}`;
}

function verdict(inside, now) {
  const place = inside ? "β lies inside the printed bound" : "β lies outside the printed bound";
  if (now < 0) return inside ? `${place}, yet the entropy falls.` : `${place}, and the entropy falls.`;
  if (now > 0) return inside ? `${place}, and the entropy grows.` : `${place}, yet the entropy grows.`;
  return `${place}. The entropy stays: the data are the limit already.`;
}

function say(model) {
  const [n, beta, c] = ["n", "beta", "variance"].map((name) => model.get(name));
  const [claimed, now, low] = [claimedChange(beta, n), trueChange(beta, c), printedBound(n)];
  const whole = n > 1 ? `, ${signed(n * now, 2)} for all ${n} pixels` : "";
  return (
    `Claimed: ${signed(claimed, 3)} nats per pixel. True: ${signed(now, 3)}${whole}. ` +
    `Printed bound: ${boundText(n)}. ${verdict(low <= beta && beta <= 1 - low, now)}`
  );
}

function render({ model, el }) {
  const step = chart({
    label: "Claimed and true change of the entropy in one step, over beta",
    entries: [[2, "claimed", "line dashed"], [1, "true", "line"], [5, "printed bound", "band"]],
  });
  const steps = chart({
    label: "Claimed and true entropy along twelve steps with the same beta",
    entries: [[2, "claimed", "line dashed"], [1, "true", "line"]],
  });
  const text = readout();
  frame(el, {
    label: "The beta bound",
    figures: [step.node, steps.node],
    readout: text,
    controls: [
      slider(model, "beta", { label: "β of the step", stops: BETAS, format: (v) => fixed(v, 2) }),
      slider(model, "variance", { label: "initial variance", stops: VARIANCES, format: (v) => plain(v) }),
      slider(model, "n", { label: "number n of pixels", stops: PIXELS }),
    ],
  });
  follow(model, ["n", "beta", "variance"], () => {
    change(model, step);
    course(model, steps);
    text.textContent = say(model);
  });
}

export default { render };
