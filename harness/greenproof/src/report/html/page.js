// The timeline, the decisions, and the way from one place to another.

const MARKS = ["", "✓", "✗", "!"];
const CLASSES = ["plain", "good", "bad", "warned"];
const seconds = (milliseconds) => `${(milliseconds / 1000).toFixed(3)} s`;

// Keeps a place in the address, so that it can be passed on.
function remember(anchor) {
  history.replaceState(null, "", `#${encodeURIComponent(anchor)}`);
}

class Timeline {
  constructor() {
    this.rows = data("rows");
    this.lanes = data("lanes");
    this.end = this.rows.reduce((end, row) => Math.max(end, row[2]), 1);
    this.search = find("timeline-search");
    this.checks = [...document.querySelectorAll("#lanes input")];
    this.from = find("zoom-from");
    this.to = find("zoom-to");
    this.list = new List(find("timeline-list"), (option, at) => this.draw(option, at), (at) => this.show(at), find("timeline-detail"));
    for (const input of [this.search, this.from, this.to]) input.addEventListener("input", () => this.filter());
    for (const check of this.checks) check.addEventListener("change", () => this.filter());
    find("lanes-all").addEventListener("click", () => this.check(true));
    find("lanes-none").addEventListener("click", () => this.check(false));
    find("zoom-all").addEventListener("click", () => this.zoom(0, 1000));
    find("zoom-fit").addEventListener("click", () => this.fit());
    this.filter();
  }

  check(on) {
    for (const check of this.checks) check.checked = on;
    this.filter();
  }

  zoom(from, to) {
    this.from.value = from;
    this.to.value = to;
    this.filter();
  }

  // The part of the run in which the rows are that lanes and text leave.
  fit() {
    const rows = this.wanted().map((at) => this.rows[at]);
    if (!rows.length) return;
    const from = rows.reduce((least, row) => Math.min(least, row[1]), this.end);
    const to = rows.reduce((most, row) => Math.max(most, row[2]), 0);
    this.zoom(Math.floor((from / this.end) * 1000), Math.ceil((to / this.end) * 1000));
  }

  // The rows that lanes and text leave.
  wanted() {
    const lanes = new Set(this.checks.filter((check) => check.checked).map((check) => Number(check.value)));
    this.words = wordsOf(this.search);
    const items = [];
    this.rows.forEach((row, at) => {
      if (!lanes.has(row[0])) return;
      const text = this.words.length ? `${this.lanes[row[0]]} ${row[4]} ${row[5]}`.toLowerCase() : "";
      if (this.words.every((word) => text.includes(word))) items.push(at);
    });
    return items;
  }

  filter() {
    const ends = [Number(this.from.value), Number(this.to.value)].sort((a, b) => a - b);
    [this.begins, this.ends] = ends.map((end) => (end / 1000) * this.end);
    if (this.begins === this.ends) this.ends += this.end / 1000;
    const items = this.wanted().filter((at) => this.rows[at][2] >= this.begins && this.rows[at][1] <= this.ends);
    this.list.set(items);
    find("timeline-status").textContent =
      `${items.length} of ${this.rows.length} rows, ${seconds(this.begins)} to ${seconds(this.ends)}`;
    this.axis();
  }

  axis() {
    const ticks = [0, 0.25, 0.5, 0.75, 1].map((part) => {
      const tick = element("span", "", `${((this.begins + part * (this.ends - this.begins)) / 1000).toFixed(1)} s`);
      tick.style.left = `${part * 100}%`;
      return tick;
    });
    find("axis").replaceChildren(element("div", "track", ...ticks));
  }

  draw(option, at) {
    const [lane, from, to, mark, title, note] = this.rows[at];
    option.classList.add(CLASSES[mark]);
    const length = this.ends - this.begins;
    const place = (time) => Math.min(100, Math.max(0, ((time - this.begins) / length) * 100));
    const bar = element("span", "bar");
    bar.style.left = `${place(from)}%`;
    bar.style.width = `${place(to) - place(from)}%`;
    const track = element("span", "track", bar);
    track.setAttribute("aria-hidden", "true");
    option.append(
      element("span", "time", seconds(from)), element("span", "lane", this.lanes[lane]),
      element("span", "what", element("span", "mark", MARKS[mark]), " ", ...marked(title, this.words)),
      element("span", "note", ...marked(note, this.words)), track);
  }

  show(at) {
    const [lane, from, to, , title, note, place, decisions] = this.rows[at];
    const links = [];
    if (place) links.push(link(place, "in the log"), " ");
    if (decisions) {
      for (let number = decisions[0]; number < decisions[0] + decisions[1]; number += 1) {
        links.push(link(`decision-${number}`, `decision ${number}`), " ");
      }
    }
    find("timeline-detail").replaceChildren(
      element("h3", "", shown(title)),
      facts([["lane", this.lanes[lane]], ["when", `${seconds(from)} after the beginning`],
        ["how long", to > from ? seconds(to - from) : ""], ["result", shown(note)], ["see", ...links]]),
      element("pre", "", shown(JSON.stringify(data("details")[at], null, 2))));
    remember(`row-${at}`);
  }

