// Strokes of a round brush on a square image, and where arrow keys move it.

function distanceToSegment(x, y, [ax, ay], [bx, by]) {
  const [dx, dy] = [bx - ax, by - ay];
  const length2 = dx * dx + dy * dy;
  const along = length2 ? ((x - ax) * dx + (y - ay) * dy) / length2 : 0;
  const share = Math.min(1, Math.max(0, along));
  return Math.hypot(x - ax - share * dx, y - ay - share * dy);
}

/** A copy of rows of grey values, with a stroke between two points [x, y], in pixels.

    The centre of the pixel in column i and row j is (i + 1/2, j + 1/2). */
export function stroke(values, side, from, to, radius, grey) {
  return Uint8Array.from(values, (value, p) => {
    const [x, y] = [(p % side) + 0.5, Math.floor(p / side) + 0.5];
    return distanceToSegment(x, y, from, to) <= radius ? grey : value;
  });
}

const ARROWS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };

/** Where a key moves the brush, within the image; null if it does not. */
export function moved([x, y], key, step, side) {
  if (!ARROWS[key]) return null;
  const inside = (value) => Math.min(side - 0.5, Math.max(0.5, value));
  return [inside(x + step * ARROWS[key][0]), inside(y + step * ARROWS[key][1])];
}
