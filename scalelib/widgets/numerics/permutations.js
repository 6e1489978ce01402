// Permutations of the pixels of a square image, and what a process does before or after them.

import { dct2, idct2, laplacianEigenvalues } from "./cosine.js";
import {
  arctanNoise,
  blurringDiffusion,
  heatDissipation,
  linearBeta,
  logBlur,
  sin2Blur,
  variancePreserving,
} from "./processes.js";
import { permutation, uniform } from "./random.js";

export const SCALES = 20;
const SIGMA = 0.02; // noise of inverse heat dissipation

/** For each place the place that its value comes from. */
export function order(kind, side) {
  const last = side - 1;
  const from = {
    mirror: (y, x) => y * side + (last - x),
    turn: (y, x) => x * side + (last - y),
    shift: (y, x) => y * side + ((x + side / 2) % side),
    tiles: (y, x) => y * side + x,
  };
  if (kind === "pixels") return permutation(uniform(1), side * side);
  const places = Array.from({ length: side * side }, (_, p) => from[kind](Math.floor(p / side), p % side));
  return kind === "tiles" ? shuffledTiles(places, side) : places;
}

function shuffledTiles(places, side) {
  const tiles = permutation(uniform(2), 16);
  const size = side / 4;
  return places.map((_, p) => {
    const [y, x] = [Math.floor(p / side), p % side];
    const tile = tiles[4 * Math.floor(y / size) + Math.floor(x / size)];
    const row = Math.floor(tile / 4) * size + (y % size);
    return row * side + (tile % 4) * size + (x % size);
  });
}

/** The image with its values in another order. */
export function permuted(values, places) {
  return Float64Array.from(places, (p) => values[p]);
}

/** Image at a scale from 1 to 20, for a given realisation of the noise. */
export function sampled(process, scale, image, noise, side) {
  if (process === "preserving") {
    const [factor, variance] = variancePreserving(linearBeta(SCALES, 1e-3, 0.4), 0, scale);
    const deviation = Math.sqrt(variance);
    return image.map((u, p) => factor * u + deviation * noise[p]);
  }
  const eigenvalues = laplacianEigenvalues(side, side);
  const [factors, variance] =
    process === "heat"
      ? heatDissipation(logBlur(SCALES, side / 8), SIGMA, eigenvalues, scale)
      : blurringDiffusion(sin2Blur(SCALES, side / 8), ...arctanNoise(SCALES), 1e-3, eigenvalues, scale);
  const modes = dct2(image, side, side).map((u, p) => factors[p] * u);
  return idct2(modes, side, side).map((u, p) => u + Math.sqrt(variance) * noise[p]);
}

/** Largest and root mean square difference of two images, and whether all numbers are equal. */
export function compared(a, b) {
  let [largest, squares] = [0, 0];
  for (let p = 0; p < a.length; p += 1) {
    const gap = Math.abs(a[p] - b[p]);
    largest = Math.max(largest, gap);
    squares += gap * gap;
  }
  return { largest, rms: Math.sqrt(squares / a.length), equal: largest === 0 };
}
