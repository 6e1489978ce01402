// Gaussian data under the variance preserving process: entropies in nats per pixel.

const LOG_2_PI_E = Math.log(2 * Math.PI) + 1;

/** Entropy of N(0, variance) in one dimension. */
export function entropy(variance) {
  return (LOG_2_PI_E + Math.log(variance)) / 2;
}

/** Variance of N(0, variance) after a number of steps with the same beta. */
export function varianceAfter(steps, beta, variance) {
  return 1 - (1 - beta) ** steps * (1 - variance);
}

/** True change of the entropy of N(0, variance) in one step. */
export function trueChange(beta, variance) {
  return Math.log1p(beta * (1 / variance - 1)) / 2;
}

/** Change that the additive step, equation (12) of the 2023 paper, claims for n pixels. */
export function claimedChange(beta, n) {
  return LOG_2_PI_E / 2 + (Math.log(beta) + Math.log1p(-beta)) / (2 * n);
}

/** Lower end of the printed bound, equation (10); the upper end is 1 minus it. 0 if too small. */
export function printedBound(n) {
  const q = Math.exp(-n * LOG_2_PI_E);
  return (2 * q) / (1 + Math.sqrt(1 - 4 * q)); // 1/2 - sqrt(1/4 - q) without cancellation
}

/** Decimal logarithm of the lower end of the printed bound; finite for every n. */
export function printedBoundLog10(n) {
  const q = Math.exp(-n * LOG_2_PI_E);
  return (-n * LOG_2_PI_E - Math.log((1 + Math.sqrt(1 - 4 * q)) / 2)) / Math.LN10;
}
