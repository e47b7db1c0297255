// Elements. What came from the network becomes text, never markup: only `textContent` and attributes are set.

const SVG = 'http://www.w3.org/2000/svg';
const find = (id) => document.getElementById(id);

/** An element with attributes (`class`, `on…` handlers are functions) and children, strings among them being text. */
function make(name, attributes = {}, ...children) {
  return furnish(document.createElement(name), attributes, children);
}

function draw(name, attributes = {}, ...children) {
  return furnish(document.createElementNS(SVG, name), attributes, children);
}

function furnish(element, attributes, children) {
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith('on')) element.addEventListener(name.slice(2), value);
    else if (value !== false && value !== null && value !== undefined) element.setAttribute(name, value);
  }
  element.append(...children.filter((child) => child !== null && child !== undefined));
  return element;
}

/** Sets a text only where it changes: what somebody has selected stays selected. */
function say(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

function shade(element, colour) {
  if (element.style.background !== `var(--${colour})`) element.style.background = `var(--${colour})`;
}

const swatch = (colour) => {
  const element = make('span', { class: 'swatch', 'aria-hidden': 'true' });
  shade(element, colour);
  return element;
};

const kindOf = (column) => ['number', 'name', 'extra'].filter((kind) => column[kind]).join(' ');

/**
 * A table that is filled again and again: `columns` are `{head, number, name, extra}`
 * (a phone leaves out what is extra), rows arrays of cells. A cell is a text,
 * or `{text, colour}` with a swatch, or `{share}` with a bar; the first cell of a row is its header.
 */
class Table {
  constructor(caption, columns, empty = 'none so far') {
    this.columns = columns;
    this.body = make('tbody');
    const heads = columns.map((column) => make('th', { scope: 'col', class: kindOf(column) }, column.head));
    const title = make('caption', {}, caption);
    this.table = make('table', {}, title, make('thead', {}, make('tr', {}, ...heads)), this.body);
    this.empty = make('p', { class: 'empty' }, `${caption}: ${empty}.`);
    this.element = make('div', { class: 'scroll', tabindex: '0', role: 'region', 'aria-label': caption }, this.table);
  }

  /** Shows these rows; `alert` says of which rows are bad news. */
  fill(rows, alert = () => false) {
    const none = rows.length === 0;
    this.table.hidden = none;
    if (none !== this.empty.isConnected) {
      if (none) this.element.append(this.empty); else this.empty.remove();
    }
    while (this.body.rows.length > rows.length) this.body.deleteRow(-1);
    this.columns.forEach((_, place) => {
      const unknown = place > 0 && rows.length > 0 && rows.every((row) => row[place] === '–');
      this.table.classList.toggle(`without-${place + 1}`, unknown);
    });
    rows.forEach((row, number) => {
      const line = this.body.rows[number] ?? this.body.insertRow();
      line.classList.toggle('alert', alert(row));
      row.forEach((cell, place) => this.set(line, place, cell));
    });
  }

  set(line, place, cell) {
    let element = line.cells[place];
    if (!element) {
      const kind = kindOf(this.columns[place]);
      element = place === 0 ? make('th', { scope: 'row', class: kind }) : make('td', { class: kind });
      line.append(element);
    }
    if (cell === null || typeof cell !== 'object') return say(element, String(cell ?? '–'));
    if (cell.share !== undefined) return this.bar(element, cell);
    if (!element.firstElementChild) element.replaceChildren(swatch(cell.colour), make('span'));
    shade(element.firstElementChild, cell.colour);
    return say(element.lastElementChild, cell.text);
  }

  bar(element, cell) {
    if (!element.firstElementChild) {
      element.replaceChildren(make('span', { class: 'meter', 'aria-hidden': 'true' }, make('i')), make('span', { class: 'hidden' }));
    }
    element.firstElementChild.firstElementChild.style.width = `${Math.min(100, cell.share * 100)}%`;
    say(element.lastElementChild, percent(cell.share));
  }
}
