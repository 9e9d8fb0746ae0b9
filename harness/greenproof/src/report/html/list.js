"use strict";
// What the page's lists share: only the part that is in view is in the document.

const find = (id) => document.getElementById(id);

const parsed = new Map();
// Data of the page, read when it is first wanted: most of it never is.
function data(name) {
  if (!parsed.has(name)) parsed.set(name, JSON.parse(find(`data-${name}`).textContent));
  return parsed.get(name);
}

function element(tag, className, ...children) {
  const made = document.createElement(tag);
  if (className) made.className = className;
  made.append(...children);
  return made;
}

// A text with its control characters as pictures, so that none does anything.
function shown(text) {
  return text.replace(/[\x00-\x08\x0b-\x1f\x7f]/g, (letter) => {
    const code = letter.charCodeAt(0);
    return String.fromCharCode(code === 0x7f ? 0x2421 : 0x2400 + code);
  });
}

// A text in which what was searched is marked.
function marked(text, words) {
  const clean = shown(text);
  if (!words.length) return [clean];
  const pattern = words.map((word) => word.replace(/[.*+?^${}()|[\]\\]/g, "\\$&")).join("|");
  const parts = clean.split(new RegExp(`(${pattern})`, "i"));
  return parts.map((part, at) => (at % 2 ? element("mark", "", part) : part));
}

function wordsOf(input) {
  return input.value.toLowerCase().split(/\s+/).filter(Boolean);
}

// A label and a value of a definition list, if there is a value.
function facts(pairs) {
  const list = element("dl", "");
  for (const [name, ...value] of pairs) {
    if (value.some((part) => part !== "" && part != null)) list.append(element("dt", "", name), element("dd", "", ...value));
  }
  return list;
}

function link(anchor, text) {
  const made = element("a", "", text);
  made.href = `#${encodeURIComponent(anchor)}`;
  return made;
}

// Does something once somebody is near a part of the page: what is long takes time to read.
function near(part, then) {
  const watch = new IntersectionObserver((entries) => {
    if (!entries.some((entry) => entry.isIntersecting)) return;
    watch.disconnect();
    then();
  }, { rootMargin: "200px" });
  watch.observe(part);
}

// Browsers lay out no element that is much higher.
const HIGHEST = 8e6;
const BEYOND = 6;

class List {
  // `draw` makes the content of an item, `chosen` is told which item a person chose.
  constructor(box, draw, chosen, detail) {
    Object.assign(this, { box, draw, chosen, detail, items: [], active: -1 });
    this.all = element("div", "all");
    this.part = element("div", "part");
    this.all.append(this.part);
    this.all.setAttribute("role", "presentation");
    this.part.setAttribute("role", "presentation");
    box.append(this.all);
    box.addEventListener("scroll", () => this.paint(), { passive: true });
    box.addEventListener("keydown", (event) => this.key(event));
    box.addEventListener("click", (event) => {
      const option = event.target.closest("[role=option]");
      if (option) this.choose(Number(option.dataset.at));
    });
    new ResizeObserver(() => this.paint()).observe(box);
  }

  // Shows these items; the chosen one stays chosen if it is among them.
  set(items) {
    const before = this.items[this.active];
    this.items = items;
    this.active = before === undefined ? -1 : items.indexOf(before);
    if (this.active >= 0) this.reveal(this.active);
    else this.box.scrollTop = 0;
    this.paint();
  }

  measure() {
    const rem = parseFloat(getComputedStyle(document.documentElement).fontSize);
    const height = parseFloat(getComputedStyle(this.box).getPropertyValue("--row")) * rem;
    const total = this.items.length * height;
    const view = this.box.clientHeight;
    return { height, total, view, real: Math.min(total, HIGHEST) };
  }

  // How far the items are scrolled; where there are too many, the bar moves over more than its own length.
  offset({ total, view, real }) {
    const top = this.box.scrollTop;
    return real === total ? top : (top / Math.max(1, real - view)) * (total - view);
  }

  paint() {
    const sizes = this.measure();
    const { height, view, real } = sizes;
    this.all.style.height = `${real}px`;
    const offset = this.offset(sizes);
    const first = Math.max(0, Math.floor(offset / height) - BEYOND);
    const last = Math.min(this.items.length, Math.ceil((offset + view) / height) + BEYOND);
    const options = [];
    for (let at = first; at < last; at += 1) options.push(this.option(at));
    this.part.replaceChildren(...options);
    this.part.style.transform = `translateY(${this.box.scrollTop - (offset - first * height)}px)`;
    const active = this.active >= first && this.active < last;
    if (active) this.box.setAttribute("aria-activedescendant", `${this.box.id}-${this.active}`);
    else this.box.removeAttribute("aria-activedescendant");
  }

  option(at) {
    const option = element("div", "option");
    this.draw(option, this.items[at]);
    option.id = `${this.box.id}-${at}`;
    option.dataset.at = at;
    option.setAttribute("role", "option");
    option.setAttribute("aria-selected", String(at === this.active));
    option.setAttribute("aria-posinset", at + 1);
    option.setAttribute("aria-setsize", this.items.length);
    return option;
  }

  reveal(at) {
    const sizes = this.measure();
    const { height, total, view, real } = sizes;
    this.all.style.height = `${real}px`;
    const offset = this.offset(sizes);
    let wanted = offset;
    if (at * height < offset) wanted = at * height;
    else if ((at + 1) * height > offset + view) wanted = (at + 1) * height - view;
    // What comes from elsewhere is shown with what is around it.
    if (Math.abs(wanted - offset) > view) wanted = at * height - view / 2;
    if (wanted === offset) return;
    this.box.scrollTop = real === total ? wanted : (wanted / (total - view)) * (real - view);
  }

  choose(at) {
    if (at < 0 || at >= this.items.length) return;
    this.active = at;
    this.reveal(at);
    this.paint();
    this.chosen(this.items[at]);
  }

  // Chooses an item; false if it is not among those that are shown.
  goto(item) {
    const at = this.items.indexOf(item);
    this.choose(at);
    return at >= 0;
  }

  key(event) {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const { height, view } = this.measure();
    const page = Math.max(1, Math.floor(view / height) - 1);
    const last = this.items.length - 1;
    const to = { ArrowDown: this.active + 1, ArrowUp: this.active - 1, PageDown: this.active + page,
      PageUp: this.active - page, Home: 0, End: last }[event.key];
    if (to !== undefined) {
      event.preventDefault();
      this.choose(Math.min(last, Math.max(0, to)));
    } else if ((event.key === "Enter" || event.key === " ") && this.active >= 0) {
      event.preventDefault();
      this.detail.focus();
    }
  }
}
