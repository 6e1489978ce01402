// Long computations, step by step, while the browser has nothing else to do.

const later = globalThis.requestIdleCallback ?? ((work) => setTimeout(work, 10));

/** The sequence first, next(first, 0), next(..., 1) ... with count members after the first.

    at(k) is null before its turn; state() tells why. ready(k) is called after each, and
    ready(null) if one cannot be computed. */
export function inIdleTime(first, next, count, ready) {
  const found = [first];
  let [cancelled, state] = [false, "is being computed"];
  const work = () => {
    if (cancelled) return;
    try {
      found.push(next(found.at(-1), found.length - 1));
    } catch (error) {
      state = `cannot be computed: ${error.message}`;
      ready(null);
      return;
    }
    ready(found.length - 1);
    if (found.length <= count) later(work);
  };
  later(work);
  return { at: (k) => found[k] ?? null, state: () => state, cancel: () => (cancelled = true) };
}
