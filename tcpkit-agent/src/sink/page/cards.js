// What a card is: a part of the page about one question. Each has `id`, `title`, `has(report)` (a card whose data is
// absent hides itself), `build()` and `show(report, view)`; `view` is `{bins, from, to, live}`.

/** The frame of a card: its heading and what is in it. */
function card(id, title, ...children) {
  const heading = make('h2', { id: `${id}-title` }, title);
  return make('section', { id, class: 'card', 'aria-labelledby': `${id}-title` }, make('div', { class: 'head' }, heading), ...children);
}

/** Buttons of which one is pressed; tells which. */
function choice(label, options, chosen, onchange) {
  const buttons = options.map(([value, text]) => make('button', { type: 'button', 'aria-pressed': String(value === chosen), onclick: () => {
    buttons.forEach((button, number) => button.setAttribute('aria-pressed', String(options[number][0] === value)));
    onchange(value);
  } }, text));
  return make('div', { class: 'tabs', role: 'group', 'aria-label': label }, ...buttons);
}

const per = (pick) => (bin) => pick(bin) / bin.seconds;
const number = (head) => ({ head, number: true });

const throughput = {
  id: 'throughput', title: 'Throughput',
  build() {
    const directions = [
      { label: 'In', colour: 'blue', of: per((bin) => bin.inbound * 8) },
      { label: 'Out', colour: 'orange', of: per((bin) => bin.outbound * 8) },
      { label: 'Direction not known, or not analysed', colour: 'grey', of: per((bin) => bin.undirected * 8) },
    ];
    this.directed = new Stack('Throughput', directions, { height: 220, unit: bits });
    this.whole = new Stack('Throughput', [{ label: 'All', colour: 'blue', of: per((bin) => bin.bytes * 8) }], { height: 220, unit: bits });
    this.none = make('p', { class: 'empty' });
    return card(this.id, this.title, this.none, this.directed.element, this.whole.element);
  },
  show(report, view) {
    const known = view.bins.some((bin) => bin.inbound + bin.outbound > 0);
    const [shown, other] = known ? [this.directed, this.whole] : [this.whole, this.directed];
    shown.element.hidden = !view.bins.length;
    other.element.hidden = true;
    this.none.hidden = view.bins.length > 0;
    say(this.none, view.live ? 'The course over time begins with the second report.' : 'This report tells of the whole capture only, not of its course.');
    shown.show(view);
  },
};

const RESULT_COLOURS = { success: 'blue', reject: 'red', timeout: 'pink', unreachable: 'orange', aborted: 'sky', pending: 'grey', midstream: 'green' };
const RESULT_WORDS = {
  success: 'completed', reject: 'refused by RST', timeout: 'no answer in time', unreachable: 'ICMP error', aborted: 'given up by the client',
  pending: 'undecided', midstream: 'began before the capture',
};
const FAILED = ['reject', 'timeout', 'unreachable', 'aborted'];

const handshakes = {
  id: 'handshakes', title: 'Handshakes',
  build() {
    const series = RESULTS.filter((result) => result !== 'midstream').map((result) => ({ label: result, colour: RESULT_COLOURS[result], of: per((bin) => bin.results[result] ?? 0) }));
    this.chart = new Stack('Handshakes by result', series, { unit: rate });
    this.results = new Table('By result', [{ head: 'Result' }, { head: 'Meaning', extra: true }, number('Flows'), number('Share')]);
    this.servers = new Table('Servers with failures', [{ head: 'Server', name: true }, number('Attempts'), number('Failed'), { head: 'How', name: true }]);
    this.times = new Table('How long they took', [{ head: 'Part', name: true }, number('Samples'), number('p50'), number('p90'), number('p99'), number('Max')]);
    return card(this.id, this.title, this.chart.element, this.results.element, this.servers.element, this.times.element);
  },
  show({ handshake }, view) {
    this.chart.element.hidden = !view.bins.length;
    this.chart.show(view);
    const all = Object.values(handshake.results).reduce((sum, flows) => sum + flows, 0);
    const rows = RESULTS.filter((result) => handshake.results[result]).map((result) => [
      { text: result, colour: RESULT_COLOURS[result] }, RESULT_WORDS[result], count(handshake.results[result]), percent(handshake.results[result], all),
    ]);
    this.results.fill(rows);
    this.servers.fill(handshake.servers.filter((server) => server.failures > 0).slice(0, 8).map((server) => [
      place(server.server_ip, server.server_port), count(server.attempts), count(server.failures),
      FAILED.filter((result) => server.results[result]).map((result) => `${count(server.results[result])} ${result}`).join(', '),
    ]));
    const time = (part, spans) => [part, count(spans.samples), span(spans.p50), span(spans.p90), span(spans.p99), span(spans.max)];
    this.times.fill([
      time('SYN to ACK', handshake.handshake_us), time('SYN to SYN/ACK (server’s half)', handshake.server_rtt_us),
      time('SYN/ACK to ACK (client’s half)', handshake.client_rtt_us),
    ]);
  },
};

