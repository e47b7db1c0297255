// Charts over time: figures of ours in SVG and canvas, with a legend that tells the values under a cursor, and the same
// values as a table. The cursor follows the pointer, and the arrow keys where the chart has the focus.

const LEFT = 72;
const BOTTOM = 20;
const TOP = 6;

/** What all charts have in common; `title` names it, `shape` draws bins into a box. */
class Figure {
  constructor(title, series, { height = 190, unit }) {
    Object.assign(this, { title, series, height, unit, bins: [], at: null, width: 0 });
    this.when = make('p', { class: 'when', 'aria-live': 'polite' });
    this.legend = make('ul', { class: 'legend' });
    this.items = series.map(({ label, colour }) => {
      const value = make('b');
      this.legend.append(make('li', {}, swatch(colour), label + ' ', value));
      return value;
    });
    this.plot = make('div', { class: 'plot' });
    this.svg = draw('svg', { role: 'img', tabindex: '0', height });
    this.plot.append(this.svg);
    const columns = [{ head: 'Until' }, ...series.map(({ label }) => ({ head: label, number: true }))];
    this.table = new Table(`${title}, as figures`, columns);
    this.more = make('details', { ontoggle: () => this.fillTable() }, make('summary', {}, 'As a table'), this.table.element);
    this.element = make('figure', {}, this.plot, this.when, this.legend, this.more);
    this.listen();
  }

  listen() {
    const { svg } = this;
    svg.addEventListener('pointermove', (event) => {
      const share = (event.clientX - svg.getBoundingClientRect().left - LEFT) / (this.width - LEFT);
      this.point(this.nearest(this.from + share * (this.to - this.from)));
    });
    svg.addEventListener('pointerleave', () => this.point(null));
    svg.addEventListener('blur', () => this.point(null));
    svg.addEventListener('keydown', (event) => {
      const last = this.bins.length - 1;
      const now = this.at === null ? last : this.bins.findIndex((bin) => bin.time >= this.at);
      const next = { ArrowLeft: now - 1, ArrowRight: now + 1, Home: 0, End: last, Escape: null }[event.key];
      if (next === undefined) return;
      event.preventDefault();
      this.point(next === null ? null : this.bins[Math.min(last, Math.max(0, next))]?.time);
    });
    new ResizeObserver(() => this.render()).observe(this.plot);
  }

  nearest(time) {
    const bin = this.bins.find((one) => one.time >= time) ?? this.bins[this.bins.length - 1];
    return bin?.time ?? null;
  }

  point(time) {
    this.at = time;
    this.mark();
  }

  /** Shows these bins between two times, the latest of which may be now. */
  show({ bins, from, to, live }) {
    Object.assign(this, { bins, from, to, live });
    this.render();
    this.fillTable();
  }

  render() {
    const width = Math.round(this.plot.clientWidth);
    if (!width || !this.bins.length) return;
    this.width = width;
    this.svg.setAttribute('viewBox', `0 0 ${width} ${this.height}`);
    const scale = this.scale();
    this.svg.replaceChildren(...this.axes(scale), ...this.shapes(scale), (this.line = draw('line', { class: 'cursor' })));
    this.svg.setAttribute('aria-label', this.summary());
    this.mark();
  }

  x(time) {
    return LEFT + ((time - this.from) / (this.to - this.from || 1)) * (this.width - LEFT);
  }

  y(scale, value) {
    return TOP + (1 - scale.place(value)) * (this.height - TOP - BOTTOM);
  }

  axes(scale) {
    const parts = scale.ticks.flatMap((value, number) => {
      const y = Math.round(this.y(scale, value)) + 0.5;
      const line = draw('line', { class: number ? 'gridline' : 'axis', x1: LEFT, x2: this.width, y1: y, y2: y });
      return [line, draw('text', { x: LEFT - 6, y: y + 4, 'text-anchor': 'end' }, round(this.unit(value)))];
    });
    const base = this.height - 4;
    for (const time of timeTicks(this.from, this.to, Math.max(2, this.width / 85))) {
      const x = this.x(time);
      if (x < LEFT + 16 || x > this.width - 26) continue;
      parts.push(draw('text', { x, y: base, 'text-anchor': 'middle' }, clock(time, this.to - this.from)));
    }
    return parts;
  }

