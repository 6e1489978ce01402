// Scale explorer: five scale-spaces of a photograph side by side, under one slider.

import { inIdleTime } from "./idle.js";
import {
  conditionalEntropy,
  grey,
  guidance,
  lifted,
  linearScales,
  osmosisNext,
  prepared,
  protocol,
  SCALES,
  spatialVariance,
} from "./numerics/explorer.js";
import { normals, uniform } from "./numerics/random.js";
import { fixed, plain } from "./numerics/ticks.js";
import { picture } from "./picture.js";
import { element, follow, frame, player, range, readout, select, slider, write } from "./ui.js";
import { pictureFile } from "./upload.js";

const PROCESSES = [
  ["preserving", "variance preserving"],
  ["heat", "inverse heat dissipation"],
  ["diffusion", "homogeneous diffusion"],
  ["blurring", "blurring diffusion"],
  ["osmosis", "osmosis"],
];
const SIDE = 96;
const WHOLE = [-1, 1];
const PROTOCOL = protocol(SIDE);

function chosenImage(model) {
  const name = model.get("photograph");
  const own = name === "own";
  const view = model.get(own ? "own" : "pixels");
  const start = own ? 0 : model.get("names").indexOf(name) * SIDE * SIDE;
  const bytes = new Uint8Array(view.buffer, view.byteOffset + start, SIDE * SIDE);
  return Float64Array.from(bytes, (b) => b / 127.5 - 1);
}

function computed(given, osmosis, scale) {
  if (scale === 0) return Object.fromEntries(PROCESSES.map(([name]) => [name, given.image]));
  const evolved = osmosis.at(scale);
  return { ...linearScales(PROTOCOL, given, scale), osmosis: evolved && grey(evolved) };
}

function caption(name, label, scale, variance) {
  const entropy = conditionalEntropy(PROTOCOL, name, scale);
  // Osmosis keeps the mean grey value of the image exactly, so that its law has no density.
  const without = name === "osmosis" && scale > 0 ? "−∞: the mean is kept" : "−∞: deterministic";
  const noise = entropy === null ? without : `${fixed(entropy, 2)} nats per pixel`;
  return [
    element("strong", {}, label),
    element("br"),
    `spatial variance ${variance}`,
    element("br"),
    `conditional entropy ${noise}`,
  ];
}

function say(variances, scale) {
  if (scale === 0) return "Scale 0: all five start from the photograph.";
  const time = PROTOCOL.times[scale - 1];
  const list = PROCESSES.map(([name, label]) => `${label} ${variances[name]}`).join(", ");
  return `Scale ${scale} of ${SCALES}. Diffusion time ${plain(time)} pixel², a blur of ${plain(Math.sqrt(2 * time))} pixels. Spatial variance: ${list}.`;
}

function photographs(model) {
  const names = model.get("names").map((name) => [name, name.replaceAll("_", " ")]);
  const list = select(model, "photograph", {
    label: "photograph",
    options: [...names, ["own", "your own"]],
  });
  const own = list.querySelector("option:last-child");
  follow(model, ["own"], () => {
    own.disabled = !model.get("own").byteLength;
  });
  return list;
}

/** Keep the scales of the chosen photograph, and hand those under the slider to draw(found, why):
    a missing one is null, and `why` says what it waits for. Gives a way to stop. */
function followScales(model, draw) {
  const noise = normals(uniform(7), SIDE * SIDE);
  const towards = guidance(noise);
  let [given, osmosis] = [null, null];
  const show = () => draw(computed(given, osmosis, model.get("scale")), osmosis.state());
  const start = () => {
    osmosis?.cancel();
    given = prepared(chosenImage(model), noise, SIDE);
    const next = (state, from) => osmosisNext(PROTOCOL, state, towards, from);
    osmosis = inIdleTime(lifted(given.image), next, SCALES, (done) => {
      if (done === null || done === model.get("scale")) show();
    });
    show();
  };
  follow(model, ["photograph", "own"], start);
  follow(model, ["scale"], show);
  return () => osmosis.cancel();
}

function render({ model, el }) {
  const views = PROCESSES.map(([name, label]) => [name, label, picture({ heading: label, label })]);
  const text = readout();
  const stops = range(0, SCALES, 1);
  const own = pictureFile(el, {
    label: "your own, or drop it here",
    side: SIDE,
    text,
    take: (bytes) => write(model, { own: new DataView(bytes.buffer), photograph: "own" }),
  });
  frame(el, {
    label: "Scale explorer",
    figures: views.map(([, , { node }]) => node),
    readout: text,
    controls: [
      slider(model, "scale", { label: "scale", stops }),
      player(model, "scale", { stops: () => stops, seconds: 8, text }),
      photographs(model),
      own,
    ],
  });
  return followScales(model, (found, why) => {
    const [scale, variances] = [model.get("scale"), {}];
    for (const [name, label, { node, show, title }] of views) {
      const image = found[name];
      variances[name] = image ? fixed(spatialVariance(image), 3) : why;
      node.classList.toggle("missing", !image);
      if (image) show(image, SIDE, WHOLE);
      title.replaceChildren(...caption(name, label, scale, variances[name]));
    }
    text.textContent = say(variances, scale);
  });
}

export default { render };
