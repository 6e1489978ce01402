// A picture that the reader paints on, by pointer or by keyboard.

import { moved, stroke } from "./numerics/painting.js";
import { picture } from "./picture.js";
import { element } from "./ui.js";

const STEP = 2; // pixels for each press of an arrow key

/** A square picture with a brush.

    values() gives the present grey values, brush() is { radius, grey }, and paint(bytes) gets
    the picture after each part of a stroke. show() is that of picture.js. */
export function easel({ heading, label, side, values, brush, paint }) {
  const painted = picture({ heading, label });
  const canvas = painted.node.querySelector("canvas");
  const cursor = element("div", { class: "brush" });
  const board = element("div", { class: "board" });
  canvas.replaceWith(board);
  board.append(canvas, cursor);
  canvas.setAttribute("role", "application");
  canvas.setAttribute("tabindex", 0);
  let at = [side / 2, side / 2];
  const pressed = new Set();

  const place = (to) => {
    at = to;
    const { radius, grey } = brush();
    const share = (pixels) => `${(100 * pixels) / side}%`;
    cursor.style.left = share(at[0] - radius);
    cursor.style.top = share(at[1] - radius);
    cursor.style.width = share(2 * radius);
    cursor.style.background = `rgb(${grey}, ${grey}, ${grey})`;
  };
  const draw = (to) => {
    const from = at;
    place(to);
    const { radius, grey } = brush();
    paint(stroke(values(), side, from, to, radius, grey));
  };
  const under = ({ clientX, clientY }) => {
    const box = canvas.getBoundingClientRect();
    return [((clientX - box.left) / box.width) * side, ((clientY - box.top) / box.height) * side];
  };
  const listen = (name, act) => canvas.addEventListener(name, act);
  listen("pointerdown", (event) => {
    canvas.setPointerCapture(event.pointerId);
    place(under(event));
    draw(at);
  });
  listen("pointermove", (event) => {
    if (canvas.hasPointerCapture(event.pointerId)) draw(under(event));
    else place(under(event));
  });
  listen("keydown", (event) => {
    pressed.add(event.key);
    const to = moved(at, event.key, STEP, side);
    if (!to && event.key !== " ") return;
    event.preventDefault(); // no scrolling
    if (pressed.has(" ")) draw(to ?? at);
    else place(to);
  });
  listen("keyup", (event) => pressed.delete(event.key));
  listen("blur", () => pressed.clear());
  place(at);
  return painted;
}
