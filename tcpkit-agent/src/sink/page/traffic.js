// Who uses how much, what became of each frame, and what happened.

const LISTS = {
  addresses: ['Addresses', (one) => one.address],
  services: ['Services', (one) => `${place(one.server_ip, one.server_port)} ${one.protocol}`],
  ports: ['Ports', (one) => `${one.server_port} ${one.protocol}`],
  prefixes: ['Networks', (one) => one.prefix],
};

const talkers = {
  id: 'talkers', title: 'Top talkers', list: 'addresses', past: [],
  has: (report) => report.bandwidth.talkers?.addresses.length > 0,
  build() {
    const heads = ['Bytes', 'Now', 'Sent', 'Received', 'Flows', 'Again'];
    this.table = new Table('Most bytes first', [{ head: 'Who', name: true }, ...heads.map(number), { head: 'Share' }]);
    const options = Object.entries(LISTS).map(([list, [label]]) => [list, label]);
    const tabs = choice('Which talkers', options, this.list, (list) => { this.list = list; this.past = []; this.show(this.report); });
    const section = card(this.id, this.title, this.table.element);
    section.firstElementChild.append(tabs);
    return section;
  },
  show(report) {
    this.report = report;
    const { talkers: told } = report.bandwidth;
    const [, name] = LISTS[this.list];
    const rates = this.rates(told[this.list], name);
    const rows = told[this.list].slice(0, 12).map((one) => [
      name(one), (one.missing_bytes ? '≥ ' : '') + bytes(one.bytes), rates(one), bytes(one.sent.bytes), bytes(one.received.bytes),
      count(one.flows), percent(one.retransmitted_share), { share: one.bytes / (told.total.bytes || 1) },
    ]);
    this.table.fill(rows);
  },
  /** Rates over the last seconds, while the capture runs. */
  rates(list, name) {
    const now = { at: performance.now(), bytes: new Map(list.map((one) => [name(one), one.bytes])) };
    if (this.past.some((one) => one.total > this.report.totals.bytes)) this.past = [];
    this.past = [...this.past.filter((one) => now.at - one.at < 6000), Object.assign(now, { total: this.report.totals.bytes })];
    const [oldest] = this.past;
    const seconds = (now.at - oldest.at) / 1000;
    return (one) => (seconds > 0.5 && !this.report.complete ? bits(((one.bytes - (oldest.bytes.get(name(one)) ?? one.bytes)) * 8) / seconds) : '–');
  },
};

const bandwidth = {
  id: 'bandwidth', title: 'Bandwidth',
  build() {
    const columns = [{ head: 'What', name: true }, number('Packets'), number('Bytes'), number('Busiest second'), number('Goodput'), { head: 'Share' }];
    this.parts = new Table('By interface, direction, version and protocol', columns);
    this.bursts = new Table('Bursts', [{ head: 'Where', name: true }, number('Peak of 1 ms'), number('99 % of 1 ms'), number('Peak of 10 ms'), { head: 'When' }]);
    this.sizes = new Table('Packets by size', [{ head: 'Up to', name: true }, number('Packets'), { head: 'Share' }]);
    return card(this.id, this.title, this.parts.element, this.bursts.element, this.sizes.element);
  },
  show({ bandwidth: report }) {
    const all = report.total.bytes || 1;
    const row = (name, sum) => [name, count(sum.packets), bytes(sum.bytes), bits(sum.peak?.bits_per_second), percent(sum.goodput_share), { share: sum.bytes / all }];
    const named = (sums) => Object.entries(sums).filter(([, sum]) => sum.packets > 0).map(([name, sum]) => row(words(name), sum));
    const directions = report.directions.unknown?.packets === report.total.packets ? {} : report.directions;
    this.parts.fill([...report.interfaces.map((one) => row(one.interface, one)), ...named(directions), ...named(report.ip_versions), ...named(report.protocols)]);
    const bursts = report.bursts ?? [];
    this.bursts.element.hidden = !bursts.length;
    this.bursts.fill(bursts.map((one) => [
      `${one.interface} ${one.direction}`, bits(one.one_ms.peak_bits_per_second), bits(one.one_ms.p99_bits_per_second),
      bits(one.ten_ms.peak_bits_per_second), one.one_ms.peak_us === null ? '–' : clock(one.one_ms.peak_us / 1000, 0),
    ]));
    const packets = report.packet_sizes.reduce((sum, size) => sum + size.packets, 0) || 1;
    this.sizes.fill(report.packet_sizes.map((size) => [size.up_to === null ? 'more' : `${count(size.up_to)} B`, count(size.packets), { share: size.packets / packets }]));
  },
};

/** The share of the wanted frames that were not lost; those on their way count, of which a final report has none. */
const complete = (entry) => (entry.matched ? (entry.delivered + entry.in_flight) / entry.matched : null);

const ledger = {
  id: 'ledger', title: 'Ledger',
  build() {
    this.verdict = make('p', { class: 'say' });
    this.share = make('div', { class: 'share', 'aria-hidden': 'true' });
    const heads = ['Seen', 'Filtered', 'Matched', 'Ring full', 'Helper failed', 'In flight', 'Delivered', 'Analyzed', 'Complete'];
    this.entries = new Table('By interface and hook', [{ head: 'Where', name: true }, ...heads.map(number)]);
    this.causes = new Table('Delivered and not analyzed, by cause', [{ head: 'Cause', name: true }, number('Frames')]);
    this.notes = new Table('Notes, which are no fates', [{ head: 'Note', name: true }, number('Count')]);
    const columns = make('div', { class: 'columns' }, this.causes.element, this.notes.element);
    return card(this.id, this.title, this.verdict, this.entries.element, columns);
  },
  show(report) {
    const { total, entries, closes } = report.ledger;
    const lost = total.ring_full + total.helper_failed;
    const sum = closes ? 'Every frame is accounted for.' : 'The ledger does not close: please report this as a defect.';
    const rest = lost ? ` ${count(lost)} of ${count(total.matched)} wanted frames were lost before the analysis; the figures rest on the others.` : ' No wanted frame was lost before the analysis.';
    say(this.verdict, sum + rest);
    const row = (entry) => [
      entry.interface === '*' ? 'all' : `${entry.interface} ${words(entry.hook)}`,
      ...['seen', 'filtered', 'matched', 'ring_full', 'helper_failed', 'in_flight', 'delivered', 'analyzed'].map((key) => count(entry[key])),
      percent(complete(entry)),
    ];
    this.entries.fill([...(entries.length === 1 ? [] : [row(total)]), ...entries.map(row)], (cells) => cells[4] !== '0' || cells[5] !== '0');
    const listed = (counts) => Object.entries(counts).sort(([, a], [, b]) => b - a).map(([name, frames]) => [words(name), count(frames)]);
    this.causes.fill([...listed(total.malformed).map(([name, frames]) => [`malformed: ${name}`, frames]), ...listed(total.not_analyzed)]);
    this.notes.fill(listed(total.notes));
  },
};
