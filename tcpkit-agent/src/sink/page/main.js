// The page: where reports come from, how long the past is, and what is said when something is wrong.

/** From above to below; what stands in one row are columns of cards. */
const ROWS = [
  [[throughput]], [[handshakes], [retransmissions]], [[latency]], [[commands, talkers, bandwidth], [slow, stalls, events]], [[ledger]],
];
const CARDS = ROWS.flat(2);
const KEPT_MS = 5 * 60 * 1000;
const POLL_MS = 1000;

const state = { bins: [], before: null, report: null, paused: false, restarted: null, trouble: null, since: null, failures: 0 };

/** Light or dark: as the system says, until somebody chooses; the choice lasts as long as the browser keeps it. */
function theme() {
  const dark = matchMedia('(prefers-color-scheme: dark)');
  const stored = () => { try { return localStorage.getItem('tcpkit-theme'); } catch { return null; } };
  const apply = () => {
    const chosen = stored() ?? (dark.matches ? 'dark' : 'light');
    document.documentElement.dataset.theme = chosen;
    say(find('theme'), chosen === 'dark' ? 'Light' : 'Dark');
    find('theme').setAttribute('aria-label', `Change to ${chosen === 'dark' ? 'light' : 'dark'} colours`);
    CARDS.forEach((one) => one.heat?.render());
  };
  find('theme').addEventListener('click', () => {
    const next = document.documentElement.dataset.theme === 'dark' ? 'light' : 'dark';
    try { localStorage.setItem('tcpkit-theme', next); } catch { document.documentElement.dataset.theme = next; }
    apply();
  });
  dark.addEventListener('change', apply);
  apply();
}

function build() {
  const nav = document.querySelector('nav');
  for (const one of CARDS) {
    one.element = one.build();
    one.link = make('a', { href: `#${one.id}` }, one.title);
    nav.append(one.link);
  }
  for (const row of ROWS) {
    const columns = row.map((cards) => make('div', { class: 'column' }, ...cards.map((one) => one.element)));
    find('cards').append(make('div', { class: 'row' }, ...columns));
  }
}

function pill(element, text, kind) {
  say(element, text);
  element.className = `pill ${kind}`;
}

/** The latest seconds, for the tiles; a recorded capture is shown as a whole. */
function recent(live) {
  const bins = live ? state.bins.slice(-3) : state.bins;
  return bins.length ? bins.reduce(joined) : null;
}

function tiles(report, live) {
  const bin = recent(live);
  const { totals, bandwidth: use, handshake, retransmit, latency: { requests, towards_server: server }, stalls: waits } = report;
  const seconds = totals.duration_us / 1e6;
  const mean = (value) => (seconds > 0 ? value / seconds : null);
  const now = (pick, whole) => (live && bin ? pick(bin) / bin.seconds : mean(whole));
  const failed = FAILED.reduce((sum, result) => sum + (handshake.results[result] ?? 0), 0);
  const tried = failed + (handshake.results.success ?? 0);
  const list = [
    ['Throughput', bits(now((one) => one.bytes * 8, use.total.bytes * 8)), `${bytes(totals.bytes)} in all`],
    ['Packets', rate(now((one) => one.packets, totals.packets)), `${si(totals.packets)} in all`],
    ['New flows', rate(now((one) => one.flows, totals.flows)), `${count(totals.open_flows)} open, ${count(totals.flows)} in all`],
    ['Failed handshakes', percent(failed, tried), `${count(failed)} of ${count(tried)}`, failed > 0],
    ['Sent again', percent(retransmit.retransmission_rate), `${count(retransmit.retransmitted_segments)} segments, ${count(retransmit.retransmissions.rto)} by RTO`, retransmit.retransmission_rate > 0.01],
    ['Round trip to servers', span(server.rtt_us.p50), `99 % within ${span(server.rtt_us.p99)}`],
  ];
  if (requests) {
    list.push(['Requests', rate(now((one) => one.requests, requests.requests)), `${count(requests.errors)} errors, ${count(requests.unanswered)} unanswered`]);
    list.push(['Request time', span(requests.total_us.p50), `99 % within ${span(requests.total_us.p99)}`]);
  } else {
    const thinking = waits.kinds.server_thinking;
    if (thinking?.samples) list.push(['Servers thought', span(thinking.p50), `99 % within ${span(thinking.p99)}`]);
  }
  list.forEach(([name, value, note, alert], number) => {
    const tile = find('tiles').children[number] ?? find('tiles').appendChild(make('dl', { class: 'tile' }, make('dt'), make('dd', { class: 'value' }), make('dd', { class: 'note' })));
    tile.classList.toggle('alert', Boolean(alert));
    [name, value, note].forEach((text, place) => say(tile.children[place], text));
  });
  while (find('tiles').children.length > list.length) find('tiles').lastElementChild.remove();
}

