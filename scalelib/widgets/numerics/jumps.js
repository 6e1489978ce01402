// One pixel under variance preserving diffusion: a fair coin at scale 0, then jumps.

import { variancePreserving } from "./processes.js";
import { normals } from "./random.js";

/** Values of the coin at scale 0. */
export const COIN = 0.8;

function jump(betas, from, to, starts, noise) {
  const [factor, variance] = variancePreserving(betas, from, to);
  return starts.map((u, l) => factor * u + Math.sqrt(variance) * noise[l]);
}

/** Values of particles at scales k and i, or k, j and i: one list for each scale.
    Route "direct" leaves j out; "stop" takes fresh noise for each jump, "repeated" the same. */
export function walk(betas, { k, j, i }, route, count, random) {
  const coins = Float64Array.from({ length: count }, () => (random() < 0.5 ? -COIN : COIN));
  const start = jump(betas, 0, k, coins, normals(random, count));
  const first = normals(random, count);
  if (route === "direct") return [start, jump(betas, k, i, start, first)];
  const stop = jump(betas, k, j, start, first);
  const second = route === "repeated" ? first : normals(random, count);
  return [start, stop, jump(betas, j, i, stop, second)];
}

/** Density at scale i of the coin's chain, as a function of the grey value. */
export function density(betas, i) {
  const [factor, variance] = variancePreserving(betas, 0, i);
  const bell = (x) => Math.exp((-x * x) / (2 * variance)) / Math.sqrt(2 * Math.PI * variance);
  return (x) => (bell(x - factor * COIN) + bell(x + factor * COIN)) / 2;
}

/** Shares of values in equal bins from low to high, divided by the width of a bin. */
export function histogram(values, low, high, bins) {
  const width = (high - low) / bins;
  const heights = new Float64Array(bins);
  for (const v of values) {
    const bin = Math.floor((v - low) / width);
    if (bin >= 0 && bin < bins) heights[bin] += 1 / (values.length * width);
  }
  return heights;
}