  goto(at) {
    if (at >= this.rows.length) return false;
    if (!this.list.items.includes(at)) {
      this.search.value = "";
      for (const check of this.checks) check.checked = true;
      this.zoom(0, 1000);
    }
    return this.list.goto(at);
  }
}

class Decisions {
  constructor() {
    this.search = find("decisions-search");
    this.outcome = find("decisions-outcome");
    this.list = new List(find("decisions-list"), (option, at) => this.draw(option, at), (at) => this.show(at), find("decisions-detail"));
    this.search.addEventListener("input", () => this.filter());
    this.outcome.addEventListener("change", () => this.filter());
    near(find("decisions"), () => this.lines || this.open());
  }

  open() {
    ({ lines: this.lines, policies: this.policies } = data("decisions"));
    const outcomes = new Set(this.lines.map((line) => line.outcome));
    for (const outcome of outcomes) this.outcome.append(new Option(outcome));
    this.filter();
  }

  filter() {
    if (!this.lines) {
      this.open();
      return;
    }
    const outcome = this.outcome.value;
    this.words = wordsOf(this.search);
    const items = [];
    this.lines.forEach((line, at) => {
      if (outcome && line.outcome !== outcome) return;
      const text = this.words.length ? `${line.action} ${line.resource} ${line.principal} ${line.statement || ""} ${line.layer || ""}`.toLowerCase() : "";
      if (this.words.every((word) => text.includes(word))) items.push(at);
    });
    this.list.set(items);
    find("decisions-status").textContent = `${items.length} of ${this.lines.length} decisions`;
  }

  draw(option, at) {
    const line = this.lines[at];
    const good = line.outcome === "allowed";
    option.classList.add(good ? "good" : "bad");
    const by = line.statement || (line.layer ? `nothing in ${line.layer}` : "");
    option.append(
      element("span", "number", String(line.number)),
      element("span", "what", element("span", "mark", good ? "✓" : "✗"), ` ${line.outcome} `, ...marked(line.action, this.words)),
      element("span", "note", ...marked(by, this.words)), element("span", "resource", ...marked(line.resource, this.words)));
  }

  show(at) {
    const line = this.lines[at];
    const documents = line.places.flatMap(({ policy, statement }) => this.document(policy, statement));
    const row = line.row == null ? [""] : [link(`row-${line.row}`, "in the timeline")];
    const missing = line.places.length && !line.statement ? "No statement of these policies allows it:" : "";
    find("decisions-detail").replaceChildren(
      element("h3", "", `${line.number}. ${line.action}: ${line.outcome}`),
      facts([["resource", shown(line.resource)], ["by", shown(line.principal)], ["when", line.time],
        ["statement", shown(line.statement || "")], ["layer", line.layer || ""], ["AWS says", line.clause || ""],
        ["see", ...row]]),
      element("p", "", line.why || missing), ...documents);
    remember(`decision-${line.number}`);
  }

  // Chooses a decision by its number.
  goto(number) {
    if (!this.lines) this.open();
    if (number < 1 || number > this.lines.length) return false;
    if (!this.list.items.includes(number - 1)) {
      this.search.value = this.outcome.value = "";
      this.filter();
    }
    return this.list.goto(number - 1);
  }

  // A policy with the statement that decided marked in it.
  document(index, statement) {
    const { layer, name, text } = this.policies[index];
    const parts = statement ? [text.slice(0, statement.start), text.slice(statement.start, statement.end), text.slice(statement.end)] : [text];
    const clean = parts.map(shown);
    if (statement) clean[1] = element("mark", "", clean[1]);
    return [element("h4", "", `${name} (${layer})`), element("pre", "policy", ...clean)];
  }
}

const timeline = new Timeline();
const decisions = find("decisions") && new Decisions();
const logs = find("logs") && new Logs();

// Goes to a place of the page, also to one that is not drawn yet.
function go(anchor) {
  const row = /^row-(\d+)$/.exec(anchor);
  const decision = /^decision-(\d+)$/.exec(anchor);
  const line = /^(.+)-L(\d+)$/.exec(anchor);
  let list;
  if (row && timeline.goto(Number(row[1]))) list = timeline.list;
  else if (decision && decisions && decisions.goto(Number(decision[1]))) list = decisions.list;
  else if (line && logs && logs.goto(line[1], Number(line[2]))) list = logs.list;
  if (list) {
    list.box.scrollIntoView({ block: "center" });
    list.box.focus({ preventScroll: true });
    return;
  }
  const place = find(anchor);
  if (place) {
    place.scrollIntoView();
    if (place.tabIndex >= 0 || place.hasAttribute("tabindex")) place.focus({ preventScroll: true });
  }
}

const here = () => decodeURIComponent(location.hash.slice(1));
addEventListener("hashchange", () => go(here()));
document.addEventListener("click", (event) => {
  // A link to where one already is changes no address.
  const way = event.target.closest("a[href^='#']");
  if (way && way.hash === location.hash) go(here());
});
for (const detail of document.querySelectorAll(".detail")) {
  detail.addEventListener("keydown", (event) => {
    if (event.key === "Escape") detail.parentElement.querySelector("[role=listbox]").focus();
  });
}
if (location.hash) go(here());
