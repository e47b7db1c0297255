// Figures in words that people read. Times come in microseconds, rates per second.

const NUMBERS = new Intl.NumberFormat('en', { maximumFractionDigits: 0 });

/** A whole number with its thousands apart. */
const count = (value) => (value === null || value === undefined ? '–' : NUMBERS.format(value));

/** Three digits: 1234 is `1,234`, 0.01234 is `0.0123`. */
function digits(value) {
  if (value === 0) return '0';
  const size = Math.abs(value);
  if (size >= 100) return NUMBERS.format(value);
  if (size >= 10) return value.toFixed(1);
  if (size >= 1) return value.toFixed(2);
  return String(Number(value.toPrecision(2)));
}

/** With a decimal prefix: `12.3 M`. */
function si(value, unit = '') {
  if (value === null || value === undefined || !Number.isFinite(value)) return '–';
  const prefixes = ['', 'k', 'M', 'G', 'T', 'P'];
  let step = 0;
  let size = Math.abs(value);
  while (size >= 999.5 && step < prefixes.length - 1) { size /= 1000; step += 1; }
  const tail = prefixes[step] + unit;
  return digits(value / 1000 ** step) + (tail ? ' ' + tail : '');
}

/** A round value beside an axis: `10 ms`, not `10.0 ms`. */
const round = (text) => text.replace(/(\.\d*?)0+(?!\d)/, '$1').replace(/\.(?!\d)/, '').replace(/^0\b.*/, (zero) => (zero.startsWith('0.') ? zero : '0'));

const bits = (value) => si(value, 'bit/s');
const bytes = (value) => si(value, 'B');
const rate = (value) => si(value) + '/s';

/** A duration: `120 µs`, `4.52 ms`, `1.57 s`, `2 min 5 s`. */
function span(micros) {
  if (micros === null || micros === undefined || !Number.isFinite(micros)) return '–';
  if (micros === 0) return '0';
  if (micros < 999.5) return digits(micros) + ' µs';
  if (micros < 999500) return digits(micros / 1e3) + ' ms';
  const seconds = micros / 1e6;
  if (seconds < 60) return digits(seconds) + ' s';
  const minutes = Math.floor(Math.round(seconds) / 60);
  const rest = Math.round(seconds) % 60;
  if (minutes < 60) return `${minutes} min ${rest} s`;
  return `${count(Math.floor(minutes / 60))} h ${minutes % 60} min`;
}

/** A part of a whole in per cent; what is not all of it never looks like all of it, nor what is something like nothing. */
function percent(part, whole = 1) {
  if (!whole || part === null || part === undefined) return '–';
  const value = (part / whole) * 100;
  if (value === 0 || value === 100) return value + ' %';
  if (value < 0.001) return '< 0.001 %';
  if (value > 99.99) return value > 99.9999 ? '> 99.9999 %' : value.toFixed(4) + ' %';
  if (value > 99) return value.toFixed(2) + ' %';
  return digits(value) + ' %';
}

const two = (value) => String(value).padStart(2, '0');

/** Time of day of a time in milliseconds since the epoch; with decimals where the span at hand is short. */
function clock(ms, width = Infinity) {
  const date = new Date(ms);
  const whole = `${two(date.getHours())}:${two(date.getMinutes())}:${two(date.getSeconds())}`;
  return width >= 4000 ? whole : `${whole}.${String(date.getMilliseconds()).padStart(3, '0')}`;
}

function day(ms) {
  const date = new Date(ms);
  return `${date.getFullYear()}-${two(date.getMonth() + 1)}-${two(date.getDate())}`;
}

/** An address with its port; IPv6 in brackets. */
const place = (ip, port) => (String(ip).includes(':') ? `[${ip}]:${port}` : `${ip}:${port}`);

/** `zero_window` is `zero window`. */
const words = (name) => String(name).replace(/_/g, ' ');
