// The heat map: how many samples took how long, over time. A stronger colour is more, by the logarithm.

class Heat extends Figure {
  constructor(title, options) {
    super(title, [], { ...options, unit: span });
    this.canvas = make('canvas', { 'aria-hidden': 'true', width: 0, height: 0 });
    Object.assign(this.canvas.style, { position: 'absolute', left: `${LEFT}px`, top: `${TOP}px` });
    this.plot.prepend(this.canvas);
    this.svg.style.position = 'relative';
    this.legend.remove();
    this.table = new Table(`${title}, as figures`, [{ head: 'Time' }, { head: 'Samples', number: true }, { head: 'Share', number: true }, { head: '' }]);
    this.more.lastElementChild.replaceWith(this.table.element);
  }

  /** Shows one kind of latency. */
  choose(kind) {
    this.kind = kind;
  }

  rows(bin) {
    return bin.latency[this.kind]?.rows ?? {};
  }

  /** Rows from the lowest to the highest that has samples. */
  scale() {
    const used = this.bins.flatMap((bin) => Object.keys(this.rows(bin)).map(Number));
    this.low = used.length ? Math.min(...used) : 10;
    this.high = (used.length ? Math.max(...used) : 20) + 1;
    const rows = this.high - this.low;
    const [least, most] = [rowFrom(this.low), rowFrom(this.high)];
    const factors = most / least > 300 ? [1] : [1, 2, 5];
    const ticks = [];
    for (let power = 1e-3; power <= most; power *= 10) ticks.push(...factors.map((factor) => factor * power));
    return { ticks: ticks.filter((tick) => tick >= least && tick <= most), place: (value) => (rowOf(value) - this.low) / rows };
  }

  axes(scale) {
    return super.axes(scale).filter((part) => part.tagName !== 'line');
  }

  shapes() {
    const [width, height] = [this.width - LEFT, this.height - TOP - BOTTOM];
    const dense = window.devicePixelRatio || 1;
    Object.assign(this.canvas, { width: width * dense, height: height * dense });
    Object.assign(this.canvas.style, { width: `${width}px`, height: `${height}px` });
    const context = this.canvas.getContext('2d');
    const style = getComputedStyle(document.documentElement);
    context.scale(dense, dense);
    context.fillStyle = style.getPropertyValue('--grid');
    context.globalAlpha = 0.45;
    context.fillRect(0, 0, width, height);
    context.fillStyle = `rgb(${style.getPropertyValue('--heat')})`;
    const bins = coarser(this.bins, Math.floor(width / 4));
    const most = Math.max(1, ...bins.flatMap((bin) => Object.values(this.rows(bin))));
    const tall = height / (this.high - this.low);
    for (const bin of bins) {
      const left = Math.max(LEFT, this.x(bin.begin)) - LEFT;
      const wide = Math.max(1.5, this.x(bin.time) - LEFT - left);
      for (const [row, samples] of Object.entries(this.rows(bin))) {
        context.globalAlpha = 0.14 + 0.86 * (Math.log(samples + 1) / Math.log(most + 1));
        context.fillRect(left, height - (row - this.low + 1) * tall, wide, Math.max(1, tall - 0.5));
      }
    }
    return [];
  }

  mark() {
    super.mark();
    if (this.at === null) return say(this.when, 'The stronger the colour, the more took so long');
    const bin = this.bins.find((one) => one.time >= this.at);
    const latency = bin?.latency[this.kind];
    const told = latency ? `${count(latency.samples)} samples, median ${span(latency.p50)}, 99 % within ${span(latency.p99)}` : 'no samples';
    return say(this.when, `${this.when.textContent}: ${told}`);
  }

  sums() {
    const sums = new Map();
    for (const bin of this.bins) {
      for (const [row, samples] of Object.entries(this.rows(bin))) sums.set(Number(row), (sums.get(Number(row)) ?? 0) + samples);
    }
    return [...sums].sort(([a], [b]) => a - b);
  }

  fillTable() {
    if (!this.more.open) return;
    const sums = this.sums();
    const all = sums.reduce((sum, [, samples]) => sum + samples, 0);
    this.table.fill(sums.map(([row, samples]) => [`${span(rowFrom(row))} to ${span(rowFrom(row + 1))}`, count(samples), percent(samples, all), { share: samples / all }]));
  }

  summary() {
    const sums = this.sums();
    const top = sums.reduce((best, one) => (one[1] > (best?.[1] ?? 0) ? one : best), null);
    if (!top) return `${this.title}: no samples.`;
    return `${this.title}: most samples between ${span(rowFrom(top[0]))} and ${span(rowFrom(top[0] + 1))}, all between ${span(rowFrom(sums[0][0]))} and ${span(rowFrom(sums[sums.length - 1][0] + 1))}.`;
  }
}
