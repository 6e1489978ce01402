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

/** Diffusion times of the scales; the last blur is wide compared with the image. */
export function times(side) {
  return logBlur(SCALES, (20 / 128) * side);
}

/** Variance of the white noise that comes closest to linearised osmosis. */
function matchedVariance(eigenvalues, time) {
  const sum = eigenvalues.reduce((total, lambda) => total + Math.expm1(-lambda * time) ** 2, 0);
  return (CONTRAST ** 2 * sum) / eigenvalues.length;
}

/** Noise variance per pixel at a scale, null for a process without noise of its own. */
export function noiseVariance(process, scale, side) {
  if (process === "preserving") return variancePreserving(linearBeta(SCALES, 1e-4, 0.2), 0, scale)[1];
  if (process === "heat") return HEAT_NOISE ** 2;
  if (process !== "blurring") return null;
  return matchedVariance(laplacianEigenvalues(side, side), times(side)[scale - 1]);
}

/** Entropy of a scale given the image, in nats per pixel; null for a deterministic process. */
export function conditionalEntropy(process, scale, side) {
  const variance = scale === 0 ? null : noiseVariance(process, scale, side);
  return variance === null ? null : entropy(variance);
}

/** Spatial variance. */
export function spatialVariance(image) {
  const mean = image.reduce((sum, u) => sum + u, 0) / image.length;
  return image.reduce((sum, u) => sum + (u - mean) ** 2, 0) / image.length;
}

/** Image after homogeneous diffusion, from its cosine coefficients. */
function blurred(modes, side, time) {
  const eigenvalues = laplacianEigenvalues(side, side);
  return idct2(modes.map((c, k) => c * Math.exp(-eigenvalues[k] * time)), side, side);
}

/** The four processes without osmosis at a scale from 1 to 50, for a given noise. */
export function linearScales(image, noise, scale, side) {
  const blur = blurred(dct2(image, side, side), side, times(side)[scale - 1]);
  const deviation = (process) => Math.sqrt(noiseVariance(process, scale, side));
  const covered = (mean, sigma) => mean.map((u, p) => u + sigma * noise[p]);
  const factor = variancePreserving(linearBeta(SCALES, 1e-4, 0.2), 0, scale)[0];
  return {
    preserving: covered(image.map((u) => factor * u), deviation("preserving")),
    heat: covered(blur, deviation("heat")),
    diffusion: blur,
    blurring: covered(blur, deviation("blurring")),
  };
}

/** Next scale of osmosis towards the noise; `from` is the scale of the given state.

    States are positive grey values; grey(state) brings them back to [-1, 1]. */
export function osmosisNext(state, noise, from, side) {
  const guidance = Float64Array.from(noise, (g) => 127.5 * (1 + CONTRAST * g) + OFFSET);
  const all = [0, ...times(side)];
  const tau = (all[from + 1] - all[from]) / OSMOSIS_STEPS;
  let next = Float64Array.from(state);
  for (let step = 0; step < OSMOSIS_STEPS; step += 1) next = osmosisStep(guidance, next, side, tau);
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
