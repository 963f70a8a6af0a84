// Says to screen readers what the page shows, one line after the other.

const KEPT = 20;

export class Announcer {
  #log;

  constructor(log) {
    this.#log = log;
  }

  say(text) {
    const line = document.createElement("p");
    line.textContent = text;
    this.#log.append(line);
    while (this.#log.children.length > KEPT) this.#log.firstElementChild.remove();
  }
}
