// Notices that a connection is dead although nobody has said so: the network changed, or the computer slept. What the
// server's own pings would tell, a browser does not pass on to pages.

const ANSWER_MILLISECONDS = 6_000;

export class Vigil {
  #quietMilliseconds;
  #ask;
  #lost;
  #timer = 0;
  #state = "off";

  /**
   * @param quietMilliseconds so long after the last message it asks for one.
   * @param ask sends what the server answers at once.
   * @param lost called when no message came for a while after something was asked.
   */
  constructor(quietMilliseconds, ask, lost) {
    this.#quietMilliseconds = quietMilliseconds;
    this.#ask = ask;
    this.#lost = lost;
  }

  /** A message came; the first one begins the vigil. */
  heard() {
    this.#wait("quiet", this.#quietMilliseconds, () => this.check());
  }

  /** Something was sent that the server answers at once. */
  asked() {
    if (this.#state === "quiet") this.#wait("asked", ANSWER_MILLISECONDS, () => this.#lost());
  }

  /** Find out now, if it is not being found out already. */
  check() {
    if (this.#state !== "quiet") return;
    this.asked();
    this.#ask();
  }

  end() {
    clearTimeout(this.#timer);
    this.#state = "off";
  }

  #wait(state, milliseconds, then) {
    clearTimeout(this.#timer);
    this.#state = state;
    this.#timer = setTimeout(then, milliseconds);
  }
}
