// A game as this player knows it: what the game server told, event by event. No network, no page.

/** Of the usual board. */
export const COLUMNS = 7;
export const ROWS = 6;

export class Game {
  /** @param joined the game server's first message of that type. */
  constructor(joined) {
    this.id = joined.game_id;
    this.me = joined.player;
    this.seat = joined.seat;
    this.#early = new Map();
    this.adopt(joined.state);
  }

  /** Events that came before the ones they follow, by number. */
  #early;

  /** Take over the whole state, whatever was known before. */
  adopt(state) {
    const { game } = state;
    this.sequence = state.sequence;
    this.players = game ? [...game.players] : [...state.players];
    this.present = new Set(state.present);
    /** When each player who is gone is waited for no more, where that is known; milliseconds as of Date.now(). */
    this.goneUntil = new Map();
    this.begun = state.begun;
    this.beginner = game?.beginner ?? 0;
    this.width = game?.width ?? COLUMNS;
    this.height = game?.height ?? ROWS;
    this.moves = game ? [...game.moves] : [];
    this.winner = game?.winner ?? "";
    this.reason = game?.reason ?? "";
    this.line = game?.line ?? [];
    for (const sequence of this.#early.keys()) if (sequence <= this.sequence) this.#early.delete(sequence);
  }

  get over() {
    return this.reason !== "";
  }

  /** The player whose turn it is; empty while nobody's is. */
  get turn() {
    return this.begun && !this.over ? this.players[this.seatOfMove(this.moves.length)] : "";
  }

  get myTurn() {
    return this.turn !== "" && this.turn === this.me;
  }

  /** The other player, empty while nobody is known; for who only watches, the second one. */
  get opponent() {
    return this.players.find((name, seat) => seat !== (this.seat ?? 0)) ?? "";
  }

  /** The seats of the discs in each column, the lowest first. */
  get columns() {
    const columns = Array.from({ length: this.width }, () => []);
    this.moves.forEach((column, number) => columns[column].push(this.seatOfMove(number)));
    return columns;
  }

  isFull(column) {
    return this.moves.filter(played => played === column).length >= this.height;
  }

  seatOfMove(number) {
    return (this.beginner + number) % 2;
  }

  /**
   * Take one numbered event, and those that had come before it was their turn.
   *
   * Returns the events that happened, oldest first: none for one that was known, or that has a gap before it; then
   * `missing` says from which number on to ask.
   */
  receive(message) {
    if (message.sequence > this.sequence) this.#early.set(message.sequence, message);
    const happened = [];
    for (let next; (next = this.#early.get(this.sequence + 1)); ) {
      this.#early.delete(next.sequence);
      this.sequence = next.sequence;
      this.#apply(next);
      happened.push(next.event);
    }
    return happened;
  }

  /** The number of the first event that is missing, or 0. */
  get missing() {
    return this.#early.size ? this.sequence + 1 : 0;
  }

  #apply({ at, event }) {
    switch (event.kind) {
      case "player_seated":
        this.players[event.seat] = event.player;
        this.present.add(event.player);
        break;
      case "player_gone":
        this.present.delete(event.player);
        // By the game server's clock both, so that a wrong one here does no harm.
        this.goneUntil.set(event.player, Date.now() + (event.until - at) * 1000);
        break;
      case "player_returned":
        this.present.add(event.player);
        // For the other one, should that one be gone too, the wait begins anew.
        this.goneUntil.clear();
        break;
      case "game_began":
        this.players = [...event.players];
        this.beginner = event.players.indexOf(event.beginner);
        this.width = event.width ?? COLUMNS;
        this.height = event.height ?? ROWS;
        this.begun = true;
        break;
      case "piece_dropped":
        this.moves.push(event.column);
        break;
      case "game_ended":
        this.winner = event.winner;
        this.reason = event.reason;
        this.line = event.line;
        break;
    }
  }
}
