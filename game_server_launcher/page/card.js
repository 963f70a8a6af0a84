// One server on the page.

import { describe, make, mark, show, write } from "./dom.js";
import { ask, order } from "./launcher.js";
import { Plot } from "./plot.js";
import { clock, duration, memory, moodOf, percent } from "./words.js";

const KEPT_SAMPLES = 200;
const KEPT_EVENTS = 100;
const MEBIBYTE = 1024 * 1024;
/** So long a button that ends what players do has to be pressed once more. */
const ARMED_MILLISECONDS = 4000;
/** So long it is shown that something was done. */
const SHOWN_MILLISECONDS = 20_000;
const IDLE = new Set(["stopped", "failed", "waiting to be restarted", "asleep"]);
const OVER = new Set(["stopped", "failed"]);
const LABELS = { restart: "Restart", stop: "Stop", start: "Start" };

let made = 0;

export class Card {
  element;
  #parts = {};
  #name;
  #server = null;
  #samples = [];
  #events = [];
  #cpu;
  #memory;
  #open = "";
  #asking = false;
  #armed = null;
  #answerTimer = 0;

  constructor(name) {
    this.#name = name;
    this.element = document.getElementById("server").content.firstElementChild.cloneNode(true);
    for (const part of this.element.querySelectorAll("[data-is]")) this.#parts[part.dataset.is] = part;
    this.#cpu = new Plot(this.#parts.cpu, "CPU", percent, 5);
    this.#memory = new Plot(this.#parts.memory, "Memory", value => memory(value * MEBIBYTE), 10);
    this.#connect(`server-${++made}`);
  }

