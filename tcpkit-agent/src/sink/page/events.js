// What happened: events of a recorded capture, or as they come from the endpoint.

const from = (flow) => `${place(flow.client_ip, flow.client_port)} → ${place(flow.server_ip, flow.server_port)}`;

/** What came of reading the configuration again. */
function reloaded(event) {
  if (event.reason) return `refused, nothing changes: ${event.reason}`;
  const now = event.changed.length ? `changed: ${event.changed.join(', ')}` : 'nothing changes now';
  return event.at_next_start.length ? `${now}; at the next start: ${event.at_next_start.join(', ')}` : now;
}

/** What each kind of event is called, how bad it is, and what it says. */
const TOLD = {
  handshake_failed: (event) => [event.result, 'red', `${from(event.flow)}: ${RESULT_WORDS[event.result] ?? 'failed'}`],
  loss_episode: (event) => {
    const segments = Object.entries(event.retransmissions).map(([cause, sum]) => `${count(sum)} ${cause}`).join(', ');
    return ['loss', 'orange', `${from(event)}: the ${event.sender} sent segments again (${segments}) within ${span(event.duration_us)}, which cost ${span(event.delay_us)}`];
  },
  stall: (event) => ['stall', 'pink', `${from(event)}: ${(STALLS[event.kind] ?? [words(event.kind)])[0]} for ${span(event.duration_us)}`],
  slow_request: (event) => ['slow', 'blue', `${event.protocol} ${event.label || event.command} at ${place(event.server_ip, event.server_port)}: ${event.where ? `${span(event.where.total_us)}: ${sentence(event.where)}` : words(event.outcome)}`],
  capture_loss: (event) => ['lost', 'red', `${event.interface}: ${count(event.frames)} frames lost before the analysis, ${percent(event.completeness)} complete`],
  interface: (event) => ['interface', 'grey', `${event.interface} ${event.change}`],
  reload: (event) => ['reload', event.reason ? 'red' : 'grey', reloaded(event)],
  missed: (event) => ['missed', 'grey', `${count(event.lost)} events came faster than this page could take them`],
};

const events = {
  id: 'events', title: 'Events', told: [], leftOut: 0, open: false,
  has() {
    return this.open || this.told.length > 0;
  },
  build() {
    this.list = make('ol', { class: 'events', tabindex: '0', 'aria-label': 'Events, the latest first' });
    this.note = make('p', { class: 'say' });
    return card(this.id, this.title, make('p', { class: 'say' }, 'Failed handshakes, and what cost a flow or a request long.'), this.list, this.note);
  },
  show() {
    if (!this.changed) return;
    this.changed = false;
    this.list.replaceChildren(...this.told.map((event) => this.item(event)));
    const more = this.leftOut ? `${count(this.leftOut)} later ones are not shown; --event-log writes all of them.` : '';
    say(this.note, this.told.length ? more : 'None so far.');
  },
  item(event) {
    const tell = TOLD[event.event] ?? (() => [words(event.event), 'grey', '']);
    const [word, colour, text] = tell(event);
    return make('li', {}, make('time', {}, clock(event.time_us / 1000)), make('span', {}, swatch(colour), make('b', {}, word), ' ', text));
  },
  /** Takes those of a recorded capture, the earliest first. */
  take(recordedEvents) {
    if (!recordedEvents) return;
    this.told = recordedEvents.events.slice().reverse();
    this.leftOut = recordedEvents.left_out;
    this.changed = true;
  },
  add(event) {
    this.told = [event, ...this.told].slice(0, 200);
    this.changed = true;
  },
  /** Listens to the endpoint; one without events leaves the card hidden. */
  listen() {
    const source = new EventSource('/api/v1/events');
    source.onopen = () => Object.assign(this, { open: true, changed: true });
    source.onmessage = (message) => this.add(JSON.parse(message.data));
    source.addEventListener('lost', (message) => this.add({ event: 'missed', time_us: Date.now() * 1000, ...JSON.parse(message.data) }));
  },
};
