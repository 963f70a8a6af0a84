// The connection to a game on its game server: shows the ticket once, and after a lost connection the resume key that
// the first answer brought. It connects again by itself until the game can no longer be there.

import { Backoff } from "./backoff.js";
import { Vigil } from "./vigil.js";

export const REPLACED = 4001;
export const GAME_CLOSED = 4002;
export const NOT_LET_IN = 4003;
// With 4004, a connection is closed after `moved`; this side closes it before.
export const KICKED = 4005;

/** Until the first answer: that a ticket is not good, a game server says to programs only, not to pages. */
const ARRIVE_MILLISECONDS = 15_000;
/** After a loss: a game waits a minute for a lost player. */
const GIVE_UP_MILLISECONDS = 75_000;
const ATTEMPT_MILLISECONDS = 8_000;
const QUIET_MILLISECONDS = 15_000;
const QUESTION = { command: "state" };
/** What is said again where the game goes on, if it had no response. */
const DEEDS = new Set(["drop", "resign"]);

export class GameServer {
  #place;
  #listener;
  #socket = null;
  #joined = false;
  /** Whether the game goes on elsewhere, and this player is on the way there. */
  #moving = false;
  /** The commands without a response, oldest first. */
  #unanswered = [];
  #backoff = new Backoff();
  #vigil = new Vigil(QUIET_MILLISECONDS, () => this.#say(QUESTION), () => this.#closed(this.#socket, 0, ""));
  #deadline = 0;
  #timer = 0;

  /**
   * @param place has address, port, gameId, and a ticket or a resumeKey.
   * @param listener has received(message), lost(), and ended(code, reason) after which no attempt is made any more;
   *   the code is 0 when it could not be reached in time.
   */
  constructor(place, listener) {
    this.#place = { ...place };
    this.#listener = listener;
  }

  connect() {
    this.#deadline = Date.now() + ARRIVE_MILLISECONDS;
    this.#attempt();
  }

  /** Returns whether the game can hear it, or will. */
  command(command) {
    if (this.#moving) {
      this.#unanswered.push(command);
      return true;
    }
    if (this.#joined) {
      this.#say(command);
      this.#vigil.asked();
    }
    return this.#joined;
  }

  /** The game server is there now; without a connection, and not on the way, the game is looked for there. */
  lookAt(address, port) {
    if (this.#joined || this.#moving || (address === this.#place.address && port === this.#place.port)) return;
    Object.assign(this.#place, { address, port });
    this.#attemptAnew();
  }

  /** Find out whether the connection is still alive. */
  check() {
    this.#vigil.check();
  }

  close() {
    clearTimeout(this.#timer);
    this.#vigil.end();
    const socket = this.#socket;
    this.#socket = null;
    this.#joined = false;
    socket?.close(1000);
  }

  #attempt() {
    const { address, port, gameId, ticket, resumeKey } = this.#place;
    const scheme = location.protocol === "https:" ? "wss" : "ws";
    const host = address.includes(":") ? `[${address}]` : address;
    const proof = resumeKey ? `resume=${encodeURIComponent(resumeKey)}` : `token=${encodeURIComponent(ticket)}`;
    const socket = new WebSocket(`${scheme}://${host}:${port}/${encodeURIComponent(gameId)}?${proof}`);
    this.#socket = socket;
    socket.onmessage = event => this.#received(socket, event.data);
    socket.onclose = event => this.#closed(socket, event.code, event.reason);
    this.#timer = setTimeout(() => this.#closed(socket, 0, ""), ATTEMPT_MILLISECONDS);
  }

  #attemptAnew() {
    clearTimeout(this.#timer);
    this.#vigil.end();
    const socket = this.#socket;
    this.#socket = null;
    this.#joined = false;
    socket?.close(1000);
    this.#backoff.reset();
    this.#attempt();
  }

  #say(command) {
    this.#unanswered.push(command);
    this.#socket.send(JSON.stringify(command));
  }

  #received(socket, data) {
    if (socket !== this.#socket) return;
    this.#vigil.heard();
    const message = JSON.parse(data);
    if (message.type === "joined") {
      clearTimeout(this.#timer);
      this.#joined = true;
      const again = this.#moving ? this.#unanswered : [];
      this.#moving = false;
      this.#unanswered = [];
      this.#place.gameId = message.game_id;
      this.#place.resumeKey = message.resume_key;
      this.#backoff.reset();
      for (const command of again) this.#say(command);
    } else if (message.type === "response") {
      this.#unanswered.shift();
    } else if (message.type === "moved") {
      const { address, port, game_id: gameId, resume_key: resumeKey } = message;
      Object.assign(this.#place, { address, port, gameId, resumeKey });
      this.#unanswered = this.#unanswered.filter(({ command }) => DEEDS.has(command));
      this.#moving = true;
      this.#deadline = Date.now() + GIVE_UP_MILLISECONDS;
      this.#attemptAnew();
    }
    this.#listener.received(message);
  }

  #closed(socket, code, reason) {
    if (socket !== this.#socket) return;
    clearTimeout(this.#timer);
    this.#vigil.end();
    if (this.#joined) this.#deadline = Date.now() + GIVE_UP_MILLISECONDS;
    this.#socket = null;
    this.#joined = false;
    socket.close();
    if ([REPLACED, GAME_CLOSED, NOT_LET_IN, KICKED].includes(code)) {
      this.#listener.ended(code, reason);
    } else if (Date.now() > this.#deadline) {
      this.#listener.ended(0, reason);
    } else {
      this.#timer = setTimeout(() => this.#attempt(), this.#backoff.next());
      this.#listener.lost();
    }
  }
}
