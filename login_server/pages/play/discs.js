// The two kinds of discs. They differ in colour and in what is on them, so that nobody has to tell colours apart.

import { makeSvg } from "./dom.js";

const RADIUS = 44;
const SHINE = `M${-RADIUS} 0a${RADIUS} ${RADIUS} 0 0 1 ${2 * RADIUS} 0a52 30 0 0 0 ${-2 * RADIUS} 0Z`;
const STAR = star(5, 27, 11.5);

/** One disc around the origin, 88 wide. */
export function disc(seat) {
  const sign = seat === 0
    ? makeSvg("circle", { class: "sign", r: 22 })
    : makeSvg("path", { class: "sign", d: STAR });
  return makeSvg("g", { class: `disc seat-${seat}` },
    makeSvg("circle", { class: "body", r: RADIUS }),
    makeSvg("path", { class: "shine", d: SHINE }),
    makeSvg("circle", { class: "edge", r: RADIUS - 6 }),
    sign);
}

/** The same as a picture of its own, to stand beside a name. */
export function discPicture(seat) {
  return makeSvg("svg", { class: "disc-picture", viewBox: "-50 -50 100 100", "aria-hidden": "true" }, disc(seat));
}

function star(points, outer, inner) {
  const corners = Array.from({ length: 2 * points }, (_, number) => {
    const angle = Math.PI * (number / points - 0.5);
    const radius = number % 2 ? inner : outer;
    return `${(radius * Math.cos(angle)).toFixed(2)} ${(radius * Math.sin(angle)).toFixed(2)}`;
  });
  return `M${corners.join("L")}Z`;
}
