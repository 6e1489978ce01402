// Previews of numbered statements, equations and terms: what a link means, without leaving the page.
// They open under a mouse and at a link that has the focus of the keyboard, not on touch.
// Escape closes them. A page opened from a file cannot read another one: there it shows its own only.
"use strict";

(() => {
  const KINDS = "div.proof, div.math[id^='equation-']";
  const TERMS = "dl.glossary > dt";
  const LINKS = "article a.internal[href*='#']";
  const OPENS_AFTER = 200; // milliseconds: a pointer that passes by opens nothing
  const CLOSES_AFTER = 250; // time for a pointer to travel from the link into the preview
  const MARGIN = 8; // pixels to the window's edge

  const pages = new Map();
  let box = null;
  let origin = null;
  let timer = 0;

  const withoutAnchor = (address) => address.split("#")[0];

  async function read(address) {
    const answer = await fetch(address);
    if (!answer.ok) throw new Error(`${address}: ${answer.status}`);
    return new DOMParser().parseFromString(await answer.text(), "text/html");
  }

  function page(address) {
    if (address === withoutAnchor(location.href)) return document;
    if (!pages.has(address)) pages.set(address, read(address));
    return pages.get(address);
  }

  // A copy that can stand elsewhere: no second use of a name, no address relative to its old page.
  function copy(statement, address) {
    const twin = document.importNode(statement, true);
    twin.querySelectorAll("a.headerlink").forEach((e) => e.remove());
    for (const element of [twin, ...twin.querySelectorAll("*")]) {
      element.removeAttribute("id");
      for (const name of ["href", "src"]) {
        if (element.hasAttribute(name) && element.namespaceURI === document.documentElement.namespaceURI) {
          element.setAttribute(name, new URL(element.getAttribute(name), address).href);
        }
      }
    }
    return twin;
  }

  // A term with its definition, which follows it.
  function entry(term, address) {
    const list = document.createElement("dl");
    list.append(copy(term, address), copy(term.nextElementSibling, address));
    return list;
  }

  async function find(link) {
    const address = withoutAnchor(link.href);
    const name = decodeURIComponent(link.hash.slice(1));
    const target = (await page(address)).getElementById(name);
    if (target?.matches(TERMS)) return entry(target, address);
    return target?.matches(KINDS) ? copy(target, address) : null;
  }

  function place(link) {
    const lines = link.getClientRects();
    const line = lines[lines.length - 1];
    const { width, height } = box.getBoundingClientRect();
    const right = document.documentElement.clientWidth - width - MARGIN;
    const below = line.bottom + MARGIN;
    const fits = below + height <= innerHeight || line.top < height + MARGIN;
    const top = fits ? below : line.top - height - MARGIN;
    box.style.left = `${Math.max(MARGIN, Math.min(line.left, right)) + scrollX}px`;
    box.style.top = `${top + scrollY}px`;
  }

  function close() {
    clearTimeout(timer);
    if (origin) origin.removeAttribute("aria-describedby");
    if (box) box.remove();
    box = origin = null;
  }

  async function open(link) {
    close();
    origin = link;
    const statement = await find(link).catch(() => null);
    if (!statement || origin !== link) return;
    const made = document.createElement("div");
    made.className = "statement-preview bd-content";
    made.id = "statement-preview";
    made.setAttribute("role", "tooltip");
    made.append(statement);
    made.addEventListener("pointerenter", () => clearTimeout(timer));
    made.addEventListener("pointerleave", closeSoon);
    box = made;
    document.body.append(made);
    const drawn = made.querySelector("mjx-container") || !window.MathJax?.typesetPromise;
    if (!drawn) await MathJax.typesetPromise([made]);
    if (box !== made) return;
    place(link);
    link.setAttribute("aria-describedby", made.id);
    made.classList.add("shown");
  }

  function openSoon(link) {
    clearTimeout(timer);
    if (link !== origin) timer = setTimeout(open, OPENS_AFTER, link);
  }

  function closeSoon() {
    clearTimeout(timer);
    timer = setTimeout(close, CLOSES_AFTER);
  }

  function attach(link) {
    link.addEventListener("pointerenter", (event) => {
      if (event.pointerType !== "touch") openSoon(link);
    });
    link.addEventListener("pointerleave", closeSoon);
    link.addEventListener("focus", () => {
      if (link.matches(":focus-visible")) open(link);
    });
    link.addEventListener("blur", close);
    link.addEventListener("click", close);
  }

  function start() {
    document.querySelectorAll(LINKS).forEach((link) => {
      // Names of the package lead to its reference, the sign beside a heading to itself.
      if (!link.matches(".headerlink") && !link.querySelector("code")) attach(link);
    });
    document.addEventListener("keydown", (event) => {
      if (event.key === "Escape") close();
    });
  }

  if (document.readyState === "loading") document.addEventListener("DOMContentLoaded", start);
  else start();
})();
