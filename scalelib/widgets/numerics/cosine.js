// Orthonormal cosine transform (DCT-II) of images in rows, and the eigenvalues of the Laplacian.

function basis(size) {
  const rows = [];
  for (let k = 0; k < size; k += 1) {
    const norm = Math.sqrt((k === 0 ? 1 : 2) / size);
    const row = new Float64Array(size);
    for (let x = 0; x < size; x += 1) row[x] = norm * Math.cos((Math.PI * k * (2 * x + 1)) / (2 * size));
    rows.push(row);
  }
  return rows;
}

/** Transform each row of an image (height x width), and hand back its transpose. */
function rowsTransformed(u, height, width, inverse) {
  const vectors = basis(width);
  const found = new Float64Array(height * width);
  for (let y = 0; y < height; y += 1) {
    for (let k = 0; k < width; k += 1) {
      let sum = 0;
      for (let x = 0; x < width; x += 1) {
        sum += u[y * width + x] * (inverse ? vectors[x][k] : vectors[k][x]);
      }
      found[k * height + y] = sum;
    }
  }
  return found;
}

/** Cosine coefficients of an image of height x width values. */
export function dct2(u, height, width) {
  return rowsTransformed(rowsTransformed(u, height, width, false), width, height, false);
}

/** Image with the given cosine coefficients. */
export function idct2(coefficients, height, width) {
  return rowsTransformed(rowsTransformed(coefficients, height, width, true), width, height, true);
}

/** Eigenvalues of minus the Laplacian of the pixel grid, one for each coefficient. */
export function laplacianEigenvalues(height, width) {
  const found = new Float64Array(height * width);
  for (let y = 0; y < height; y += 1) {
    for (let x = 0; x < width; x += 1) {
      const [a, b] = [Math.sin((Math.PI * y) / (2 * height)), Math.sin((Math.PI * x) / (2 * width))];
      found[y * width + x] = 4 * a * a + 4 * b * b;
    }
  }
  return found;
}
