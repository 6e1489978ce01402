// Places of the ticks of an axis, and their names.

/** Round places from low to high; their number is as close to `count` as it gets. */
export function linearTicks(low, high, count) {
  const rough = (high - low) / count;
  const power = 10 ** Math.floor(Math.log10(rough));
  const distance = (step) => Math.abs(Math.log(step / rough));
  const steps = [1, 2, 5, 10].map((f) => f * power);
  const step = steps.reduce((best, s) => (distance(s) < distance(best) ? s : best));
  const first = Math.ceil(low / step - 1e-9);
  const last = Math.floor(high / step + 1e-9);
  return Array.from({ length: last - first + 1 }, (_, i) => (first + i) * step);
}

/** Powers of ten from low to high, at most `count` of them; both are positive. */
export function logTicks(low, high, count) {
  const first = Math.ceil(Math.log10(low) - 1e-9);
  const last = Math.floor(Math.log10(high) + 1e-9);
  const stride = Math.max(1, Math.ceil((last - first + 1) / count));
  const powers = [];
  for (let p = first; p <= last; p += stride) powers.push(10 ** p);
  return powers;
}

/** A number as text, with a true minus sign and no more digits than asked for. */
export function plain(value, digits = 3) {
  const rounded = Number(value.toPrecision(digits));
  return String(rounded === 0 ? 0 : rounded).replaceAll("-", "−");
}

/** A number with a fixed number of decimals and a true minus sign. */
export function fixed(value, decimals) {
  const text = value.toFixed(decimals);
  return Number(text) === 0 ? text.replace("-", "") : text.replace("-", "−");
}

/** The same with a sign in front of positive numbers. */
export function signed(value, decimals) {
  const text = fixed(value, decimals);
  return Number(text.replace("−", "-")) > 0 ? `+${text}` : text;
}

/** A power of ten, as 10⁻³. */
export function power(value) {
  const digits = String(Math.round(Math.log10(value)));
  return `10${[...digits].map((digit) => "⁰¹²³⁴⁵⁶⁷⁸⁹"[digit] ?? "⁻").join("")}`;
}
