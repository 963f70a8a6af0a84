// Puts the page together: what is true of the launcher as a whole, and a card for each server.

import { Card } from "./card.js";
import { describe, show, write } from "./dom.js";
import { watch } from "./launcher.js";
import { memory, percent } from "./words.js";

const find = id => document.getElementById(id);
const cards = new Map();

/** As `[idle]` of the game file wants it: no reason to look there. */
const RESTING = new Set(["frozen", "falling asleep", "asleep"]);

function told({ launcher, samples, events }) {
  show(find("lost"), false);
  find("servers").classList.remove("stale");
  const { servers } = launcher;
  write(find("name"), launcher.name);
  const connected = launcher.login_server === "connected";
  find("login-dot").classList.toggle("on", connected);
  write(find("login"), connected ? "connected to the login server" : "the login server is away; matches go on");
  const sum = field => servers.reduce((total, server) => total + server[field], 0);
  const ready = servers.filter(({ state }) => state === "ready").length;
  const resting = servers.filter(({ state }) => RESTING.has(state)).length;
  const waiting = launcher.results_waiting;
  describe(find("totals"), [
    ["Ready", `${ready} of ${servers.length}`, ready + resting < servers.length ? "call" : ""],
    ["Players", String(sum("players"))],
    ["CPU", percent(sum("cpu_percent"))],
    ["Memory", memory(sum("rss_bytes"))],
    ...(waiting ? [["Results waiting", String(waiting), "call"]] : []),
  ]);
  document.title = `${ready} of ${servers.length} ready – ${launcher.name}`;
  show(find("empty"), servers.length === 0);
  for (const server of servers) {
    if (!cards.has(server.name)) cards.set(server.name, new Card(server.name));
    cards.get(server.name).show(server, launcher.at, samples[server.name], events[server.name]);
  }
  place(servers.map(({ name }) => name));
}

/** Have exactly these cards on the page, in this order. */
function place(names) {
  for (const [name, card] of cards) {
    if (!names.includes(name)) {
      card.element.remove();
      cards.delete(name);
    }
  }
  names.forEach((name, index) => {
    const { element } = cards.get(name);
    if (find("servers").children[index] !== element) find("servers").insertBefore(element, find("servers").children[index]);
  });
}

function lost() {
  show(find("lost"), true);
  find("servers").classList.add("stale");
}

watch(told, lost);
