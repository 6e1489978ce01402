// Densities on a line under VP, VE and osmosis towards N(0, 1), and the way back.
//
// A density is constant on each of 100 cells of [-5, 5]. Time is that of osmosis: after s, VP has the
// mean factor exp(-s) and the noise variance 1 - exp(-2 s), VE 1 and 2 s.

export const CELLS = 100;
export const STEPS = 60;
export const STEP = 0.05; // time of each step
const LOW = -5;
const WIDTH = 0.1;
const BORDER = 4; // mass beyond it would feel the end of the cells

/** Centres of cells of the same width; those of the density, or more on both sides. */
export function centres(more = 0) {
  const count = CELLS + 2 * more;
  return Float64Array.from({ length: count }, (_, i) => LOW + (i - more + 0.5) * WIDTH);
}

/** A density of levels that are not negative; null if they have no mass. */
export function normalised(levels) {
  const mass = levels.reduce((sum, level) => sum + level, 0) * WIDTH;
  return mass > 0 ? Float64Array.from(levels, (level) => level / mass) : null;
}

/** Error function, to rounding: its series with positive terms only. */
export function erf(x) {
  if (Math.abs(x) > 6) return Math.sign(x);
  let [term, sum] = [x, x];
  for (let n = 1; Math.abs(term) > 1e-17 * Math.abs(sum); n += 1) {
    term *= (2 * x * x) / (2 * n + 1);
    sum += term;
  }
  return (2 / Math.sqrt(Math.PI)) * Math.exp(-x * x) * sum;
}

/** Exact densities at points [row by row] for unit density in each cell, after x -> M x + S N(0, 1). */
export function kernel(M, S, points) {
  const rows = new Float64Array(points.length * CELLS);
  points.forEach((x, r) => {
    const below = (edge) => erf((x - M * edge) / (S * Math.SQRT2)) / 2;
    let left = below(LOW);
    for (let j = 0; j < CELLS; j += 1) {
      const right = below(LOW + (j + 1) * WIDTH);
      rows[r * CELLS + j] = (left - right) / M;
      left = right;
    }
  });
  return rows;
}

/** Density at the points of a kernel. */
export function applied(rows, p) {
  return Float64Array.from({ length: rows.length / CELLS }, (_, r) => {
    let sum = 0;
    for (let j = 0; j < CELLS; j += 1) sum += rows[r * CELLS + j] * p[j];
    return sum;
  });
}

/** Mean factor and noise deviation of a process after step k. */
export function transition(process, k) {
  const s = STEP * k;
  return process === "preserving"
    ? [Math.exp(-s), Math.sqrt(-Math.expm1(-2 * s))]
    : [1, Math.sqrt(2 * s)];
}

/** The guidance N(0, 1) at the centres, up to a factor. */
export function guidance() {
  return centres().map((x) => Math.exp((-x * x) / 2));
}

/** One step of osmosis towards v: the exponential of its matrix, by uniformisation.

    All terms are positive, so positivity and mass are kept to rounding. */
export function osmosis(p, v, time = STEP) {
  const [up, down] = [new Float64Array(p.length), new Float64Array(p.length)];
  const rate = (to, from) => (2 * v[to]) / (v[to] + v[from]) / WIDTH ** 2;
  for (let i = 0; i < p.length; i += 1) {
    if (i + 1 < p.length) up[i] = rate(i + 1, i);
    if (i > 0) down[i] = rate(i - 1, i);
  }
  const fastest = Math.max(...up.map((u, i) => u + down[i]));
  let state = Float64Array.from(p);
  let weight = Math.exp(-fastest * time);
  let [left, found] = [1 - weight, state.map((value) => weight * value)];
  // Term n reaches n cells. All cells are reached, since the way back divides by the density.
  for (let n = 1; left > 1e-15 || n < Math.max(p.length, fastest * time); n += 1) {
    const before = state;
    state = before.map((value, i) => {
      const stays = value * (1 - (up[i] + down[i]) / fastest);
      const from = (j, rates) => (before[j] === undefined ? 0 : (before[j] * rates[j]) / fastest);
      return stays + from(i - 1, up) + from(i + 1, down);
    });
    weight *= (fastest * time) / n;
    left -= weight;
    found = found.map((value, i) => value + weight * state[i]);
  }
  return found;
}

/** One step back by Bayes' rule: q at the later of two densities p of osmosis, to the earlier one.

    Osmosis is reversible: v(x) K(x, y) is symmetric, so that one kernel serves both directions. */
export function back(earlier, later, q, v) {
  const ratio = q.map((value, i) => (v[i] * value) / later[i]);
  return osmosis(ratio, v).map((value, i) => (earlier[i] * value) / v[i]);
}

/** Relative entropy of p to q in nats; cells without p count nothing. */
export function relativeEntropy(p, q) {
  let sum = 0;
  for (let i = 0; i < p.length; i += 1) if (p[i] > 0) sum += p[i] * Math.log(p[i] / q[i]);
  return sum * WIDTH;
}

const V = guidance();
export const NORMAL = normalised(V);

/** Osmosis of a density at all steps, and its relative entropy to N(0, 1). */
export function forwards(p) {
  const states = [p];
  for (let k = 1; k <= STEPS; k += 1) states.push(osmosis(states.at(-1), V));
  return { states, distances: states.map((state) => relativeEntropy(state, NORMAL)) };
}

/** From N(0, 1) at the last step back to 0, and the relative entropy to the states of the way forth. */
export function backwards(states, last) {
  const found = [];
  found[last] = NORMAL;
  for (let k = last; k > 0; k -= 1) found[k - 1] = back(states[k - 1], states[k], found[k], V);
  return { states: found, distances: found.map((q, k) => relativeEntropy(q, states[k])) };
}

/** A copy of heights on the cells with a line drawn from [x, y] to [x, y], within [-4, 4]. */
export function drawn(heights, [x0, y0], [x1, y1]) {
  const [first, last] = [Math.min(x0, x1), Math.max(x0, x1)];
  return Float64Array.from(heights, (height, i) => {
    const x = LOW + (i + 0.5) * WIDTH;
    if (x < first - WIDTH / 2 || x > last + WIDTH / 2 || Math.abs(x) > BORDER) return height;
    const share = x1 === x0 ? 1 : Math.min(1, Math.max(0, (x - x0) / (x1 - x0)));
    return Math.max(0, y0 + share * (y1 - y0));
  });
}

/** A copy of heights with a triangle of unit mass, where there is least mass under it. */
export function bumped(heights) {
  const half = 8;
  const triangle = (centre, i) => Math.max(0, 1 - Math.abs(i - centre) / half);
  const load = (centre) => heights.reduce((sum, height, i) => sum + triangle(centre, i) * height, 0);
  let place = CELLS / 2;
  for (let c = 2 * half; c < CELLS - 2 * half; c += 1) if (load(c) < load(place)) place = c;
  return Float64Array.from(heights, (height, i) => height + triangle(place, i) / (half * WIDTH));
}

/** Heights as levels, 0 to 255 for the largest. */
export function levelled(heights) {
  const top = Math.max(...heights);
  return Uint8Array.from(heights, (height) => (top > 0 ? Math.round((255 * height) / top) : 0));
}
