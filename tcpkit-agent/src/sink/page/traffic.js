// Who uses how much, what became of each frame, and what happened.

const bandwidth = {
  id: 'bandwidth', title: 'Bandwidth', kind: 'half',
  build() {
    const columns = [{ head: 'What', name: true }, number('Packets'), number('Bytes'), { head: 'Share' }];
    this.parts = new Table('By interface, direction, version and protocol', columns);
    this.sizes = new Table('Packets by size', [{ head: 'Up to', name: true }, number('Packets'), { head: 'Share' }]);
    return card(this.id, this.title, this.kind, this.parts.element, this.sizes.element);
  },
  show({ bandwidth: report }) {
    const all = report.total.bytes || 1;
    const row = (name, sum) => [name, count(sum.packets), bytes(sum.bytes), { share: sum.bytes / all }];
    const named = (sums) => Object.entries(sums).filter(([, sum]) => sum.packets > 0).map(([name, sum]) => row(words(name), sum));
    const directions = report.directions.unknown?.packets === report.total.packets ? {} : report.directions;
    this.parts.fill([...report.interfaces.map((one) => row(one.interface, one)), ...named(directions), ...named(report.ip_versions), ...named(report.protocols)]);
    const packets = report.packet_sizes.reduce((sum, size) => sum + size.packets, 0) || 1;
    this.sizes.fill(report.packet_sizes.map((size) => [size.up_to === null ? 'more' : `${count(size.up_to)} B`, count(size.packets), { share: size.packets / packets }]));
  },
};

const ledger = {
  id: 'ledger', title: 'Ledger', kind: '',
  build() {
    this.verdict = make('p', { class: 'say' });
    this.share = make('div', { class: 'share', 'aria-hidden': 'true' });
    const heads = ['Seen', 'Filtered', 'Matched', 'Ring full', 'Helper failed', 'In flight', 'Delivered', 'Analyzed', 'Complete'];
    this.entries = new Table('By interface and hook', [{ head: 'Where', name: true }, ...heads.map(number)]);
    this.causes = new Table('Delivered and not analyzed, by cause', [{ head: 'Cause', name: true }, number('Frames')]);
    this.notes = new Table('Notes, which are no fates', [{ head: 'Note', name: true }, number('Count')]);
    const columns = make('div', { class: 'columns' }, this.causes.element, this.notes.element);
    return card(this.id, this.title, 'wide', this.verdict, this.entries.element, columns);
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
      percent(entry.delivered, entry.matched),
    ];
    this.entries.fill([...(entries.length === 1 ? [] : [row(total)]), ...entries.map(row)], (cells) => cells[4] !== '0' || cells[5] !== '0');
    const listed = (counts) => Object.entries(counts).sort(([, a], [, b]) => b - a).map(([name, frames]) => [words(name), count(frames)]);
    this.causes.fill([...listed(total.malformed).map(([name, frames]) => [`malformed: ${name}`, frames]), ...listed(total.not_analyzed)]);
    this.notes.fill(listed(total.notes));
  },
};
