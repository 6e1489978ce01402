// Scale explorer: five scale-spaces of a photograph side by side, under one slider.

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

/** Scales of osmosis, computed one after another while the browser has nothing else to do.

    at(scale) is null before its turn; state() tells why. ready(scale) is called after each. */
function osmosisScales(image, towards, ready) {
  const scales = [lifted(image)];
  let [cancelled, state] = [false, "is being computed"];
  const later = globalThis.requestIdleCallback ?? ((work) => setTimeout(work, 10));
  const next = () => {
    if (cancelled) return;
    try {
      scales.push(osmosisNext(PROTOCOL, scales.at(-1), towards, scales.length - 1));
    } catch (error) {
      state = `cannot be computed: ${error.message}`;
      ready(null);
      return;
    }
    ready(scales.length - 1);
    if (scales.length <= SCALES) later(next);
  };
  later(next);
  const at = (scale) => (scale < scales.length ? grey(scales[scale]) : null);
  return { at, state: () => state, cancel: () => (cancelled = true) };
}

function computed(given, osmosis, scale) {
  if (scale === 0) return Object.fromEntries(PROCESSES.map(([name]) => [name, given.image]));
  return { ...linearScales(PROTOCOL, given, scale), osmosis: osmosis.at(scale) };
}

function caption(name, label, scale, variance) {
  const entropy = conditionalEntropy(PROTOCOL, name, scale);
  // Given the image, osmosis depends on its noise in a way that is not linear.
  const without = name === "osmosis" && scale > 0 ? "has no closed form" : "none: deterministic";
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

/** Square from the middle of a picture file, as bytes of grey values. */
async function decoded(file) {
  const bitmap = await createImageBitmap(file);
  const size = Math.min(bitmap.width, bitmap.height);
  const canvas = element("canvas", { width: SIDE, height: SIDE });
  const context = canvas.getContext("2d");
  context.imageSmoothingQuality = "high";
  context.fillStyle = "#fff"; // under transparent pictures
  context.fillRect(0, 0, SIDE, SIDE);
  const [left, top] = [(bitmap.width - size) / 2, (bitmap.height - size) / 2];
  context.drawImage(bitmap, left, top, size, size, 0, 0, SIDE, SIDE);
  const { data } = context.getImageData(0, 0, SIDE, SIDE);
  const luma = (p) => 0.299 * data[4 * p] + 0.587 * data[4 * p + 1] + 0.114 * data[4 * p + 2];
  return Uint8Array.from({ length: SIDE * SIDE }, (_, p) => Math.round(luma(p)));
}

function ownPhotograph(model, text) {
  const take = async (file) => {
    try {
      const bytes = await decoded(file);
      write(model, { own: new DataView(bytes.buffer), photograph: "own" });
    } catch {
      text.textContent = `${file.name} is not a picture that this browser can read.`;
    }
  };
  const chooser = element("input", {
    type: "file",
    accept: "image/*",
    onchange: () => chooser.files[0] && take(chooser.files[0]),
  });
  const node = element("label", { class: "control file" }, "your own, or drop it here", chooser);
  return { node, take };
}

function acceptDrops(el, take) {
  el.addEventListener("dragover", (event) => event.preventDefault());
  el.addEventListener("drop", (event) => {
    event.preventDefault();
    if (event.dataTransfer.files[0]) take(event.dataTransfer.files[0]);
  });
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
    osmosis = osmosisScales(given.image, towards, (done) => {
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
  const own = ownPhotograph(model, text);
  frame(el, {
    label: "Scale explorer",
    figures: views.map(([, , { node }]) => node),
    readout: text,
    controls: [
      slider(model, "scale", { label: "scale", stops }),
      player(model, "scale", { stops, seconds: 8, text }),
      photographs(model),
      own.node,
    ],
  });
  acceptDrops(el, own.take);
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
