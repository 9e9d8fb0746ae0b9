// The log viewer.

const LEVELS = { TRACE: 0, DEBUG: 0, INFO: 1, WARN: 2, ERROR: 3 };
const LONGEST_SHOWN = 1500;
const LONGEST_WHOLE = 200000;

class Logs {
  constructor() {
    this.name = find("log-name");
    this.level = find("log-level");
    this.source = find("log-source");
    this.search = find("log-search");
    this.read = new Map();
    this.list = new List(find("log-list"), (option, at) => this.draw(option, at), (at) => this.show(at), find("log-detail"));
    this.name.addEventListener("change", () => this.open());
    for (const input of [this.level, this.source]) input.addEventListener("change", () => this.filter());
    this.search.addEventListener("input", () => this.filter());
    near(find("logs"), () => this.log || this.open());
  }

  open() {
    const name = this.name.value;
    if (!this.read.has(name)) this.read.set(name, readLog(data(`log-${name}`)));
    this.log = this.read.get(name);
    this.source.replaceChildren(new Option("all", ""), ...this.log.sources.map((source, at) => new Option(source, at)));
    this.list.active = -1;
    find("log-detail").replaceChildren();
    find("log-list").setAttribute("aria-label", `${name}.log`);
    this.filter();
  }

  filter() {
    if (!this.log) this.open();
    const { lines, levels, of } = this.log;
    const level = this.level.value === "" ? -1 : Number(this.level.value);
    const source = this.source.value === "" ? -1 : Number(this.source.value);
    this.words = wordsOf(this.search);
    const items = [];
    for (let at = 0; at < lines.length; at += 1) {
      if (levels[at] < level || (source >= 0 && of[at] !== source)) continue;
      if (this.words.length) {
        const line = lines[at].toLowerCase();
        if (!this.words.every((word) => line.includes(word))) continue;
      }
      items.push(at);
    }
    this.list.set(items);
    find("log-status").textContent = `${items.length} of ${lines.length} lines`;
  }

  draw(option, at) {
    const line = this.log.lines[at];
    option.classList.add(["trace", "info", "warn", "error"][this.log.levels[at]] || "info");
    const cut = line.length > LONGEST_SHOWN ? `${line.slice(0, LONGEST_SHOWN)}…` : line;
    option.append(element("span", "number", String(at + 1)), element("span", "text", ...marked(cut, this.words)));
  }

  show(at) {
    const line = this.log.lines[at];
    const anchor = `${this.name.value}-L${at + 1}`;
    const whole = line.length > LONGEST_WHOLE ? `${line.slice(0, LONGEST_WHOLE)}… (${line.length} characters; all are in the log file)` : line;
    find("log-detail").replaceChildren(
      element("p", "", link(anchor, `${this.name.value}.log, line ${at + 1}`)),
      element("pre", "", ...marked(whole, this.words)));
    remember(anchor);
  }

  // Shows a line of a log; false if there is none.
  goto(name, line) {
    if (![...this.name.options].some((option) => option.value === name)) return false;
    if (this.name.value !== name || !this.log) {
      this.name.value = name;
      this.open();
    }
    if (line < 1 || line > this.log.lines.length) return false;
    if (!this.list.items.includes(line - 1)) {
      this.level.value = this.source.value = this.search.value = "";
      this.filter();
    }
    return this.list.goto(line - 1);
  }
}

// The lines of a log with their levels and sources; what follows a line without a time of its own belongs to it.
function readLog(text) {
  const lines = text.split("\n");
  if (lines[lines.length - 1] === "") lines.pop();
  const levels = new Int8Array(lines.length);
  const of = new Int32Array(lines.length);
  const sources = [];
  const known = new Map();
  let [level, source] = [1, -1];
  for (let at = 0; at < lines.length; at += 1) {
    const head = lines[at].slice(0, 300);
    const found = /^\S+ \[([A-Z]+)\] \(([^)]*)\) ([^:]*): (stdout|stderr|output)?/.exec(head);
    const json = !found && head[0] === "{" && /"level":"([A-Z]+)"/.exec(lines[at]);
    if (found || json) {
      level = LEVELS[(found || json)[1]] ?? 1;
      const logger = found ? found[4] || found[3].split(".").pop() : (/"loggerName":"([^"]*)"/.exec(lines[at]) || ["", ""])[1].split(".").pop();
      if (!known.has(logger)) {
        known.set(logger, sources.length);
        sources.push(logger);
      }
      source = known.get(logger);
    }
    levels[at] = level;
    of[at] = source;
  }
  return { lines, levels, of, sources };
}
