// Schedules and transitions of the processes. Lists hold the scales 1 to m; scale 0 is the image.

function list(count, entry) {
  return Array.from({ length: count }, (_, i) => entry(i + 1));
}

/** Noise variances that grow linearly. */
export function linearBeta(m, first, last) {
  return list(m, (i) => first + ((i - 1) / (m - 1)) * (last - first));
}

/** Diffusion times of blur widths with equal ratios. */
export function logBlur(m, largest, smallest = 0.5) {
  return list(m, (i) => (smallest * (largest / smallest) ** ((i - 1) / (m - 1))) ** 2 / 2);
}

/** Diffusion times of blur widths that grow like a squared sine. */
export function sin2Blur(m, largest) {
  return list(m, (i) => (largest * Math.sin((Math.PI * i) / (2 * m)) ** 2) ** 2 / 2);
}

/** Mean factors and noise deviations [alphas, sigmas] whose angle grows linearly. */
export function arctanNoise(m, logSnrMax = 10) {
  const start = Math.atan(Math.exp(-logSnrMax / 2));
  const angle = (i) => start + (i / m) * (Math.PI / 2 - 2 * start);
  return [list(m, (i) => Math.sin(angle(m - i))), list(m, (i) => Math.sin(angle(i)))];
}

/** Mean factor and noise variance of variance preserving diffusion from scale k to scale i. */
export function variancePreserving(betas, k, i) {
  let logSignal = 0;
  for (const beta of betas.slice(k, i)) logSignal += Math.log1p(-beta);
  return [Math.exp(logSignal / 2), -Math.expm1(logSignal)];
}

/** Mean factor of each mode and noise variance of inverse heat dissipation, from the image on. */
export function heatDissipation(times, sigma, eigenvalues, i) {
  return [eigenvalues.map((lambda) => Math.exp(-lambda * times[i - 1])), sigma ** 2];
}

/** Mean factor of each mode and noise variance of blurring diffusion, from the image on. */
export function blurringDiffusion(times, alphas, sigmas, dMin, eigenvalues, i) {
  const blur = (lambda) => (1 - dMin) * Math.exp(-lambda * times[i - 1]) + dMin;
  return [eigenvalues.map((lambda) => alphas[i - 1] * blur(lambda)), sigmas[i - 1] ** 2];
}
