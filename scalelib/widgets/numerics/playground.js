// Osmosis of grey values towards a guidance image, at diffusion times that double every two steps.

import { osmosisStep } from "./osmosis.js";

export const STEPS = 30;

/** Diffusion times of the steps 0 to 30, in pixel². */
export const TIMES = [0, ...Array.from({ length: STEPS }, (_, k) => 0.25 * 2 ** (k / 2))];

/** Grey values, made positive by an offset. */
export function raised(values, offset) {
  return Float64Array.from(values, (value) => value + offset);
}

/** The state of step k + 1, of that of step k; state and guidance are positive. */
export function nextState(guidance, state, k) {
  return osmosisStep(guidance, state, Math.sqrt(state.length), TIMES[k + 1] - TIMES[k]);
}

/** Average of all values. */
export function average(values) {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}

/** Where osmosis of a positive image ends: the guidance, with the mass of the image. */
export function steadyState(guidance, state) {
  const ratio = average(state) / average(guidance);
  return Float64Array.from(guidance, (value) => ratio * value);
}

/** Relative entropy in nats of two positive images, each divided by its mass. */
export function relativeEntropy(state, towards) {
  const [a, b] = [average(state), average(towards)];
  // x log(x / y) - x + y has no negative term, so that nothing cancels near the end.
  const term = (x, y) => {
    const gap = (x - y) / y;
    return y * (Math.abs(gap) < 1e-3 ? small(gap) : (1 + gap) * Math.log1p(gap) - gap);
  };
  let sum = 0;
  for (let p = 0; p < state.length; p += 1) sum += term(state[p] / a, towards[p] / b);
  return sum / state.length;
}

/** (1 + g) log(1 + g) - g for small g, by its series; the rest is below g^7 / 40. */
function small(g) {
  return g * g * (1 / 2 - g / 6 + (g * g) / 12 - (g * g * g) / 20 + g ** 4 / 30);
}