const CAUSE_COLOURS = { rto: 'red', fast: 'blue', tlp: 'orange', spurious: 'pink', unknown: 'grey' };
const CAUSE_WORDS = {
  rto: 'the sender’s timer ran out', fast: 'asked for by the receiver', tlp: 'probe for a lost tail', spurious: 'had arrived already', unknown: 'cannot be told',
};

const retransmissions = {
  id: 'retransmissions', title: 'Retransmissions',
  build() {
    const series = CAUSES.map((cause) => ({ label: cause, colour: CAUSE_COLOURS[cause], of: per((bin) => bin.again[cause] ?? 0) }));
    this.chart = new Stack('Segments sent again by cause', series, { unit: rate });
    this.causes = new Table('By cause', [{ head: 'Cause' }, { head: 'Meaning', extra: true }, number('Segments'), number('Of all data')]);
    this.servers = new Table('Servers', [{ head: 'Server', name: true }, number('Data segments'), number('Again'), number('Rate')]);
    this.more = new Table('Beside these', [{ head: 'What', name: true }, number('Count')]);
    return card(this.id, this.title, this.chart.element, this.causes.element, this.servers.element, this.more.element);
  },
  show({ retransmit, handshake }, view) {
    this.chart.element.hidden = !view.bins.length;
    this.chart.show(view);
    this.causes.fill(CAUSES.filter((cause) => retransmit.retransmissions[cause]).map((cause) => [
      { text: cause, colour: CAUSE_COLOURS[cause] }, CAUSE_WORDS[cause], count(retransmit.retransmissions[cause]),
      percent(retransmit.retransmissions[cause], retransmit.data_segments),
    ]));
    this.servers.fill(retransmit.servers.filter((server) => server.retransmitted_segments > 0).slice(0, 8).map((server) => [
      place(server.server_ip, server.server_port), count(server.data_segments), count(server.retransmitted_segments), percent(server.retransmission_rate),
    ]));
    this.more.fill([
      ['Payload sent again', bytes(retransmit.retransmitted_bytes)], ['SYN, SYN/ACK sent again', `${count(handshake.syn_retransmissions)}, ${count(handshake.synack_retransmissions)}`],
      ['Out of order', count(retransmit.out_of_order)], ['Duplicate acknowledgements', count(retransmit.duplicate_acks)],
      ['Zero windows', count(retransmit.zero_window_episodes)], ['Loss episodes, median and 99 %', `${span(retransmit.loss_episode_us.p50)}, ${span(retransmit.loss_episode_us.p99)}`],
    ]);
  },
};

const KIND_WORDS = { requests: 'Requests', towards_server: 'Round trips to servers', towards_client: 'Round trips to clients' };

const latency = {
  id: 'latency', title: 'Latency',
  build() {
    const series = [['p50', 'sky'], ['p90', 'blue'], ['p99', 'red']].map(([key, colour]) => ({ label: key, colour, of: (bin) => bin.latency[this.kindShown]?.[key] ?? null }));
    this.lines = new Lines('Percentiles', series, { unit: span, height: 210 });
    this.heat = new Heat('Heat map', { height: 210 });
    this.table = new Table('Whole capture', [{ head: 'What', name: true }, number('Samples'), { ...number('Min'), extra: true }, { ...number('Mean'), extra: true }, ...['p50', 'p90', 'p99', 'p99.9', 'Max'].map(number)]);
    this.tabs = make('span');
    const columns = make('div', { class: 'columns' }, this.lines.element, this.heat.element);
    this.columns = columns;
    const section = card(this.id, this.title, columns, this.table.element);
    section.firstElementChild.append(this.tabs);
    return section;
  },
  choose(kind) {
    this.kindShown = kind;
    this.heat.choose(kind);
    this.show(this.report, this.view);
  },
  show(report, view) {
    Object.assign(this, { report, view });
    const kinds = KINDS.filter((kind) => view.bins.some((bin) => bin.latency[kind]));
    if (!kinds.includes(this.kindShown) && kinds.length && !this.kindShown) this.kindShown = kinds[0];
    this.heat.choose(this.kindShown);
    if (kinds.join() !== this.offered) {
      this.offered = kinds.join();
      this.tabs.replaceChildren(choice('What is shown', kinds.map((kind) => [kind, KIND_WORDS[kind]]), this.kindShown, (kind) => this.choose(kind)));
    }
    this.columns.hidden = !kinds.length;
    for (const figure of [this.lines, this.heat]) figure.show(view);
    this.table.fill(this.rows(report));
  },
  rows({ latency: { requests, towards_server: server, towards_client: client } }) {
    const rows = [['Round trips to servers', server.rtt_us], ['Round trips to clients', client.rtt_us], ['Queueing towards servers', server.queueing_us], ['Queueing towards clients', client.queueing_us]];
    if (requests) rows.unshift(['Requests, in all', requests.total_us], ['Requests, the server’s part', requests.server_us]);
    return rows.filter(([, spans]) => spans.samples > 0).map(([what, spans]) => [
      what, count(spans.samples), ...['min', 'avg', 'p50', 'p90', 'p99', 'p999', 'max'].map((key) => span(spans[key])),
    ]);
  },
};
