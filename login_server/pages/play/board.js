// The board: its picture, and over it a button for each column, to click, to tap, and for the keyboard.

import { BoardPicture } from "./boardpicture.js";
import { make, setAttribute } from "./dom.js";
import { COLUMNS, ROWS } from "./game.js";

const COLOURS = ["red", "yellow"];

export class Board {
  #container;
  #choose;
  #width = 0;
  #height = 0;
  #picture;
  #buttons = [];
  #shown = null;
  #heights;
  #seat = null;
  #pointed = null;

  /**
   * @param container where it goes.
   * @param choose called with a column from 0 that the player wants; without it the board can only be looked at.
   */
  constructor(container, choose = null) {
    this.#container = container;
    this.#choose = choose;
    this.#fit(COLUMNS, ROWS);
  }

  /** How many times as wide as high it is. */
  get ratio() {
    return this.#picture.ratio;
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
   * @param game has width, height, moves, beginner, line and over, as a Game has.
   * @param options active: whether it is this player's turn; me: this player's seat.
   */
  show(game, { active = false, me = null } = {}) {
    const { moves } = game;
    this.#fit(game.width, game.height);
    const falls = this.#shown !== null && this.#shown.every((column, number) => column === moves[number]);
    if (!falls) this.clear();
    const columns = Array.from({ length: this.#width }, () => []);
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
      setAttribute(button, "aria-label", describe(column, columns[column], this.#height));
      setAttribute(button, "aria-disabled", String(!active || columns[column].length === this.#height));
    });
    this.#hint();
  }

  /** Be a board of this size, an empty one if it was of another. */
  #fit(width, height) {
    if (width === this.#width && height === this.#height) return;
    this.#width = width;
    this.#height = height;
    this.#shown = null;
    this.#pointed = null;
    this.#heights = Array(width).fill(0);
    this.#picture = new BoardPicture(width, height);
    this.#container.replaceChildren(this.#picture.element);
    if (this.#choose) this.#container.append(this.#createButtons());
  }

  #createButtons() {
    this.#buttons = Array.from({ length: this.#width }, (_, column) => this.#createButton(column, this.#choose));
    const group = make("div", "columns", ...this.#buttons);
    group.style.setProperty("--columns", this.#width);
    group.style.setProperty("--edge", `${100 * this.#picture.edge}%`);
    setAttribute(group, "role", "group");
    setAttribute(group, "aria-label", `Board, ${this.#width} columns`);
    group.addEventListener("keydown", event => this.#pressed(event));
    group.addEventListener("pointerleave", () => this.#point(null));
    return group;
  }

  #createButton(column, choose) {
    const button = make("button", "column");
    button.type = "button";
    button.tabIndex = column === Math.floor(this.#width / 2) ? 0 : -1;
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
    const to = { ArrowLeft: here - 1, ArrowRight: here + 1, Home: 0, End: this.#width - 1 }[event.key];
    if (to === undefined || here < 0) return;
    event.preventDefault();
    this.focus(Math.min(Math.max(to, 0), this.#width - 1));
  }

  #point(column) {
    this.#pointed = column;
    this.#hint();
  }

  #hint() {
    const column = this.#pointed;
    const free = column !== null && this.#heights[column] < this.#height;
    this.#picture.hint(free ? this.#seat : null, column, this.#heights[column]);
  }
}

function describe(column, seats, height) {
  if (!seats.length) return `Column ${column + 1}, empty`;
  const discs = seats.map(seat => COLOURS[seat]).join(", ");
  return `Column ${column + 1}, ${seats.length === height ? "full" : "from the bottom"}: ${discs}`;
}
