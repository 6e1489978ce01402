// Frame, controls and readout of a widget. The model is the only state: controls write to it, and
// everything on show follows it. Listeners on the model end with the view.

const family = Math.random().toString(36).slice(2); // tells the controls of two widgets apart
let numbered = 0;

/** Create an element; attributes that start with "on" are listeners. */
export function element(tag, attributes = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith("on")) made.addEventListener(name.slice(2), value);
    else if (value === true) made.setAttribute(name, "");
    else if (value !== false && value !== undefined) made.setAttribute(name, value);
  }
  made.append(...children);
  return made;
}

/** Lay out a widget: figures side by side where there is room, and charts below them, if there are;
    then the readout, then controls. */
export function frame(el, { label, figures, charts = [], readout, controls }) {
  el.append(
    element(
      "div",
      { class: "scalelib-widget", role: "group", "aria-label": label },
      element("div", { class: "figures" }, ...figures),
      ...(charts.length ? [element("div", { class: "figures" }, ...charts)] : []),
      readout,
      element("div", { class: "controls" }, ...controls),
    ),
  );
}

/** Text that says in words and numbers what is on show; screen readers speak its changes. */
export function readout() {
  return element("p", { class: "readout", role: "status", "aria-live": "polite" });
}

/** Call draw now and, at most once a frame, after each change of the named traits. */
export function follow(model, names, draw) {
  let waiting = false;
  const later = () => {
    if (waiting) return;
    waiting = true;
    requestAnimationFrame(() => {
      waiting = false;
      draw();
    });
  };
  for (const name of names) model.on(`change:${name}`, later);
  draw();
}

/** Set traits and tell the kernel, if there is one. */
export function write(model, values) {
  for (const [name, value] of Object.entries(values)) model.set(name, value);
  model.save_changes();
}

/** Numbers from low to high in equal steps. */
export function range(low, high, step) {
  const count = Math.round((high - low) / step);
  return Array.from({ length: count + 1 }, (_, i) => Number((low + i * step).toPrecision(12)));
}

/** Numbers from low to high in equal ratios, rounded to three digits. */
export function geometric(low, high, count) {
  const ratio = (high / low) ** (1 / (count - 1));
  return Array.from({ length: count }, (_, i) => Number((low * ratio ** i).toPrecision(3)));
}

function nearest(stops, value) {
  let best = 0;
  stops.forEach((stop, i) => {
    if (Math.abs(stop - value) < Math.abs(stops[best] - value)) best = i;
  });
  return best;
}

/** Slider for a numeric trait over the given stops, an increasing list. */
export function slider(model, name, { label, stops, format = String }) {
  const id = `w${family}-${(numbered += 1)}`;
  const input = element("input", {
    id,
    type: "range",
    min: 0,
    max: stops.length - 1,
    step: 1,
    oninput: () => write(model, { [name]: stops[Number(input.value)] }),
  });
  const value = element("output", { for: id });
  follow(model, [name], () => {
    const text = format(model.get(name));
    input.value = nearest(stops, model.get(name));
    input.setAttribute("aria-valuetext", text);
    value.textContent = text;
  });
  return element("div", { class: "control slider" }, element("label", { for: id }, label), input, value);
}

/** Drop-down list for a trait; options are pairs [value, label]. */
export function select(model, name, { label, options }) {
  const id = `w${family}-${(numbered += 1)}`;
  const list = element(
    "select",
    { id, onchange: () => write(model, { [name]: options[list.selectedIndex][0] }) },
    ...options.map(([, text]) => element("option", {}, text)),
  );
  follow(model, [name], () => {
    list.selectedIndex = options.findIndex(([value]) => value === model.get(name));
  });
  return element("div", { class: "control list" }, element("label", { for: id }, label), list);
}

/** Check box for a Boolean trait. */
export function toggle(model, name, { label }) {
  const box = element("input", {
    type: "checkbox",
    onchange: () => write(model, { [name]: box.checked }),
  });
  follow(model, [name], () => {
    box.checked = model.get(name);
  });
  return element("label", { class: "control toggle" }, box, label);
}

/** Button that acts. */
export function button(label, act) {
  return element("button", { type: "button", class: "control", onclick: act }, label);
}

/** Button that brings traits back to what they are now. */
export function reset(model, names) {
  const values = Object.fromEntries(names.map((name) => [name, model.get(name)]));
  return button("Reset", () => write(model, values));
}

/** Whether the reader asked for less motion. */
export function reducedMotion() {
  return matchMedia("(prefers-reduced-motion: reduce)").matches;
}

/** Call step(fraction) with fraction from 0 to 1 over some seconds, once; gives a way to stop.
    Where the reader asked for less motion, it is called with 1 at once. */
export function tween(el, seconds, step) {
  if (reducedMotion()) {
    step(1);
    return () => {};
  }
  let start;
  let running = true;
  const tick = (now) => {
    if (!running || !el.isConnected) return;
    start ??= now;
    const fraction = Math.min(1, (now - start) / (1000 * seconds));
    step(fraction);
    if (fraction < 1) requestAnimationFrame(tick);
  };
  requestAnimationFrame(tick);
  return () => {
    running = false;
  };
}

/** Move a numeric trait on by some of its stops. It ends on the last one, and goes on with the
    first. Tells whether it has come to the last one. */
function moveOn(model, name, stops, by) {
  const [place, last] = [nearest(stops, model.get(name)), stops.length - 1];
  const next = place === last ? 0 : Math.min(last, place + by);
  write(model, { [name]: stops[next] });
  return next === last;
}

/** Button that plays a numeric trait through its stops, and pauses. It wraps around at the end.
    stops() gives them in the order of play.
    Where the reader asked for less motion, each press moves on by a tenth of the way. Screen
    readers speak the text, a readout, where it stops, and not on its way. */
export function player(model, name, { stops, seconds, text }) {
  const still = reducedMotion();
  let timer = null;
  const show = () => {
    made.textContent = still ? "Step" : timer === null ? "Play" : "Pause";
  };
  const pause = () => {
    clearInterval(timer);
    timer = null;
    text.setAttribute("aria-live", "polite");
    text.replaceChildren(text.textContent); // a change, so that it is spoken
    show();
  };
  const play = () => {
    text.setAttribute("aria-live", "off");
    const order = stops();
    const interval = Math.max(40, (1000 * seconds) / order.length);
    const stride = Math.max(1, Math.round((interval * order.length) / (1000 * seconds)));
    timer = setInterval(() => {
      if (!made.isConnected || moveOn(model, name, order, stride)) pause();
    }, interval);
  };
  const press = () => {
    if (still) moveOn(model, name, stops(), Math.ceil(stops().length / 10));
    else if (timer === null) play();
    else pause();
    show();
  };
  const made = button("", press);
  show();
  return made;
}

/** Call draw after each change of the colours of the page. */
export function followTheme(draw) {
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", draw);
  const options = { attributes: true, attributeFilter: ["data-theme", "data-jp-theme-light"] };
  const observer = new MutationObserver(draw);
  observer.observe(document.documentElement, options);
  observer.observe(document.body, options);
}

/** A colour of the style sheet, such as "--series-1", as drawing on a canvas needs it. */
export function colour(el, name) {
  return getComputedStyle(el).getPropertyValue(name).trim();
}
