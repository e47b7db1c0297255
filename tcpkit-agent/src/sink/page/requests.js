// Requests: which commands, which servers, and where the time of the slowest went.

/** The parts of a request's time, in the order of its bar. */
const PARTS = [
  ['server', 'server', 'blue', (time) => time.server_us],
  ['network', 'on the way', 'sky', (time) => Math.max(0, time.network_us - time.rto_us - time.fast_us - time.zero_window_us)],
  ['rto', 'waiting for a timer (RTO)', 'red', (time) => time.rto_us],
  ['fast', 'fast retransmission', 'orange', (time) => time.fast_us],
  ['zero_window', 'receiver’s window shut', 'pink', (time) => time.zero_window_us],
];

/** Where the time of a request went, in a sentence. */
function sentence(time) {
  const parts = PARTS.filter(([, , , of]) => of(time) > 0).map(([, label, , of]) => `${span(of(time))} ${label}`);
  const culprit = time.culprit ? `; most of it by segment ${time.culprit.segment} of the ${time.culprit.message}` : '';
  const before = time.handshake_us ? `; a handshake of ${span(time.handshake_us)} came before` : '';
  return parts.join(', ') + culprit + before;
}

const slow = {
  id: 'slow', title: 'Slow requests',
  has: (report) => report.latency.requests?.slowest?.length > 0,
  build() {
    this.list = make('ul', { class: 'slow' });
    this.rest = make('ul', { class: 'slow' });
    this.more = make('details', {}, make('summary', {}, 'The next slowest'), this.rest);
    const legend = make('ul', { class: 'legend', 'aria-hidden': 'true' }, ...PARTS.map(([, label, colour]) => make('li', {}, swatch(colour), label)));
    return card(this.id, this.title, make('p', { class: 'say' }, 'The slowest of the capture, and where their time went.'), legend, this.list, this.more);
  },
  show(report) {
    const { slowest } = report.latency.requests;
    const key = JSON.stringify(slowest);
    if (key === this.shown) return;
    this.shown = key;
    const items = [...this.alike(slowest)].map(([request, more]) => this.item(request, more));
    this.list.replaceChildren(...items.slice(0, 6));
    this.rest.replaceChildren(...items.slice(6));
    this.more.hidden = items.length <= 6;
  },
  /** The slowest of those that asked the same of the same server, and how many more of them are among the slowest. */
  alike(slowest) {
    const first = new Map();
    const groups = new Map();
    for (const request of slowest) {
      const key = [request.protocol, request.label, request.server_ip, request.server_port].join('\n');
      if (!first.has(key)) first.set(key, request);
      groups.set(first.get(key), (groups.get(first.get(key)) ?? -1) + 1);
    }
    return groups;
  },
  item(request, more) {
    const time = request.where;
    const total = time?.total_us ?? request.latency_us;
    const bar = make('div', { class: 'share', 'aria-hidden': 'true' });
    for (const [, , colour, of] of time ? PARTS : []) {
      if (of(time) <= 0) continue;
      const part = make('i');
      shade(part, colour);
      part.style.flex = `${of(time)} 0 0`;
      bar.append(part);
    }
    const status = [request.status, request.outcome === 'answered' ? '' : words(request.outcome)].filter(Boolean).join(' ');
    const others = more ? ` · ${more} more like it among the slowest` : '';
    const who = `${request.protocol} · ${place(request.client_ip, request.client_port)} → ${place(request.server_ip, request.server_port)} · ${clock(request.request_start_us / 1000, 0)}${others}`;
    return make('li', {},
      make('div', { class: 'what' }, make('span', { class: 'time' }, span(total)), make('span', { class: 'label' }, request.label || request.command), make('span', { class: 'who' }, status)),
      bar, make('p', { class: 'who' }, time ? sentence(time) : 'no answer', make('br'), who));
  },
};

const commands = {
  id: 'requests', title: 'Requests',
  has: (report) => report.latency.requests?.requests > 0,
  build() {
    const columns = (head) => [{ head, name: true }, ...['Count', 'Errors', 'p50', 'p99', 'Max', 'Lost'].map(number)];
    const series = [
      { label: 'answered', colour: 'blue', of: per((bin) => Math.max(0, bin.requests - bin.errors - bin.unanswered)) },
      { label: 'with an error', colour: 'orange', of: per((bin) => bin.errors) },
      { label: 'without an answer', colour: 'red', of: per((bin) => bin.unanswered) },
    ];
    this.chart = new Stack('Requests', series, { unit: rate, height: 150 });
    this.commands = new Table('By command', columns('Command'));
    this.servers = new Table('By server', columns('Server'));
    const say = make('p', { class: 'say' }, 'Lost is what timers, retransmissions and shut windows cost all of them together.');
    return card(this.id, this.title, this.chart.element, this.commands.element, this.servers.element, say);
  },
  show({ latency: { requests } }, view) {
    this.chart.element.hidden = !view.bins.length;
    this.chart.show(view);
    const row = (name, sum) => [name, count(sum.requests), count(sum.errors), span(sum.total_us.p50), span(sum.total_us.p99), span(sum.total_us.max), span(sum.rto_us + sum.fast_us + sum.zero_window_us)];
    this.commands.fill(requests.commands.slice(0, 12).map((one) => row(`${one.protocol} ${one.command}`, one)));
    this.servers.fill(requests.servers.slice(0, 8).map((one) => row(`${place(one.server_ip, one.server_port)} ${one.protocol}`, one)));
  },
};

const STALLS = {
  server_thinking: ['server thinking', 'blue'], client_thinking: ['client thinking', 'grey'], rto: ['waiting for a timer (RTO)', 'red'],
  zero_window: ['receiver’s window shut', 'pink'], sender_idle: ['sender idle', 'sky'],
};

const stalls = {
  id: 'stalls', title: 'Stalls',
  build() {
    this.kinds = new Table('What flows waited for', [{ head: 'Kind' }, number('Times'), number('Together'), { head: 'Share' }, number('p50'), number('p99'), number('Max')]);
    this.flows = new Table('Flows held up longest by receiver, network or sender', [{ head: 'Flow', name: true }, number('Held up')]);
    return card(this.id, this.title, make('p', { class: 'say' }, 'Silences of flows that had something to do.'), this.kinds.element, this.flows.element);
  },
  show({ stalls: report }) {
    const kinds = Object.entries(report.kinds).filter(([, sum]) => sum.samples > 0).sort(([, a], [, b]) => b.total_us - a.total_us);
    const all = kinds.reduce((total, [, sum]) => total + sum.total_us, 0);
    this.kinds.fill(kinds.map(([kind, sum]) => {
      const [text, colour] = STALLS[kind] ?? [words(kind), 'green'];
      return [{ text, colour }, count(sum.samples), span(sum.total_us), { share: sum.total_us / all }, span(sum.p50), span(sum.p99), span(sum.max)];
    }));
    this.flows.fill(report.flows.slice(0, 6).map((flow) => [
      `${place(flow.client_ip, flow.client_port)} → ${place(flow.server_ip, flow.server_port)}`, span(flow.stalled_us),
    ]));
  },
};
