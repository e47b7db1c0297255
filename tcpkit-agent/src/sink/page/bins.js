// What happened from one moment to the next: differences of two reports while tcpkit runs, or a recorded series.
//
// A bin is `{begin, time, seconds, bytes, …}`: from `begin` to `time`, in milliseconds since the epoch; `seconds` is what
// rates are made with; counts are of its time only.
// Its `latency` has, by kind, `p50 p90 p99` in microseconds and `rows`, samples by row of the heat map.

const RESULTS = ['success', 'reject', 'timeout', 'unreachable', 'aborted', 'pending', 'midstream'];
const CAUSES = ['rto', 'fast', 'tlp', 'spurious', 'unknown'];
const KINDS = ['requests', 'towards_server', 'towards_client'];

/** The counters of a report that bins are differences of. */
function counters(report) {
  const { totals, bandwidth, handshake, retransmit, latency, ledger } = report;
  const requests = latency.requests ?? {};
  const directions = bandwidth.directions ?? {};
  return {
    bytes: totals.bytes, packets: totals.packets, frames: totals.frames, flows: totals.flows,
    inbound: directions.inbound?.bytes ?? 0, outbound: directions.outbound?.bytes ?? 0,
    undirected: directions.unknown?.bytes ?? 0,
    segments: retransmit.data_segments, again: retransmit.retransmissions, results: handshake.results,
    requests: requests.requests ?? 0, errors: requests.errors ?? 0, unanswered: requests.unanswered ?? 0,
    matched: ledger.total.matched, delivered: ledger.total.delivered,
    distribution: latency.distribution ?? {},
  };
}

function difference(now, before) {
  if (typeof now === 'number') return Math.max(0, now - (before ?? 0));
  const parts = {};
  for (const key of Object.keys(now)) parts[key] = difference(now[key], before?.[key]);
  return parts;
}

/** A bin from the counters of two reports. */
function binOf(now, before, { begin, time, seconds }) {
  const { distribution, ...counts } = now;
  const bin = { begin, time, seconds, ...difference(counts, before), latency: {} };
  for (const kind of KINDS) {
    bin.latency[kind] = spread(distribution[kind] ?? [], before.distribution[kind] ?? []);
  }
  return bin;
}

/** Percentiles and rows of what came between two distributions of buckets `{from_us, below_us, samples}`. */
function spread(now, before) {
  const earlier = new Map(before.map((bucket) => [bucket.from_us, bucket.samples]));
  const fresh = [];
  let samples = 0;
  for (const bucket of now) {
    const more = bucket.samples - (earlier.get(bucket.from_us) ?? 0);
    if (more > 0) { fresh.push({ ...bucket, samples: more }); samples += more; }
  }
  if (!samples) return null;
  const rows = {};
  for (const bucket of fresh) {
    const row = Math.floor(rowOf(bucket.from_us) + 1e-6);
    rows[row] = (rows[row] ?? 0) + bucket.samples;
  }
  const at = (share) => {
    let below = 0;
    const rank = Math.max(1, Math.ceil(samples * share));
    const bucket = fresh.find((one) => (below += one.samples) >= rank);
    return (bucket.from_us + bucket.below_us) / 2;
  };
  return { samples, p50: at(0.5), p90: at(0.9), p99: at(0.99), rows };
}

/** Rows of the heat map: two for each doubling, from a nanosecond on; whole numbers are their lower ends. */
function rowOf(micros) {
  const nanos = Math.max(1, micros * 1000);
  const power = Math.floor(Math.log2(nanos) + 1e-9);
  const part = nanos / 2 ** power - 1;
  return power * 2 + part * 2;
}

const rowFrom = (row) => (2 ** Math.floor(row / 2) * (row % 2 ? 1.5 : 1)) / 1000;

/** The series of a report from its columns `{path: values}`, 0 where a bin has nothing; `at` are numbers of bins. */
function unpacked({ bin_us: width, first_us: first, at, columns }) {
  const bins = at.map((number) => ({ time_us: first + number * width }));
  for (const [path, values] of Object.entries(columns)) {
    const above = path.split('.');
    const field = above.pop();
    values.forEach((value, number) => {
      if (value) above.reduce((part, key) => (part[key] ??= {}), bins[number])[field] = value;
    });
  }
  return bins;
}

/** The bins of a recorded series; where nothing happened it has none, and we have empty ones. */
function recorded(series) {
  const width = series.bin_us;
  const bins = [];
  const some = unpacked(series);
  let next = some[0]?.time_us;
  for (const one of some) {
    for (; next < one.time_us; next += width) bins.push(quiet(next + width, width));
    bins.push(filled(one, width));
    next = one.time_us + width;
  }
  return bins;
}

function quiet(end, width) {
  return {
    begin: (end - width) / 1000, time: end / 1000, seconds: width / 1e6, bytes: 0, packets: 0, frames: 0, flows: 0, inbound: 0, outbound: 0, undirected: 0,
    segments: 0, again: {}, results: {}, requests: 0, errors: 0, unanswered: 0, matched: 0, delivered: 0, latency: {},
  };
}

function filled(one, width) {
  const bin = quiet(one.time_us + width, width);
  Object.assign(bin, {
    bytes: one.bytes ?? 0, packets: one.packets ?? 0, frames: one.frames ?? 0, flows: one.flows ?? 0,
    inbound: one.inbound_bytes ?? 0, outbound: one.outbound_bytes ?? 0, segments: one.data_segments ?? 0,
    again: one.retransmissions ?? {}, results: one.handshakes ?? {},
    requests: one.requests ?? 0, errors: one.errors ?? 0, unanswered: one.unanswered ?? 0,
  });
  bin.undirected = bin.bytes - bin.inbound - bin.outbound;
  for (const kind of KINDS) {
    const latency = one.latency?.[kind];
    if (!latency) continue;
    const rows = {};
    latency.rows.forEach((samples, number) => { if (samples) rows[latency.first_row + number] = samples; });
    bin.latency[kind] = { p50: 0, p90: 0, p99: 0, ...latency, rows };
  }
  return bin;
}

/** Neighbouring bins put together, so that there are at most so many. */
function coarser(bins, most) {
  const step = Math.ceil(bins.length / most);
  if (step <= 1) return bins;
  const groups = [];
  for (let at = bins.length; at > 0; at -= step) groups.unshift(bins.slice(Math.max(0, at - step), at).reduce(joined));
  return groups;
}

function joined(a, b) {
  const sum = (x, y) => {
    if (typeof x !== 'object' && typeof y !== 'object') return (x ?? 0) + (y ?? 0);
    const parts = {};
    for (const key of new Set([...Object.keys(x ?? {}), ...Object.keys(y ?? {})])) parts[key] = sum(x?.[key], y?.[key]);
    return parts;
  };
  const { latency: one, begin, time: _earlier, ...left } = a;
  const { latency: other, begin: _later, time, ...right } = b;
  const latency = {};
  for (const kind of KINDS) latency[kind] = together(one[kind], other[kind], sum);
  return { ...sum(left, right), begin, time, latency };
}

/** Percentiles do not add up: of two times the worse stands for both. */
function together(a, b, sum) {
  if (!a || !b) return a ?? b ?? null;
  const worse = (key) => Math.max(a[key], b[key]);
  return { samples: a.samples + b.samples, p50: worse('p50'), p90: worse('p90'), p99: worse('p99'), rows: sum(a.rows, b.rows) };
}