  /** The cursor, and the values at it or else the latest. */
  mark() {
    const last = this.bins[this.bins.length - 1];
    if (!last || !this.line) return;
    const bin = this.at === null ? last : this.bins.find((one) => one.time >= this.at) ?? last;
    const hidden = this.at === null;
    const x = this.x((bin.begin + bin.time) / 2);
    for (const [name, value] of Object.entries({ x1: x, x2: x, y1: TOP, y2: this.height - BOTTOM })) this.line.setAttribute(name, value);
    this.line.style.display = hidden ? 'none' : '';
    say(this.when, hidden ? this.resting(bin) : `${clock(bin.begin, bin.seconds * 1000)} to ${clock(bin.time, bin.seconds * 1000)}`);
    this.series.forEach((series, number) => say(this.items[number], this.value(series, hidden ? null : bin)));
  }

  resting() {
    return '';
  }

  value(series, bin) {
    return this.unit(bin ? series.of(bin) : mean(this.bins, series));
  }

  fillTable() {
    if (!this.more.open) return;
    const rows = coarser(this.bins, 20).map((bin) => [clock(bin.time, bin.seconds * 1000), ...this.series.map((series) => this.value(series, bin))]);
    this.table.fill(rows.reverse());
  }
}

/** The mean of a rate over all bins. */
function mean(bins, series) {
  const seconds = bins.reduce((sum, bin) => sum + bin.seconds, 0);
  return seconds ? bins.reduce((sum, bin) => sum + series.of(bin) * bin.seconds, 0) / seconds : null;
}

/** Rates stacked on each other: `series` are `{label, colour, of(bin)}`, from the ground up. */
class Stack extends Figure {
  scale() {
    const sums = this.bins.map((bin) => this.series.reduce((sum, series) => sum + series.of(bin), 0));
    this.most = Math.max(...sums, 0);
    return linear(this.most, this.height > 150 ? 4 : 3);
  }

  shapes(scale) {
    const ground = this.bins.map(() => 0);
    return this.series.map((series) => {
      const [top, bottom] = [[], []];
      this.bins.forEach((bin, number) => {
        const [left, right] = [this.x(bin.begin), this.x(bin.time)].map((x) => Math.max(LEFT, x).toFixed(1));
        const low = this.y(scale, ground[number]).toFixed(1);
        ground[number] += series.of(bin);
        const high = this.y(scale, ground[number]).toFixed(1);
        top.push(`${left},${high} ${right},${high}`);
        bottom.unshift(`${right},${low} ${left},${low}`);
      });
      const shape = draw('polygon', { points: [...top, ...bottom].join(' ') });
      shape.style.fill = `var(--${series.colour})`;
      return shape;
    });
  }

  resting() {
    return 'Mean of the time shown';
  }

  summary() {
    const parts = this.series.map((series) => `${series.label} ${this.value(series, null)}`);
    return `${this.title}: on average ${parts.join(', ')}; at most ${this.unit(this.most)} together.`;
  }
}

/** Percentiles as lines on a logarithmic scale: `of` gives null where there are none. */
class Lines extends Figure {
  scale() {
    const values = this.bins.flatMap((bin) => this.series.map((series) => series.of(bin))).filter((value) => value !== null);
    this.most = Math.max(...values, 0);
    return logarithmic(Math.min(...values, this.most || 1), this.most);
  }

  shapes(scale) {
    return this.series.map((series) => {
      let path = '';
      let drawn = false;
      for (const bin of this.bins) {
        const value = series.of(bin);
        if (value !== null) {
          const y = this.y(scale, value).toFixed(1);
          const left = Math.max(LEFT, this.x(bin.begin)).toFixed(1);
          path += `${drawn ? 'L' : 'M'}${left} ${y}H${this.x(bin.time).toFixed(1)}`;
        }
        drawn = value !== null;
      }
      const line = draw('path', { d: path, fill: 'none', 'stroke-width': 1.6, 'stroke-linejoin': 'round' });
      line.style.stroke = `var(--${series.colour})`;
      return line;
    });
  }

  value(series, bin) {
    if (bin) return this.unit(series.of(bin));
    const values = this.bins.map((one) => series.of(one)).filter((value) => value !== null);
    return this.unit(this.live ? values[values.length - 1] : Math.max(...values));
  }

  resting() {
    return this.live ? 'Latest' : 'Highest of the time shown';
  }

  summary() {
    const parts = this.series.map((series) => `${series.label} ${this.value(series, null)}`);
    return `${this.title}: ${this.live ? 'latest' : 'highest'} ${parts.join(', ')}.`;
  }
}