  /** Show how it stands, with the samples and events that are new. */
  show(server, now, samples, events) {
    this.#server = server;
    this.#samples = [...this.#samples, ...samples].slice(-KEPT_SAMPLES);
    this.#events = [...this.#events, ...events].slice(-KEPT_EVENTS);
    const { state, reason, changing, pid, players, capacity, port } = server;
    const here = pid !== 0;
    write(this.#parts.name, server.name);
    write(this.#parts.state, state);
    mark(this.#parts.state, "data-mood", moodOf(state));
    const version = server.version ? `version ${server.version}` : "";
    write(this.#parts.what, [server.game, server.map, version].filter(Boolean).join(" · "));
    write(this.#parts.reason, changing ? `Its map is being changed: ${changing}.` : reason);
    mark(this.#parts.reason, "data-mood", moodOf(state));
    show(this.#parts.reason, Boolean(changing || reason));
    describe(this.#parts.facts, [
      ["Players", `${players} / ${capacity}`],
      ["Port", here ? String(port) : "–"],
      ["Up", here ? duration(now - server.started_at) : "–"],
      ["Restarts", String(server.restarts)],
      ["Recent crashes", String(server.crashes)],
      ["Process", here ? String(pid) : "–"],
    ]);
    this.#cpu.show(this.#samples.map(([at, cpu]) => [at, cpu]), now, here ? server.cpu_percent : null);
    const inMebibytes = bytes => (bytes === null ? null : bytes / MEBIBYTE);
    this.#memory.show(
      this.#samples.map(([at, , bytes]) => [at, inMebibytes(bytes)]), now, here ? inMebibytes(server.rss_bytes) : null,
    );
    this.#showNames(server.names);
    this.#showButtons(state);
    fill(this.#parts["players-known"], server.names);
    fill(this.#parts["maps-known"], server.maps);
    if (this.#open === "events") this.#showEvents();
    if (this.#open === "output") this.#askForOutput();
  }

  #connect(id) {
    const { element } = this;
    this.#parts.name.id = id;
    mark(element, "aria-labelledby", id);
    for (const [name, field] of [["players-known", "player"], ["maps-known", "map"]]) {
      this.#parts[name].id = `${id}-${name}`;
      mark(element.querySelector(`[name=${field}]`), "list", `${id}-${name}`);
    }
    for (const button of element.querySelectorAll("button[data-order]")) {
      button.addEventListener("click", () => this.#pressed(button));
    }
    for (const form of element.querySelectorAll("form")) {
      form.addEventListener("submit", event => this.#submitted(event, form));
    }
    for (const button of element.querySelectorAll("[data-tab]")) {
      const panel = element.querySelector(`[data-panel=${button.dataset.tab}]`);
      panel.id = `${id}-${button.dataset.tab}`;
      mark(button, "aria-controls", panel.id);
      button.addEventListener("click", () => this.#turnTo(this.#open === button.dataset.tab ? "" : button.dataset.tab));
    }
  }

  #turnTo(tab) {
    this.#open = tab;
    for (const button of this.element.querySelectorAll("[data-tab]")) {
      mark(button, "aria-expanded", String(button.dataset.tab === tab));
    }
    for (const panel of this.element.querySelectorAll("[data-panel]")) show(panel, panel.dataset.panel === tab);
    if (tab === "events") this.#showEvents();
    if (tab === "output") this.#askForOutput();
  }

  // --- what is shown ---

  #showNames(names) {
    const list = this.#parts.names;
    show(list, names.length > 0);
    if ([...list.children].map(item => item.textContent).join("\n") === names.join("\n")) return;
    list.replaceChildren(...names.map(name => {
      const button = make("button", name);
      button.type = "button";
      button.title = `Send ${name} away …`;
      button.addEventListener("click", () => this.#prepareKick(name));
      return make("li", button);
    }));
  }

  #showButtons(state) {
    const shown = { restart: !IDLE.has(state), stop: !OVER.has(state), start: IDLE.has(state) };
    for (const button of this.element.querySelectorAll("button[data-order]")) show(button, shown[button.dataset.order]);
  }

  #showEvents() {
    const list = this.#parts.events;
    const latest = this.#events.at(-1);
    if (list.dataset.shown === `${this.#events.length} ${latest?.at}`) return;
    list.dataset.shown = `${this.#events.length} ${latest?.at}`;
    list.replaceChildren(...this.#events.toReversed().map(({ at, text }) => {
      const time = make("time", clock(at));
      time.dateTime = new Date(at * 1000).toISOString();
      return make("li", time, make("span", text));
    }));
    if (!latest) list.append(make("li", make("span", "–"), make("span", "Nothing yet.")));
  }

  async #askForOutput() {
    if (this.#asking) return;
    this.#asking = true;
    const { output } = this.#parts;
    try {
      const { lines } = await ask("output", { server: this.#name });
      const atEnd = output.scrollTop + output.clientHeight >= output.scrollHeight - 8;
      write(output, lines.join("\n") || "It has not printed anything yet.");
      if (atEnd) output.scrollTop = output.scrollHeight;
    } catch {
      // The next look is soon.
    } finally {
      this.#asking = false;
    }
  }

  // --- what is ordered ---

  #pressed(button) {
    const { players } = this.#server;
    if (players > 0 && button.dataset.order !== "start" && this.#armed !== button) {
      this.#disarm();
      this.#armed = button;
      button.classList.add("armed");
      write(button, `${LABELS[button.dataset.order]} with ${players} ${players === 1 ? "player" : "players"}?`);
      setTimeout(() => this.#armed === button && this.#disarm(), ARMED_MILLISECONDS);
      return;
    }
    this.#disarm();
    this.#order({ type: button.dataset.order }, `${LABELS[button.dataset.order]} …`);
  }

  #disarm() {
    if (!this.#armed) return;
    this.#armed.classList.remove("armed");
    write(this.#armed, LABELS[this.#armed.dataset.order]);
    this.#armed = null;
  }

  #prepareKick(name) {
    this.#turnTo("control");
    const form = this.element.querySelector("form[data-order=kick]");
    form.elements.player.value = name;
    form.elements.reason.focus();
  }

  async #submitted(event, form) {
    event.preventDefault();
    const fields = Object.fromEntries(new FormData(form));
    const button = form.querySelector("button");
    button.disabled = true;
    if (await this.#order({ type: form.dataset.order, ...fields }, `${button.textContent} …`)) form.reset();
    button.disabled = false;
  }

  /** Returns whether it was done. */
  async #order(message, meanwhile) {
    this.#answer("wait", meanwhile);
    const { succeeded, text } = await order({ server: this.#name, ...message });
    this.#answer(succeeded ? "good" : "bad", text);
    return succeeded;
  }

  #answer(mood, text) {
    const { answer } = this.#parts;
    mark(answer, "data-mood", mood);
    write(answer, text);
    show(answer, true);
    clearTimeout(this.#answerTimer);
    if (mood === "good") this.#answerTimer = setTimeout(() => show(answer, false), SHOWN_MILLISECONDS);
  }
}

function fill(datalist, values) {
  if ([...datalist.children].map(option => option.value).join("\n") === values.join("\n")) return;
  datalist.replaceChildren(...values.map(value => {
    const option = make("option");
    option.value = value;
    return option;
  }));
}
