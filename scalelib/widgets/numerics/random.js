// Reproducible random numbers: the same seed gives the same numbers in every browser, up to the
// rounding of logarithm and cosine.

/** Uniform numbers in (0, 1) from a seed, an integer: the generator sfc32 of Chris Doty-Humphrey. */
export function uniform(seed) {
  let [a, b, c, counter] = [0x9e3779b9, seed | 0, 0x243f6a88, 1];
  const next = () => {
    const sum = (((a + b) | 0) + counter) | 0;
    counter = (counter + 1) | 0;
    a = b ^ (b >>> 9);
    b = (c + (c << 3)) | 0;
    c = (((c << 21) | (c >>> 11)) + sum) | 0;
    return ((sum >>> 0) + 0.5) / 2 ** 32;
  };
  for (let i = 0; i < 16; i += 1) next(); // mixes the seed in
  return next;
}

/** Standard normal numbers, by Box and Muller. */
export function normals(random, count) {
  const found = new Float64Array(count);
  for (let i = 0; i < count; i += 2) {
    const radius = Math.sqrt(-2 * Math.log(random()));
    const angle = 2 * Math.PI * random();
    found[i] = radius * Math.cos(angle);
    if (i + 1 < count) found[i + 1] = radius * Math.sin(angle);
  }
  return found;
}

/** The numbers 0 to count - 1 in random order, by Fisher and Yates. */
export function permutation(random, count) {
  const order = Array.from({ length: count }, (_, i) => i);
  for (let i = count - 1; i > 0; i -= 1) {
    const j = Math.floor(random() * (i + 1));
    [order[i], order[j]] = [order[j], order[i]];
  }
  return order;
}
