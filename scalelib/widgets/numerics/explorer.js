// Five scale-spaces of one image: the protocol of the visual comparison, for any size.

import { dct2, idct2, laplacianEigenvalues } from "./cosine.js";
import { entropy } from "./gaussian.js";
import { osmosisStep } from "./osmosis.js";
import { linearBeta, logBlur, variancePreserving } from "./processes.js";

export const SCALES = 50;
const HEAT_NOISE = 0.02;
const CONTRAST = 0.5; // of the guidance noise, in [-1, 1]
const OFFSET = 255; // in grey values
const OSMOSIS_STEPS = 2; // implicit ones, from scale to scale

/** Variance of the white noise that comes closest to linearised osmosis. */
function matchedVariance(eigenvalues, time) {
  const sum = eigenvalues.reduce((total, lambda) => total + Math.expm1(-lambda * time) ** 2, 0);
  return (CONTRAST ** 2 * sum) / eigenvalues.length;
}

/** What does not depend on the image, computed once. Lists hold the scales 1 to 50: diffusion
    times, mean factors of the variance preserving process, and noise variances per pixel. */
export function protocol(side) {
  const times = logBlur(SCALES, (20 / 128) * side); // the last blur in proportion to the image
  const eigenvalues = laplacianEigenvalues(side, side);
  const betas = linearBeta(SCALES, 1e-4, 0.2);
  const preserving = betas.map((_, i) => variancePreserving(betas, 0, i + 1));
  const variances = {
    preserving: preserving.map(([, variance]) => variance),
    heat: times.map(() => HEAT_NOISE ** 2),
    blurring: times.map((time) => matchedVariance(eigenvalues, time)),
  };
  return { side, times, eigenvalues, factors: preserving.map(([factor]) => factor), variances };
}

/** Entropy of a scale given the image, in nats per pixel; null where it is minus infinity. */
export function conditionalEntropy({ variances }, process, scale) {
  return scale > 0 && variances[process] ? entropy(variances[process][scale - 1]) : null;
}

/** Spatial variance, with the divisor n - 1. */
export function spatialVariance(image) {
  const mean = image.reduce((sum, u) => sum + u, 0) / image.length;
  return image.reduce((sum, u) => sum + (u - mean) ** 2, 0) / (image.length - 1);
}

/** An image with what its scales need: its cosine coefficients and its noise. */
export function prepared(image, noise, side) {
  return { image, noise, modes: dct2(image, side, side) };
}

/** The four processes without osmosis at a scale from 1 to 50. */
export function linearScales({ side, times, eigenvalues, factors, variances }, given, scale) {
  const { image, noise, modes } = given;
  const at = scale - 1;
  const decay = (c, k) => c * Math.exp(-eigenvalues[k] * times[at]);
  const blur = idct2(modes.map(decay), side, side);
  const covered = (mean, process) => {
    const sigma = Math.sqrt(variances[process][at]);
    return mean.map((u, p) => u + sigma * noise[p]);
  };
  return {
    preserving: covered(image.map((u) => factors[at] * u), "preserving"),
    heat: covered(blur, "heat"),
    diffusion: blur,
    blurring: covered(blur, "blurring"),
  };
}

/** Guidance of osmosis, of a noise. */
export function guidance(noise) {
  return Float64Array.from(noise, (g) => 127.5 * (1 + CONTRAST * g) + OFFSET);
}

/** Next scale of osmosis towards a guidance; `from` is the scale of the given state.

    States are positive grey values; grey(state) brings them back to [-1, 1]. */
export function osmosisNext({ side, times }, state, towards, from) {
  const tau = (times[from] - (from ? times[from - 1] : 0)) / OSMOSIS_STEPS;
  const v = Float64Array.from(towards);
  let next = Float64Array.from(state);
  for (let step = 0; step < OSMOSIS_STEPS; step += 1) next = osmosisStep(v, next, side, tau);
  return next;
}

/** Positive grey values with the offset of osmosis, of values in [-1, 1]. */
export function lifted(image) {
  return Float64Array.from(image, (u) => 127.5 * (1 + u) + OFFSET);
}

/** The way back. */
export function grey(state) {
  return Float64Array.from(state, (u) => (u - OFFSET) / 127.5 - 1);
}
