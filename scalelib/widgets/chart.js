// Charts as SVG. They are described, not drawn step by step: show() takes all that is on them.

import { fixed, linearTicks, logTicks, plain } from "./numerics/ticks.js";
import { element } from "./ui.js";

const MARGIN = { left: 46, right: 14, top: 26, bottom: 40 };
const SPACE = "http://www.w3.org/2000/svg";

function shape(tag, attributes, ...children) {
  const made = document.createElementNS(SPACE, tag);
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  made.append(...children);
  return made;
}

function scale({ domain: [low, high], log = false }, [start, end]) {
  const f = log ? Math.log : (x) => x;
  return (value) => start + ((f(value) - f(low)) / (f(high) - f(low))) * (end - start);
}

function path(points, x, y) {
  let pen = "M";
  let text = "";
  for (const [a, b] of points) {
    if (Number.isFinite(a) && Number.isFinite(b)) {
      text += `${pen}${x(a).toFixed(2)} ${y(b).toFixed(2)}`;
      pen = "L";
    } else pen = "M";
  }
  return text;
}

function ticks(axis, length, apart) {
  const count = Math.max(2, Math.floor(length / apart));
  const places = axis.ticks ?? (axis.log ? logTicks : linearTicks)(...axis.domain, count);
  const step = Math.abs(places[1] - places[0]);
  const decimals = Math.max(0, -Math.floor(Math.log10(step) + 1e-9));
  const name = axis.format ?? (axis.log ? (v) => plain(v) : (v) => fixed(v, decimals));
  return places.map((place) => [place, name(place)]);
}

function axes({ x, y }, toX, toY, width, height) {
  const parts = [];
  for (const [place, name] of ticks(y, height, 40)) {
    const at = toY(place);
    parts.push(shape("line", { class: "grid", x1: 0, x2: width, y1: at, y2: at }));
    parts.push(shape("text", { class: "tick", x: -8, y: at, dy: "0.32em", "text-anchor": "end" }, name));
  }
  parts.push(shape("line", { class: "axis", x1: 0, x2: width, y1: height, y2: height }));
  for (const [place, name] of ticks(x, width, 70)) {
    const at = toX(place);
    parts.push(shape("line", { class: "axis", x1: at, x2: at, y1: height, y2: height + 4 }));
    parts.push(shape("text", { class: "tick", x: at, y: height + 16, "text-anchor": "middle" }, name));
  }
  parts.push(
    shape("text", { class: "name", x: width, y: height + 33, "text-anchor": "end" }, x.label),
    shape("text", { class: "name", x: 8 - MARGIN.left, y: -14 }, y.label),
  );
  return parts;
}

const CUT = {
  bands: ({ from, to, series }, x, y, width, height) => {
    const [a, b] = [x(from), x(to)];
    return [shape("rect", { class: `band s${series}`, x: a, width: Math.max(0, b - a), y: 0, height })];
  },
  bars: ({ from, to, height: value, series }, x, y) => {
    const [a, b, top] = [x(from), x(to), y(value)];
    const size = { x: a, width: Math.max(0, b - a), y: top, height: Math.max(0, y(0) - top) };
    return [shape("rect", { class: `bar s${series}`, ...size })];
  },
  rules: ({ at, axis = "x" }, x, y, width, height) => {
    const place = axis === "x" ? x(at) : y(at);
    const ends =
      axis === "x"
        ? { x1: place, x2: place, y1: 0, y2: height }
        : { x1: 0, x2: width, y1: place, y2: place };
    return [shape("line", { class: "rule", ...ends })];
  },
  lines: ({ points, series, dashed = false, thin = false }, x, y) => {
    const look = `line s${series}${dashed ? " dashed" : ""}${thin ? " thin" : ""}`;
    return [shape("path", { class: look, d: path(points, x, y) })];
  },
};

function dots({ x: { domain: wide }, y: { domain: tall }, dots: all = [] }, x, y) {
  const within = (value, [low, high]) => low <= value && value <= high;
  return all
    .filter(({ at: [a, b] }) => within(a, wide) && within(b, tall))
    .map(({ at: [a, b], series, radius = 5 }) =>
      shape("circle", { class: `dot s${series}`, cx: x(a), cy: y(b), r: radius }),
    );
}

/** Swatches and names, [series, name, kind]; kind is line, dashed, band or bar. */
function legend(entries) {
  const item = ([series, name, kind]) =>
    element("span", {}, element("i", { class: `swatch ${kind} s${series}` }), name);
  return element("div", { class: "legend" }, ...entries.map(item));
}

/** Let a pointer draw on a chart with axes that are not logarithmic. */
function drawable(svg, value, pen) {
  svg.classList.add("drawable");
  let from = null;
  svg.addEventListener("pointerdown", (event) => {
    svg.setPointerCapture(event.pointerId);
    from = value(event);
    pen(from, from);
  });
  svg.addEventListener("pointermove", (event) => {
    if (!svg.hasPointerCapture(event.pointerId)) return;
    const to = value(event);
    pen(from, to);
    from = to;
  });
}

/** A chart with the given description for screen readers and height in pixels.

    show({ x, y, ...marks }): an axis is { domain, label, log, ticks, format }; marks are lists of
    bands { from, to, series }, bars { from, to, height, series }, rules { at, axis },
    lines { points, series, dashed, thin } and dots { at: [x, y], series, radius }, drawn in this
    order. What lies outside of the domains is not shown. A pointer calls pen(from, to) with the
    values [x, y] under each part of its stroke, if there is a pen. Series 1 to 7 have the colours of the style sheet. */
export function chart({ label, height = 250, entries = [], pen = null }) {
  const svg = shape("svg", { role: "img", "aria-label": label, height });
  const node = element("div", { class: "chart" }, svg);
  if (entries.length) node.append(legend(entries));
  let shown;
  let width = 0;
  const room = () => [width - MARGIN.left - MARGIN.right, height - MARGIN.top - MARGIN.bottom];
  const draw = () => {
    if (!shown || !width) return;
    const [w, h] = room();
    const [x, y] = [scale(shown.x, [0, w]), scale(shown.y, [h, 0])];
    const inside = shape("svg", { width: w, height: h }); // cuts off what is outside
    for (const [kind, mark] of Object.entries(CUT)) {
      for (const item of shown[kind] ?? []) inside.append(...mark(item, x, y, w, h));
    }
    const place = { transform: `translate(${MARGIN.left} ${MARGIN.top})` };
    svg.replaceChildren(shape("g", place, ...axes(shown, x, y, w, h), inside, ...dots(shown, x, y)));
  };
  new ResizeObserver(([entry]) => {
    if (Math.abs(entry.contentRect.width - width) < 0.5) return;
    width = entry.contentRect.width;
    draw();
  }).observe(node);
  const show = (description) => {
    shown = description;
    draw();
  };
  const value = ({ clientX, clientY }) => {
    const box = svg.getBoundingClientRect();
    const [w, h] = room();
    const along = ({ domain: [low, high] }, share) => low + share * (high - low);
    return [
      along(shown.x, (clientX - box.left - MARGIN.left) / w),
      along(shown.y, 1 - (clientY - box.top - MARGIN.top) / h),
    ];
  };
  if (pen) drawable(svg, value, pen);
  return { node, show };
}
