// Scales: where a value stands, and which values are written beside an axis.

/** Round values from 0 to a little above `most`. */
function linear(most, wanted = 4) {
  const rough = (most || 1) / wanted;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 2.5, 5, 10].find((factor) => factor * power >= rough * 0.999) * power;
  const ticks = [];
  for (let at = 0; at < most + step * 0.999; at += step) ticks.push(at);
  if (ticks.length === 1) ticks.push(step);
  const top = ticks[ticks.length - 1];
  return { ticks, place: (value) => Math.min(1, value / top) };
}

/** Powers of ten around these values. */
function logarithmic(least, most) {
  const from = Math.floor(Math.log10(Math.max(least, 1)));
  const to = Math.max(from + 1, Math.ceil(Math.log10(Math.max(most, 10))));
  const ticks = [];
  for (let power = from; power <= to; power += 1) ticks.push(10 ** power);
  const place = (value) => Math.min(1, Math.max(0, (Math.log10(Math.max(value, 1e-3)) - from) / (to - from)));
  return { ticks, place };
}

/** Round times between two, as many as fit. */
function timeTicks(from, to, wanted) {
  const steps = [1, 2, 5, 10, 20, 50, 100, 200, 500, 1e3, 2e3, 5e3, 1e4, 15e3, 3e4, 6e4, 12e4, 3e5, 6e5, 9e5, 18e5, 36e5, 72e5, 216e5, 432e5, 864e5];
  const step = steps.find((one) => (to - from) / one <= wanted) ?? 864e5 * Math.ceil((to - from) / 864e5 / wanted);
  const shift = new Date(from).getTimezoneOffset() * 6e4;
  const ticks = [];
  for (let at = Math.ceil((from - shift) / step) * step + shift; at <= to; at += step) ticks.push(at);
  return ticks;
}
