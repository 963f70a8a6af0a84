// A plot of the last ten minutes of one figure.

import { make, makeSvg, mark, write } from "./dom.js";
import { duration } from "./words.js";

const WIDTH = 600;
const HEIGHT = 100;
const SPAN_SECONDS = 600;
/** Two samples that are further apart are not joined. */
const GAP_SECONDS = 60;

export class Plot {
  #figure;
  #title;
  #format;
  #least;
  #samples = [];
  #now = 0;
  #pointed = null;
  #value = make("strong");
  #most = make("span");
  #svg = makeSvg("svg", { viewBox: `0 0 ${WIDTH} ${HEIGHT}`, preserveAspectRatio: "none", role: "img" });
  #area = makeSvg("path", { class: "area" });
  #curve = makeSvg("path", { class: "curve" });
  #at = makeSvg("line", { class: "at", y1: 0, y2: HEIGHT, visibility: "hidden" });

  /**
   * @param figure is filled.
   * @param title of the plot.
   * @param format makes a text of a value.
   * @param least the smallest value at the upper end of the scale.
   */
  constructor(figure, title, format, least) {
    this.#figure = figure;
    this.#title = title;
    this.#format = format;
    this.#least = least;
    const name = make("span", title);
    name.className = "faint";
    const scale = make("div", make("span", "10 min ago"), this.#most, make("span", "now"));
    scale.className = "scale";
    this.#svg.append(
      makeSvg("line", { class: "half", x1: 0, x2: WIDTH, y1: HEIGHT / 2, y2: HEIGHT / 2 }),
      makeSvg("rect", { class: "frame", x: 0, y: 0, width: WIDTH, height: HEIGHT, rx: 3 }),
      this.#area,
      this.#curve,
      this.#at,
    );
    figure.append(make("figcaption", name, this.#value), this.#svg, scale);
    this.#svg.addEventListener("pointermove", event => this.#point(event));
    this.#svg.addEventListener("pointerleave", () => this.#point(null));
  }

  /**
   * @param samples [[at, value], …] in the order of time; null for a time without a process.
   * @param now the right end of the scale, in Unix time.
   * @param current the value now; null for none.
   */
  show(samples, now, current) {
    this.#now = now;
    this.#samples = samples.filter(([at]) => at > now - SPAN_SECONDS);
    const values = this.#samples.map(([, value]) => value).filter(value => value !== null);
    const most = roundUp(Math.max(this.#least, ...values));
    const x = at => WIDTH * (1 - (now - at) / SPAN_SECONDS);
    const y = value => HEIGHT * (1 - value / most);
    let curve = "";
    let area = "";
    for (const run of runs(this.#samples)) {
      const points = run.map(([at, value]) => `${x(at).toFixed(1)} ${y(value).toFixed(1)}`);
      const line = points.length > 1 ? `M${points.join("L")}` : `M${points[0]}h.1`;
      curve += line;
      area += `${line}L${x(run.at(-1)[0]).toFixed(1)} ${HEIGHT}L${x(run[0][0]).toFixed(1)} ${HEIGHT}Z`;
    }
    mark(this.#curve, "d", curve);
    mark(this.#area, "d", area);
    write(this.#most, `scale to ${this.#format(most)}`);
    const text = current === null ? "–" : this.#format(current);
    const highest = values.length ? `, at most ${this.#format(Math.max(...values))} in the last ten minutes` : "";
    mark(this.#svg, "aria-label", `${this.#title}: ${current === null ? "no process" : text}${highest}`);
    if (!this.#pointed) write(this.#value, text);
    this.#current = text;
  }

  #current = "";

  #point(event) {
    this.#pointed = null;
    if (event && this.#samples.length) {
      const box = this.#svg.getBoundingClientRect();
      const at = this.#now - SPAN_SECONDS * (1 - (event.clientX - box.left) / box.width);
      const distance = sample => Math.abs(sample[0] - at);
      this.#pointed = this.#samples.reduce((best, sample) => (distance(sample) < distance(best) ? sample : best));
    }
    mark(this.#at, "visibility", this.#pointed ? "visible" : "hidden");
    if (!this.#pointed) {
      write(this.#value, this.#current);
      return;
    }
    const [at, value] = this.#pointed;
    const x = WIDTH * (1 - (this.#now - at) / SPAN_SECONDS);
    mark(this.#at, "x1", x);
    mark(this.#at, "x2", x);
    write(this.#value, `${value === null ? "–" : this.#format(value)}, ${duration(this.#now - at)} ago`);
  }
}

/** Samples without the times at which there was no process, in pieces that are to be joined. */
function* runs(samples) {
  let run = [];
  for (const sample of samples) {
    const gap = run.length > 0 && sample[0] - run.at(-1)[0] > GAP_SECONDS;
    if ((gap || sample[1] === null) && run.length) {
      yield run;
      run = [];
    }
    if (sample[1] !== null) run.push(sample);
  }
  if (run.length) yield run;
}

/** The next number that begins with 1, 2 or 5 and has only zeros after that. */
function roundUp(value) {
  const power = 10 ** Math.floor(Math.log10(value));
  const factor = value / power;
  return power * (factor <= 1 ? 1 : factor <= 2 ? 2 : factor <= 5 ? 5 : 10);
}
