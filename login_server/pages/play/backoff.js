// How long to wait before the next attempt to connect: longer each time, and not the same for everybody, so that a
// server that comes back is not met by all its clients at once.

const FIRST_MILLISECONDS = 500;
const LAST_MILLISECONDS = 10_000;
const LEAST_MILLISECONDS = 100;

export class Backoff {
  #ceiling = FIRST_MILLISECONDS;

  next() {
    const delay = LEAST_MILLISECONDS + Math.random() * this.#ceiling;
    this.#ceiling = Math.min(this.#ceiling * 2, LAST_MILLISECONDS);
    return delay;
  }

  reset() {
    this.#ceiling = FIRST_MILLISECONDS;
  }
}
