// Osmosis of a square image towards a guidance image, by implicit Euler steps.
//
// With the guidance v and u = v y a step reads (diag(v) + tau K) y = b. K is symmetric; its weights
// are the harmonic means of neighbours. Conjugate gradients, scaled by the diagonal, solve it.

/** Harmonic means of each value and its neighbour on the right, and below; 0 at the border. */
function harmonicMeans(v, side) {
  const [right, below] = [new Float64Array(v.length), new Float64Array(v.length)];
  const mean = (a, b) => (2 * a * b) / (a + b);
  for (let p = 0; p < v.length; p += 1) {
    if ((p + 1) % side) right[p] = mean(v[p], v[p + 1]);
    if (p + side < v.length) below[p] = mean(v[p], v[p + side]);
  }
  return [right, below];
}

/** Return (diag(v) + tau K) y. */
function product(v, [right, below], side, tau, y) {
  const found = v.map((value, p) => value * y[p]);
  for (let p = 0; p < v.length; p += 1) {
    if (right[p]) {
      const flow = tau * right[p] * (y[p + 1] - y[p]);
      found[p] -= flow;
      found[p + 1] += flow;
    }
    if (below[p]) {
      const flow = tau * below[p] * (y[p + side] - y[p]);
      found[p] -= flow;
      found[p + side] += flow;
    }
  }
  return found;
}

function inner(a, b) {
  let sum = 0;
  for (let p = 0; p < a.length; p += 1) sum += a[p] * b[p];
  return sum;
}

function diagonal(v, [right, below], side, tau) {
  return v.map((value, p) => {
    const left = p % side ? right[p - 1] : 0;
    const above = p >= side ? below[p - side] : 0;
    return value + tau * (right[p] + below[p] + left + above);
  });
}

/** Implicit Euler step of length tau, with a residual of at most rtol times the norm of u.

    Guidance v and image u are Float64Arrays of positive values, in rows of a square. */
export function osmosisStep(guidance, u, side, tau, rtol = 1e-10) {
  const unit = guidance.reduce((sum, value) => sum + value, 0) / guidance.length;
  const v = guidance.map((value) => value / unit);
  const weights = harmonicMeans(v, side);
  const scale = diagonal(v, weights, side, tau);
  const y = u.map((value, p) => value / v[p]);
  const start = product(v, weights, side, tau, y);
  const r = u.map((value, p) => value - start[p]);
  const goal = rtol ** 2 * inner(u, u);
  const direction = r.map((value, p) => value / scale[p]);
  let rho = inner(r, direction);
  for (let turn = 0; inner(r, r) > goal; turn += 1) {
    if (turn > 20 * side) throw new Error(`no convergence at a step of ${tau}`);
    const image = product(v, weights, side, tau, direction);
    const along = rho / inner(direction, image);
    for (let p = 0; p < r.length; p += 1) {
      y[p] += along * direction[p];
      r[p] -= along * image[p];
    }
    const before = rho;
    const z = r.map((value, p) => value / scale[p]);
    rho = inner(r, z);
    for (let p = 0; p < r.length; p += 1) direction[p] = z[p] + (rho / before) * direction[p];
  }
  return y.map((value, p) => value * v[p]);
}
