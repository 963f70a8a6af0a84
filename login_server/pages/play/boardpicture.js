// The board as a picture: discs fall behind a frame with holes. What can be done with it is in `board.js`.

import { disc } from "./discs.js";
import { makeSvg } from "./dom.js";

const CELL = 100;
const EDGE = 20;
const FOOT = 46;
const LANE = 92;
const HOLE = 41;
const FALL_MILLISECONDS = 210;

const stillness = matchMedia("(prefers-reduced-motion: reduce)");

export class BoardPicture {
  #rows;
  #discs = makeSvg("g");
  #marks = makeSvg("g");
  #ghost = makeSvg("g", { class: "ghost" });
  #byCell = new Map();

  constructor(columns, rows) {
    this.#rows = rows;
    const width = columns * CELL + 2 * EDGE;
    const height = rows * CELL + EDGE + FOOT;
    const cells = Array.from({ length: columns * rows }, (_, cell) => [cell % columns, Math.floor(cell / columns)]);
    const holes = cells.map(([column, row]) => this.#centre(column, row));
    /** How many times as wide as high it is, and how much of the width is left and right of the columns. */
    this.ratio = width / (LANE + height);
    this.edge = EDGE / width;
    this.element = makeSvg("svg", { viewBox: `0 0 ${width} ${LANE + height + 2}`, "aria-hidden": "true" },
      makeSvg("rect", { class: "back", x: 8, y: LANE + 8, width: width - 16, height: height - 16, rx: 30 }),
      this.#discs,
      makeSvg("path", { class: "frame", "fill-rule": "evenodd", d: frame(width, height, holes) }),
      ...cells.map(cell => makeSvg("circle", { class: "rim", r: HOLE + 2, ...this.#at(cell) })),
      ...Array.from({ length: columns }, (_, column) => number(column, this.#centre(column, 0)[0], LANE + height - 16)),
      this.#marks,
      this.#ghost);
  }

  clear() {
    this.#discs.replaceChildren();
    this.#byCell.clear();
    this.mark(null, []);
    this.hint(null);
  }

  put(seat, column, row, falls) {
    const [x, y] = this.#centre(column, row);
    const moving = makeSvg("g", {}, disc(seat));
    this.#discs.append(makeSvg("g", { class: "disc-in-place", transform: `translate(${x} ${y})` }, moving));
    this.#byCell.set(`${column},${row}`, moving);
    if (falls && !stillness.matches) fall(moving, this.#rows - row);
  }

  /** Mark the last disc and the line that won, as cells. */
  mark(last, line) {
    for (const [cell, moving] of this.#byCell) {
      moving.classList.toggle("beaten", line.length > 0 && !line.some(won => won.join() === cell));
    }
    this.#marks.replaceChildren();
    if (line.length) {
      const points = [line[0], line[line.length - 1]].map(cell => this.#centre(...cell).join());
      for (const name of ["line-edge", "line"]) {
        this.#marks.append(makeSvg("polyline", { class: name, points: points.join(" ") }));
      }
    } else if (last) {
      this.#marks.append(makeSvg("circle", { class: "last", r: HOLE - 2, ...this.#at(last) }));
    }
  }

  /** Show where a disc of this seat would fall; nothing for null. */
  hint(seat, column, row) {
    if (seat === null) {
      this.#ghost.replaceChildren();
      return;
    }
    const above = makeSvg("g", { transform: `translate(${this.#centre(column, 0)[0]} ${LANE / 2})` }, disc(seat));
    this.#ghost.replaceChildren(above);
    if (row >= this.#rows) return;
    this.#ghost.append(makeSvg("circle", { class: "landing", r: HOLE - 8, ...this.#at([column, row]) }));
  }

  #centre(column, row) {
    return [EDGE + (column + 0.5) * CELL, LANE + EDGE + (this.#rows - row - 0.5) * CELL];
  }

  #at([column, row]) {
    const [cx, cy] = this.#centre(column, row);
    return { cx, cy };
  }
}

function frame(width, height, centres) {
  const round = 36;
  const [w, h] = [width - 2 * round, height - 2 * round];
  const corner = (x, y) => `a${round} ${round} 0 0 1 ${x} ${y}`;
  const outside = `M${round} ${LANE}h${w}${corner(round, round)}v${h}${corner(-round, round)}h${-w}`
    + `${corner(-round, -round)}v${-h}${corner(round, -round)}Z`;
  const holes = centres.map(([x, y]) =>
    `M${x - HOLE} ${y}a${HOLE} ${HOLE} 0 1 0 ${2 * HOLE} 0a${HOLE} ${HOLE} 0 1 0 ${-2 * HOLE} 0Z`);
  return outside + holes.join("");
}

function number(column, x, y) {
  const text = makeSvg("text", { class: "digit", x, y });
  text.textContent = String(column + 1);
  return text;
}

function fall(moving, rows) {
  const height = rows * CELL;
  const down = "cubic-bezier(.5, 0, .9, .6)";
  const up = "cubic-bezier(.1, .4, .5, 1)";
  const shifted = (distance, more) => ({ transform: `translateY(${-distance}px)`, ...more });
  moving.animate(
    [
      shifted(height, { easing: down }),
      shifted(0, { offset: 0.7, easing: up }),
      shifted(height * 0.06, { offset: 0.85, easing: down }),
      shifted(0),
    ],
    { duration: FALL_MILLISECONDS * (1 + Math.sqrt(rows)) },
  );
}
