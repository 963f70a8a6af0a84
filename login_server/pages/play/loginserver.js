// The connection to the login server: a WebSocket at `players`, beside this page. Each message is a JSON object with a
// "type", the same that other clients say over TCP.
//
// It connects when it is asked to, since the login server ends a connection that does not log in. With `stay` set it
// connects again by itself, for as long as it takes.

import { Backoff } from "./backoff.js";
import { Vigil } from "./vigil.js";

const HELLO = { type: "hello", versions: [1, 2, 3], program: "browser" };
const PATIENCE_MILLISECONDS = 15_000;
const QUIET_MILLISECONDS = 30_000;

export class LoginServer {
  /** Connect again when the connection is lost. */
  stay = false;

  #listener;
  #socket = null;
  #welcome = false;
  #backoff = new Backoff();
  #vigil = new Vigil(QUIET_MILLISECONDS, () => this.#say(HELLO), () => this.startOver());
  #timer = 0;

  /** @param listener has welcome(), received(message) and lost(). */
  constructor(listener) {
    this.#listener = listener;
  }

  /** Begin to connect; `welcome` or `lost` follows, `welcome` also if it is connected already. */
  connect() {
    if (this.#welcome) {
      this.#listener.welcome();
      return;
    }
    if (this.#socket) return;
    clearTimeout(this.#timer);
    const url = new URL("players", document.baseURI);
    url.protocol = url.protocol === "https:" ? "wss:" : "ws:";
    const socket = new WebSocket(url);
    this.#socket = socket;
    socket.onopen = () => this.#say(HELLO);
    socket.onmessage = event => this.#received(socket, event.data);
    socket.onclose = () => this.#closed(socket);
    // An address that does not answer at all would keep the browser waiting for minutes.
    this.#timer = setTimeout(() => this.#closed(socket), PATIENCE_MILLISECONDS);
  }

  /** Returns whether there is a connection to send it on. */
  send(message) {
    if (this.#welcome) this.#say(message);
    return this.#welcome;
  }

  /** Find out whether the connection is still alive. */
  check() {
    this.#vigil.check();
  }

  /** End the connection for good. */
  close() {
    this.stay = false;
    clearTimeout(this.#timer);
    this.#vigil.end();
    const socket = this.#socket;
    this.#socket = null;
    this.#welcome = false;
    socket?.close(1000);
  }

  /** End the connection and, with `stay`, make a new one in a while. */
  startOver() {
    if (this.#socket) this.#closed(this.#socket);
  }

  #say(message) {
    this.#socket.send(JSON.stringify(message));
  }

  #received(socket, data) {
    if (socket !== this.#socket) return;
    this.#vigil.heard();
    const message = JSON.parse(data);
    if (message.type !== "welcome") {
      this.#listener.received(message);
    } else if (!this.#welcome) {
      clearTimeout(this.#timer);
      this.#welcome = true;
      this.#listener.welcome();
    }
  }

  #closed(socket) {
    if (socket !== this.#socket) return;
    clearTimeout(this.#timer);
    this.#vigil.end();
    this.#socket = null;
    this.#welcome = false;
    socket.close();
    this.#listener.lost();
    if (this.stay) this.#timer = setTimeout(() => this.connect(), this.#backoff.next());
  }

  /** The login server let this player in: the next attempt after a loss is made soon again. */
  settled() {
    this.#backoff.reset();
  }
}