/** How much of what was wanted the figures rest on: always in sight, and loud below 1. */
function completeness(report) {
  const { matched, ring_full: full, helper_failed: failed } = report.ledger.total;
  const share = complete(report.ledger.total);
  const element = find('completeness');
  if (share === null) return pill(element, 'no frames yet', '');
  pill(element, `${percent(share)} complete`, share < 1 ? 'bad' : 'good');
  element.title = 'The share of the wanted frames that were analysed or are on their way to it';
  if (share < 1) state.loss = `Only ${percent(share)} of the wanted frames were analysed: ${count(full + failed)} of ${count(matched)} were lost on the way. Every figure below rests on the others.`;
  return undefined;
}

function alarm() {
  const since = state.since ? ` since ${clock(state.since)}` : '';
  const lines = [
    state.trouble && `${state.trouble}${since}; the figures below are the last ones.`,
    state.loss,
    state.report?.ledger.closes === false && 'The ledger does not close: please report this as a defect.',
    state.restarted && `The capture began anew at ${clock(state.restarted)}; so did the figures.`,
  ].filter(Boolean);
  const element = find('alarm');
  element.hidden = !lines.length;
  element.classList.toggle('warn', !state.loss && !state.trouble);
  say(element, lines.join(' '));
}

function show(live) {
  const { report, bins } = state;
  if (!report) return alarm();
  state.loss = null;
  const last = bins[bins.length - 1]?.time ?? 0;
  const first = bins.length ? bins[0].begin : 0;
  const view = { live, bins, to: last, from: live ? Math.min(first, Math.max(first, last - KEPT_MS)) : first };
  if (live) view.from = Math.min(view.from, last - 60 * 1000);
  completeness(report);
  tiles(report, live);
  for (const one of CARDS) {
    const has = one.has ? one.has(report) : true;
    one.element.hidden = !has;
    one.link.hidden = !has;
    if (has) one.show(report, view);
  }
  say(find('source'), report.capture.sources.join(', '));
  document.title = `tcpkit · ${report.capture.sources.join(', ')}`;
  foot(report);
  return alarm();
}

function foot(report) {
  const { capture, totals, schema } = report;
  const from = capture.first_us === null ? '' : `${day(capture.first_us / 1000)} ${clock(capture.first_us / 1000)}, ${span(totals.duration_us)}; `;
  const notes = capture.notes?.length ? ` Notes: ${capture.notes.join('; ')}.` : '';
  const filter = capture.filter ? ` Filter: ${capture.filter}.` : '';
  say(find('foot'), `${from}captured by ${capture.backend} (${schema}).${filter}${notes} Times are those of this browser’s time zone.`);
}

/** Takes a report of a capture that runs. */
function take(report) {
  const now = { at: performance.now(), wall: Date.now(), last: report.capture.last_us, counts: counters(report) };
  const before = state.before;
  const anew = before && (now.counts.frames < before.counts.frames || report.capture.first_us !== state.report.capture.first_us) && before.counts.frames > 0;
  if (anew) Object.assign(state, { bins: [], restarted: now.wall });
  if (before && !anew) {
    const passed = (now.at - before.at) / 1000;
    const captured = (now.last - before.last) / 1e6;
    // The report was made a moment before it came; where frames are dense they tell the time better than we can.
    const seconds = Math.abs(captured - passed) < 0.2 ? captured : passed;
    if (seconds > 0.05) state.bins.push(binOf(now.counts, before.counts, { begin: before.wall, time: now.wall, seconds }));
    state.bins = state.bins.filter((bin) => bin.time > now.wall - KEPT_MS);
  }
  Object.assign(state, { before: now, report, trouble: null, since: null });
}

async function poll() {
  try {
    const answer = await fetch('/api/v1/report', { cache: 'no-store', signal: AbortSignal.timeout(10000) });
    const report = await answer.json();
    if (!answer.ok) throw new Error(report.error ?? report.detail ?? report.title ?? `tcpkit says ${answer.status}`);
    state.failures = 0;
    if (!state.paused) take(report);
    pill(find('state'), state.paused ? 'paused' : report.complete ? 'ended' : 'live', state.paused ? 'warn' : 'good');
  } catch (error) {
    // A browser may keep a connection in store until tcpkit has ended it: one failure is none.
    state.failures += 1;
    if (state.failures < 2) return setTimeout(poll, POLL_MS / 4);
    const word = error instanceof TypeError || error.name === 'TimeoutError' ? 'No answer from tcpkit' : `tcpkit says: ${error.message},`;
    Object.assign(state, { trouble: word, since: state.since ?? Date.now() });
    pill(find('state'), 'no contact', 'bad');
  }
  if (!state.paused) show(true);
  return setTimeout(poll, POLL_MS);
}

function live() {
  const button = find('pause');
  button.hidden = false;
  button.addEventListener('click', () => {
    state.paused = !state.paused;
    say(button, state.paused ? 'Go on' : 'Pause');
    button.setAttribute('aria-pressed', String(state.paused));
  });
  pill(find('state'), 'connecting', '');
  events.listen();
  poll();
}

function start() {
  build();
  theme();
  const data = find('report-data');
  if (!data) return live();
  state.report = JSON.parse(data.textContent);
  state.bins = state.report.series ? recorded(state.report.series) : [];
  events.take(JSON.parse(find('events-data')?.textContent ?? 'null'));
  pill(find('state'), 'recorded', '');
  return show(false);
}

start();
