// The board: its picture, and over it a button for each column, to click, to tap, and for the keyboard.

import { BoardPicture } from "./boardpicture.js";
import { make, setAttribute } from "./dom.js";
import { COLUMNS, ROWS } from "./game.js";

const COLOURS = ["red", "yellow"];
const MIDDLE = 3;

export class Board {
  #picture = new BoardPicture();
  #buttons = [];
  #shown = null;
  #heights = Array(COLUMNS).fill(0);
  #seat = null;
  #pointed = null;

  /**
   * @param container where it goes.
   * @param choose called with a column from 0 that the player wants; without it the board can only be looked at.
   */
  constructor(container, choose = null) {
    container.append(this.#picture.element);
    if (choose) {
      this.#buttons = Array.from({ length: COLUMNS }, (_, column) => this.#createButton(column, choose));
      const group = make("div", "columns", ...this.#buttons);
      setAttribute(group, "role", "group");
      setAttribute(group, "aria-label", "Board, seven columns");
      group.addEventListener("keydown", event => this.#pressed(event));
      group.addEventListener("pointerleave", () => this.#point(null));
      container.append(group);
    }
  }

  clear() {
    this.#shown = null;
    this.#picture.clear();
  }

  focus(column) {
    this.#buttons.forEach((button, number) => { button.tabIndex = number === column ? 0 : -1; });
    this.#buttons[column].focus();
  }

  /**
   * @param game has moves, beginner, line and over, as a Game has.
   * @param options active: whether it is this player's turn; me: this player's seat.
   */
  show(game, { active = false, me = null } = {}) {
    const { moves } = game;
    const falls = this.#shown !== null && this.#shown.every((column, number) => column === moves[number]);
    if (!falls) this.clear();
    const columns = Array.from({ length: COLUMNS }, () => []);
    moves.forEach((column, number) => {
      const seat = (game.beginner + number) % 2;
      columns[column].push(seat);
      if (!falls || number >= this.#shown.length) this.#picture.put(seat, column, columns[column].length - 1, falls);
    });
    this.#shown = [...moves];
    this.#heights = columns.map(column => column.length);
    this.#seat = active ? me : null;
    const last = moves.at(-1);
    this.#picture.mark(last === undefined ? null : [last, columns[last].length - 1], game.line);
    this.#buttons.forEach((button, column) => {
      setAttribute(button, "aria-label", describe(column, columns[column]));
      setAttribute(button, "aria-disabled", String(!active || columns[column].length === ROWS));
    });
    this.#hint();
  }

  #createButton(column, choose) {
    const button = make("button", "column");
    button.type = "button";
    button.tabIndex = column === MIDDLE ? 0 : -1;
    button.addEventListener("click", () => {
      this.focus(column);
      choose(column);
    });
    button.addEventListener("pointerenter", event => event.pointerType === "mouse" && this.#point(column));
    button.addEventListener("focus", () => this.#point(button.matches(":focus-visible") ? column : null));
    button.addEventListener("blur", () => this.#point(null));
    return button;
  }

  #pressed(event) {
    const here = this.#buttons.indexOf(document.activeElement);
    const to = { ArrowLeft: here - 1, ArrowRight: here + 1, Home: 0, End: COLUMNS - 1 }[event.key];
    if (to === undefined || here < 0) return;
    event.preventDefault();
    this.focus(Math.min(Math.max(to, 0), COLUMNS - 1));
  }

  #point(column) {
    this.#pointed = column;
    this.#hint();
  }

  #hint() {
    const column = this.#pointed;
    const free = column !== null && this.#heights[column] < ROWS;
    this.#picture.hint(free ? this.#seat : null, column, this.#heights[column]);
  }
}

function describe(column, seats) {
  if (!seats.length) return `Column ${column + 1}, empty`;
  const discs = seats.map(seat => COLOURS[seat]).join(", ");
  return `Column ${column + 1}, ${seats.length === ROWS ? "full" : "from the bottom"}: ${discs}`;
}
