// Where a player asks for a match, or chooses a server.

import { GAME } from "./client.js";
import { fillList, find, make, setAttribute, show, write } from "./dom.js";
import { company, count, sentence } from "./words.js";

export class LobbyScreen {
  #client;
  #wasWaiting = false;

  constructor(client) {
    this.#client = client;
    const form = find("find-match");
    form.addEventListener("change", () => this.render());
    // Who comes by the arrow keys is not carried on; those clicks have no detail.
    find("whom-friend").addEventListener("click", event => event.detail && find("partner").focus());
    form.addEventListener("submit", event => {
      event.preventDefault();
      this.#findMatch();
    });
    find("go-back").addEventListener("click", () => client.goBack());
    find("cancel-match").addEventListener("click", () => client.cancelMatch());
    find("servers").addEventListener("click", event => {
      const row = event.target.closest("button")?.closest("li");
      if (row && !event.target.closest("[aria-disabled=true]")) client.joinServer(row.dataset.key);
    });
  }

  entered() {
    (this.#client.wish ? find("waiting-title") : find("lobby-title")).focus();
  }

  left() {}

  render() {
    const { name, wish, servers, trouble, online, missed } = this.#client;
    write(find("lobby-name"), name);
    write(find("trouble"), trouble);
    show(find("trouble"), trouble !== "");
    // A server that is not listed cannot be gone back to just now.
    const canGoBack = missed !== null && servers.has(missed.server_id);
    if (canGoBack) write(find("missed-text"), `You are in a game with ${this.#client.missedWith}.`);
    show(find("missed"), canGoBack);
    const waking = wish?.request.type === "join_server" && Boolean(wish.reason);
    const waiting = waking || wish?.request.type === "find_match";
    show(find("choose"), !waiting);
    show(find("waiting"), waiting);
    show(find("partner-field"), find("whom-friend").checked);
    show(find("cancel-match"), !waking);
    if (waking) this.#renderWaking(wish);
    else if (waiting) this.#renderWaiting(wish);
    if (waiting !== this.#wasWaiting && !find("lobby").hidden) {
      (waking ? find("waiting-title") : waiting ? find("cancel-match") : find("find-match").querySelector("[type=submit]")).focus();
    }
    this.#wasWaiting = waiting;
    const listed = [...servers.values()].sort((a, b) => rank(a) - rank(b) || a.server_id.localeCompare(b.server_id));
    fillList(find("servers"), listed, server => server.server_id, createRow, (row, server) => {
      updateRow(row, server, online && !wish);
    });
    show(find("servers-empty"), listed.length === 0);
  }

  #renderWaking(wish) {
    const server = this.#client.servers.get(wish.serverId);
    write(find("waiting-title"), `Waiting for ${server?.name || wish.serverId} …`);
    write(find("waiting-detail"), `${sentence(wish.reason)} You are in as soon as it is ready.`);
  }

  #renderWaiting(wish) {
    write(find("waiting-title"), wish.partner ? `Waiting for ${wish.partner} …` : "Looking for an opponent …");
    let detail = `${wish.waiting} of ${count(wish.players, "player")} here. It begins by itself.`;
    if (wish.partner && wish.waiting < wish.players) {
      // The reason, if there is one, begins with the friend's name as it is.
      detail = [wish.reason && `${wish.reason}.`, `It begins when ${wish.partner} asks for a match with you.`]
        .filter(Boolean).join(" ");
    } else if (wish.reason) {
      detail = `${sentence(wish.reason)} It begins as soon as it can.`;
    }
    write(find("waiting-detail"), detail);
  }

  #findMatch() {
    const withFriend = find("whom-friend").checked;
    const partner = withFriend ? find("partner").value.trim() : "";
    const missing = withFriend && !partner;
    write(find("partner-error"), missing ? "Enter your friend’s name." : "");
    show(find("partner-error"), missing);
    setAttribute(find("partner"), "aria-invalid", String(missing));
    if (missing) find("partner").focus();
    else this.#client.findMatch(partner);
  }
}

/** The states of servers that can be joined; one that sleeps wakes then. */
const OPEN = ["ready", "sleeping"];

/** What can be played here comes first. */
function rank(server) {
  const order = OPEN.indexOf(server.state);
  return server.game !== GAME ? 3 : order < 0 ? 2 : order;
}

function createRow() {
  const meter = make("div", "meter", make("i"));
  setAttribute(meter, "aria-hidden", "true");
  const join = make("button", "secondary small");
  join.type = "button";
  return make("li", "server",
    make("div", "what", make("span", "name"), make("span", "faint small"), make("span", "small")),
    make("div", "seats", make("span", "number"), meter),
    join,
    make("span", "faint small unplayable"));
}

function updateRow(row, server, canJoin) {
  const [what, seats, join, unplayable] = row.children;
  write(what.children[0], server.name || server.server_id);
  const playable = server.game === GAME;
  const asleep = server.state === "sleeping" ? "asleep" : "";
  const parts = [playable ? "" : server.game, server.map, server.region, server.server_id, asleep];
  write(what.children[1], parts.filter(Boolean).join(" · "));
  write(what.children[2], `Here: ${company(server.names)}`);
  setAttribute(what.children[2], "title", server.names.join(", "));
  show(what.children[2], server.names.length > 0);
  write(seats.children[0], `${server.players} of ${server.capacity} players`);
  const share = server.capacity ? Math.min(1, server.players / server.capacity) : 1;
  seats.children[1].firstElementChild.style.width = `${Math.round(share * 100)}%`;
  const full = server.players >= server.capacity;
  const open = OPEN.includes(server.state);
  show(join, playable);
  show(unplayable, !playable);
  write(unplayable, "Not playable in the browser");
  const state = !open ? server.state : full ? "full" : "join";
  write(join, state.charAt(0).toUpperCase() + state.slice(1));
  setAttribute(join, "aria-label", `${join.textContent} ${server.name || server.server_id}`);
  setAttribute(join, "aria-disabled", String(!(canJoin && open && !full)));
}
