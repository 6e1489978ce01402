// Osmosis playground: paint the guidance image and watch osmosis come to its steady state.

import { chart } from "./chart.js";
import { easel } from "./easel.js";
import { inIdleTime } from "./idle.js";
import { average, nextState, raised, relativeEntropy, steadyState, STEPS, TIMES } from "./numerics/playground.js";
import { fixed, plain, power } from "./numerics/ticks.js";
import { picture } from "./picture.js";
import { follow, frame, player, range, readout, reset, select, slider, write } from "./ui.js";
import { pictureFile } from "./upload.js";

const SIDE = 64;
const GREY = [0, 255];
const [LOWEST, HIGHEST] = [1e-9, 1]; // relative entropies on the chart
const LAST = TIMES.at(-1);
const TRAITS = ["guidance", "own", "start", "offset", "step", "grey", "radius"]; // the reader's

/** Grey values by name: one of the list, or the reader's own. */
function image(model, name) {
  const view = model.get(name === "own" ? "own" : "pixels");
  const start = name === "own" ? 0 : model.get("names").indexOf(name) * SIDE * SIDE;
  return new Uint8Array(view.buffer, view.byteOffset + start, SIDE * SIDE);
}

function options(model) {
  return model.get("names").map((name) => [name, name.replaceAll("_", " ")]);
}

/** The guidance of the reader: a picture or what was painted. */
function own(model, bytes) {
  write(model, { own: new DataView(bytes.buffer), guidance: "own" });
}

function guidances(model) {
  const list = select(model, "guidance", {
    label: "guidance image",
    options: [...options(model), ["own", "your own"]],
  });
  const last = list.querySelector("option:last-child");
  follow(model, ["own"], () => {
    last.disabled = !model.get("own").byteLength;
  });
  return list;
}

/** Keep the states of osmosis for the chosen images, and call draw(states) when one is there. */
function followStates(model, draw) {
  let states = null;
  const show = () => draw(states);
  const start = () => {
    states?.cancel();
    const offset = model.get("offset");
    const v = raised(image(model, model.get("guidance")), offset);
    const first = raised(image(model, model.get("start")), offset);
    const w = steadyState(v, first);
    const measured = [[relativeEntropy(first, w), average(first)]];
    const sequence = inIdleTime(first, (u, k) => nextState(v, u, k), STEPS, (done) => {
      if (done === null) return show();
      const u = sequence.at(done);
      measured.push([relativeEntropy(u, w), average(u)]);
      show();
    });
    states = { ...sequence, v, w, measured, offset };
    show();
  };
  follow(model, ["guidance", "own", "start", "offset"], start);
  follow(model, ["step"], show);
  return () => states.cancel();
}

const line = (measured, part, shift) =>
  measured.map((values, k) => [TIMES[k], values[part] - shift]).slice(1);

function showCharts({ entropies, masses }, { measured, offset, v }, step) {
  const x = { domain: [TIMES[1], LAST], log: true, label: "diffusion time in pixel²" };
  const now = (points) => (step ? points.slice(step - 1, step) : []).map((at) => ({ at, series: 1 }));
  const [falling, flat] = [line(measured, 0, 0), line(measured, 1, offset)];
  entropies.show({
    x,
    y: {
      domain: [LOWEST, HIGHEST],
      log: true,
      label: "relative entropy in nats",
      ticks: [1e-9, 1e-6, 1e-3, 1],
      format: power,
    },
    lines: [{ points: falling, series: 1 }],
    dots: now(falling),
  });
  masses.show({
    x,
    y: { domain: GREY, label: "average grey value" },
    rules: [{ at: average(v) - offset, axis: "y" }],
    lines: [{ points: flat, series: 1 }],
    dots: now(flat),
  });
}

function say({ measured, state, offset }, step) {
  if (!measured[step]) return `Step ${step} of ${STEPS} ${state()}.`;
  const [[distance, mass], [, first]] = [measured[step], measured[0]];
  const time = step ? `Diffusion time ${plain(TIMES[step])} pixel²` : "The start";
  const drift = Math.abs(mass - first);
  const kept = drift < 1e-6 ? "as at the start" : `changed by ${plain(drift, 1)}`;
  return (
    `${time}: relative entropy to the steady state ${plain(distance)} nats; ` +
    `average grey value ${fixed(mass - offset, 2)}, ${kept}.`
  );
}

function charts() {
  const entropies = chart({ label: "Relative entropy to the steady state against time", height: 190 });
  const masses = chart({ label: "Average grey value against time", height: 190 });
  return { entropies, masses };
}

function controls(model, el, text) {
  const stops = range(0, STEPS, 1);
  return [
    slider(model, "step", { label: "step", stops }),
    player(model, "step", { stops: () => stops, seconds: 6, text }),
    select(model, "start", { label: "initial image", options: options(model) }),
    guidances(model),
    slider(model, "offset", { label: "offset", stops: [1, 4, 16, 64, 255, 1000] }),
    slider(model, "grey", { label: "grey value of the brush", stops: range(0, 255, 15) }),
    slider(model, "radius", { label: "radius of the brush", stops: range(1, 12, 1) }),
    pictureFile(el, {
      label: "your own guidance, or drop it here",
      side: SIDE,
      text,
      take: (bytes) => own(model, bytes),
    }),
    reset(model, TRAITS),
  ];
}

function render({ model, el }) {
  const guidance = () => image(model, model.get("guidance"));
  const canvas = easel({
    heading: "guidance image: paint here",
    label: "Guidance image. Arrow keys move the brush, the space bar paints.",
    side: SIDE,
    values: guidance,
    brush: () => ({ radius: model.get("radius"), grey: model.get("grey") }),
    paint: (bytes) => own(model, bytes),
  });
  const evolving = picture({ heading: "osmosis", label: "The evolving image" });
  const steady = picture({ heading: "steady state", label: "The steady state" });
  const drawn = charts();
  const text = readout();
  frame(el, {
    label: "Osmosis playground",
    figures: [canvas.node, evolving.node, steady.node],
    charts: [drawn.entropies.node, drawn.masses.node],
    readout: text,
    controls: controls(model, el, text),
  });
  let said = "";
  return followStates(model, (states) => {
    const step = model.get("step");
    const shown = (values) => values.map((value) => value - states.offset);
    const u = states.at(step);
    evolving.node.classList.toggle("missing", !u);
    canvas.show(guidance(), SIDE, GREY);
    if (u) evolving.show(shown(u), SIDE, GREY);
    steady.show(shown(states.w), SIDE, GREY);
    showCharts(drawn, states, step);
    const words = say(states, step);
    if (words !== said) text.textContent = words; // a message on a file stays during computation
    said = words;
  });
}

export default { render };
