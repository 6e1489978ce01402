// Pictures: grey values on a canvas, one square for each.

import { element } from "./ui.js";

/** A square picture with a heading and a description for screen readers.

    show(values, side, [black, white]) draws rows of grey values; values beyond are shown as black
    and white. */
export function picture({ heading, label }) {
  const canvas = element("canvas", { role: "img", "aria-label": label });
  const title = element("div", { class: "heading" }, heading);
  const node = element("div", { class: "picture" }, title, canvas);
  const show = (values, side, [black, white]) => {
    canvas.width = side;
    canvas.height = side;
    const pixels = new ImageData(side, side);
    values.forEach((value, place) => {
      const grey = Math.round((255 * (value - black)) / (white - black));
      pixels.data.set([grey, grey, grey, 255], 4 * place); // clamped by the canvas
    });
    canvas.getContext("2d").putImageData(pixels, 0, 0);
  };
  return { node, title, show };
}
