// Osmosis of a square image towards a guidance image, by implicit Euler steps.
//
// With the guidance v and u = v y a step reads (diag(v) + tau K) y = u. K is symmetric; its weights
// are the harmonic means of neighbours. Conjugate gradients, scaled by the diagonal, solve it.
//
// All arrays carry a row of zeros before the image and one behind it: a pixel then has four
// neighbours everywhere, with the weight 0 across the border.

/** A copy between two rows of zeros. */
function padded(values, side) {
  const copy = new Float64Array(values.length + 2 * side);
  copy.set(values, side);
  return copy;
}

/** The matrix: its diagonal and the inverse of that, and tau times the weights to the right and
    below. */
function matrix(v, side, tau) {
  const [right, below] = [new Float64Array(v.length), new Float64Array(v.length)];
  const diagonal = Float64Array.from(v);
  const join = (weights, p, q) => {
    weights[p] = (tau * 2 * v[p] * v[q]) / (v[p] + v[q]);
    diagonal[p] += weights[p];
    diagonal[q] += weights[p];
  };
  for (let p = side; p < v.length - side; p += 1) {
    if ((p + 1) % side) join(right, p, p + 1);
    join(below, p, p + side); // 0 into the row of zeros: a harmonic mean with 0
  }
  return { diagonal, inverse: diagonal.map((value) => 1 / value), right, below };
}

/** Write the product of matrix and x to found; return the inner product of both. */
function multiply({ diagonal, right, below }, side, x, found) {
  let sum = 0;
  for (let p = side; p < x.length - side; p += 1) {
    const level = right[p - 1] * x[p - 1] + right[p] * x[p + 1];
    const upright = below[p - side] * x[p - side] + below[p] * x[p + side];
    found[p] = diagonal[p] * x[p] - level - upright;
    sum += x[p] * found[p];
  }
  return sum;
}

/** Solve for y, from what it holds; the squared norm of the residual r falls to the goal. */
function solve(system, side, y, r, goal) {
  const [direction, product] = [new Float64Array(y.length), new Float64Array(y.length)];
  multiply(system, side, y, product);
  for (let p = 0; p < r.length; p += 1) r[p] -= product[p];
  let before = 1;
  for (let turn = 0; turn <= 20 * side; turn += 1) {
    let [rho, squares] = [0, 0];
    for (let p = side; p < r.length - side; p += 1) {
      rho += r[p] * r[p] * system.inverse[p];
      squares += r[p] * r[p];
    }
    if (squares <= goal) return;
    const kept = turn ? rho / before : 0;
    before = rho;
    for (let p = side; p < r.length - side; p += 1) {
      direction[p] = r[p] * system.inverse[p] + kept * direction[p];
    }
    const along = rho / multiply(system, side, direction, product);
    for (let p = side; p < r.length - side; p += 1) {
      y[p] += along * direction[p];
      r[p] -= along * product[p];
    }
  }
  throw new Error(`no convergence within ${20 * side} turns`);
}

/** Implicit Euler step of length tau, with a residual of at most rtol times the norm of u.

    Guidance v and image u are Float64Arrays of positive values, in rows of a square. */
export function osmosisStep(guidance, u, side, tau, rtol = 1e-10) {
  const unit = guidance.reduce((sum, value) => sum + value, 0) / guidance.length;
  const v = guidance.map((value) => value / unit);
  const y = u.map((value, p) => value / v[p]);
  const goal = rtol ** 2 * u.reduce((sum, value) => sum + value * value, 0);
  const found = padded(y, side);
  solve(matrix(padded(v, side), side, tau), side, found, padded(u, side), goal);
  return found.slice(side, -side).map((value, p) => value * v[p]);
}
