// The board as a picture: discs fall behind a frame with holes. What can be done with it is in `board.js`.

import { disc } from "./discs.js";
import { makeSvg } from "./dom.js";
import { COLUMNS, ROWS } from "./game.js";

const CELL = 100;
const EDGE = 20;
const FOOT = 46;
const LANE = 92;
const HOLE = 41;
const WIDTH = COLUMNS * CELL + 2 * EDGE;
const FRAME_HEIGHT = ROWS * CELL + EDGE + FOOT;
const FALL_MILLISECONDS = 210;

const centre = (column, row) => [EDGE + (column + 0.5) * CELL, LANE + EDGE + (ROWS - row - 0.5) * CELL];
const cells = Array.from({ length: COLUMNS * ROWS }, (_, number) => [number % COLUMNS, Math.floor(number / COLUMNS)]);
const stillness = matchMedia("(prefers-reduced-motion: reduce)");

export class BoardPicture {
  #discs = makeSvg("g");
  #marks = makeSvg("g");
  #ghost = makeSvg("g", { class: "ghost" });
  #byCell = new Map();

  constructor() {
    this.element = makeSvg("svg", { viewBox: `0 0 ${WIDTH} ${LANE + FRAME_HEIGHT + 2}`, "aria-hidden": "true" },
      makeSvg("rect", { class: "back", x: 8, y: LANE + 8, width: WIDTH - 16, height: FRAME_HEIGHT - 16, rx: 30 }),
      this.#discs,
      makeSvg("path", { class: "frame", "fill-rule": "evenodd", d: frame() }),
      ...cells.map(cell => makeSvg("circle", { class: "rim", r: HOLE + 2, ...at(cell) })),
      ...Array.from({ length: COLUMNS }, (_, column) => number(column)),
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
    const [x, y] = centre(column, row);
    const moving = makeSvg("g", {}, disc(seat));
    this.#discs.append(makeSvg("g", { class: "disc-in-place", transform: `translate(${x} ${y})` }, moving));
    this.#byCell.set(`${column},${row}`, moving);
    if (falls && !stillness.matches) fall(moving, ROWS - row);
  }

  /** Mark the last disc and the line that won, as cells. */
  mark(last, line) {
    for (const [cell, moving] of this.#byCell) {
      moving.classList.toggle("beaten", line.length > 0 && !line.some(won => won.join() === cell));
    }
    this.#marks.replaceChildren();
    if (line.length) {
      const points = [line[0], line[line.length - 1]].map(cell => centre(...cell).join());
      for (const name of ["line-edge", "line"]) {
        this.#marks.append(makeSvg("polyline", { class: name, points: points.join(" ") }));
      }
    } else if (last) {
      this.#marks.append(makeSvg("circle", { class: "last", r: HOLE - 2, ...at(last) }));
    }
  }

  /** Show where a disc of this seat would fall; nothing for null. */
  hint(seat, column, row) {
    if (seat === null) {
      this.#ghost.replaceChildren();
      return;
    }
    const above = makeSvg("g", { transform: `translate(${centre(column, 0)[0]} ${LANE / 2})` }, disc(seat));
    this.#ghost.replaceChildren(above);
    if (row < ROWS) this.#ghost.append(makeSvg("circle", { class: "landing", r: HOLE - 8, ...at([column, row]) }));
  }
}

function at([column, row]) {
  const [cx, cy] = centre(column, row);
  return { cx, cy };
}

function frame() {
  const round = 36;
  const [w, h] = [WIDTH - 2 * round, FRAME_HEIGHT - 2 * round];
  const corner = (x, y) => `a${round} ${round} 0 0 1 ${x} ${y}`;
  const outside = `M${round} ${LANE}h${w}${corner(round, round)}v${h}${corner(-round, round)}h${-w}`
    + `${corner(-round, -round)}v${-h}${corner(round, -round)}Z`;
  const holes = cells.map(([column, row]) => {
    const [x, y] = centre(column, row);
    return `M${x - HOLE} ${y}a${HOLE} ${HOLE} 0 1 0 ${2 * HOLE} 0a${HOLE} ${HOLE} 0 1 0 ${-2 * HOLE} 0Z`;
  });
  return outside + holes.join("");
}

function number(column) {
  const text = makeSvg("text", { class: "digit", x: centre(column, 0)[0], y: LANE + FRAME_HEIGHT - 16 });
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
