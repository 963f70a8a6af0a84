// What is done to the page. Texts go in as text only, so that nothing in them is ever markup.

/** Set a text; what has not changed is not touched, so that no selection is lost. */
export function write(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

export function show(element, shown) {
  if (element.hidden === shown) element.hidden = !shown;
}

export function mark(element, name, value) {
  if (element.getAttribute(name) !== value) element.setAttribute(name, value);
}

export function make(tag, ...children) {
  const made = document.createElement(tag);
  made.append(...children);
  return made;
}

export function makeSvg(tag, attributes) {
  const made = document.createElementNS("http://www.w3.org/2000/svg", tag);
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  return made;
}

/** Make a list of terms say this: [[term, text, class], …]. */
export function describe(list, rows) {
  while (list.children.length > rows.length) list.lastElementChild.remove();
  rows.forEach(([term, text, mood = ""], index) => {
    const row = list.children[index] ?? list.appendChild(make("div", make("dt"), make("dd")));
    write(row.children[0], term);
    write(row.children[1], text);
    if (row.children[1].className !== mood) row.children[1].className = mood;
  });
}
