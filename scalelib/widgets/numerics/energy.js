// Energy distance of two samples of numbers, and its permutation test.

import { permutation } from "./random.js";

function squared(places, inFirst, n, m) {
  let [difference, sum] = [0, 0]; // of the two empirical distribution functions
  for (let l = 0; l + 1 < places.length; l += 1) {
    difference += inFirst[l] ? 1 / n : -1 / m;
    sum += difference ** 2 * (places[l + 1] - places[l]);
  }
  return 2 * sum;
}

function pooled(x, y) {
  const points = [...Array.from(x, (v) => [v, true]), ...Array.from(y, (v) => [v, false])];
  points.sort(([a], [b]) => a - b);
  return [points.map(([v]) => v), points.map(([, first]) => first)];
}

/** Energy distance D of two samples of numbers: D^2 is twice the integral of (F - G)^2. */
export function energyDistance(x, y) {
  const [places, inFirst] = pooled(x, y);
  return Math.sqrt(squared(places, inFirst, x.length, y.length));
}

/** Energy distance and the p-value (1 + #{D_b >= D}) / (1 + B) of B random permutations. */
export function energyTest(x, y, permutations, random) {
  const [places, inFirst] = pooled(x, y);
  const [n, m] = [x.length, y.length];
  const found = squared(places, inFirst, n, m);
  let extreme = 0;
  for (let b = 0; b < permutations; b += 1) {
    const chosen = new Array(n + m).fill(false);
    for (const place of permutation(random, n + m).slice(0, n)) chosen[place] = true;
    if (squared(places, chosen, n, m) >= found * (1 - 1e-12)) extreme += 1;
  }
  return { distance: Math.sqrt(found), p: (1 + extreme) / (1 + permutations) };
}
