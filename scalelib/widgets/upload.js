// Picture files of the reader. They are read in the browser and go nowhere else.

import { element } from "./ui.js";

/** Square from the middle of a picture file, as bytes of grey values in rows. */
async function decoded(file, side) {
  const bitmap = await createImageBitmap(file);
  const size = Math.min(bitmap.width, bitmap.height);
  const canvas = element("canvas", { width: side, height: side });
  const context = canvas.getContext("2d");
  context.imageSmoothingQuality = "high";
  context.fillStyle = "#fff"; // under transparent pictures
  context.fillRect(0, 0, side, side);
  const [left, top] = [(bitmap.width - size) / 2, (bitmap.height - size) / 2];
  context.drawImage(bitmap, left, top, size, size, 0, 0, side, side);
  const { data } = context.getImageData(0, 0, side, side);
  const luma = (p) => 0.299 * data[4 * p] + 0.587 * data[4 * p + 1] + 0.114 * data[4 * p + 2];
  return Uint8Array.from({ length: side * side }, (_, p) => Math.round(luma(p)));
}

/** Control that takes a picture file, also one dropped on el; take(bytes) gets side × side grey
    values. The text, a readout, names a file that cannot be read. */
export function pictureFile(el, { label, side, text, take }) {
  const read = async (file) => {
    let bytes;
    try {
      bytes = await decoded(file, side);
    } catch {
      text.textContent = `${file.name} is not a picture that this browser can read.`;
      return;
    }
    take(bytes);
  };
  const chooser = element("input", {
    type: "file",
    accept: "image/*",
    onchange: () => chooser.files[0] && read(chooser.files[0]),
  });
  el.addEventListener("dragover", (event) => event.preventDefault());
  el.addEventListener("drop", (event) => {
    event.preventDefault();
    if (event.dataTransfer.files[0]) read(event.dataTransfer.files[0]);
  });
  return element("label", { class: "control file" }, label, chooser);
}
