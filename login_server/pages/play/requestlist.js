// Who wants to play this player: above the lobby, and above a game that is over.

import { fillList, find, make, setAttribute, show, write } from "./dom.js";

export class RequestList {
  #client;

  constructor(client) {
    this.#client = client;
    find("requests").addEventListener("click", event => {
      const row = event.target.closest("button")?.closest("li");
      if (row) client.accept(row.dataset.key);
    });
  }

  render() {
    const { name, visit, game, wish, requests } = this.#client;
    const free = name !== "" && (visit ? game?.over : wish?.request.type !== "join_server");
    // Who is asked for a match already need not be answered.
    const shown = free ? requests.filter(other => other.toLowerCase() !== wish?.partner?.toLowerCase()) : [];
    fillList(find("requests"), shown, other => other, createRow, (row, other) => {
      write(row.children[0], `${other} wants to play you`);
      setAttribute(row.children[1], "aria-label", `Play ${other}`);
    });
    show(find("requests"), shown.length > 0);
  }
}

function createRow() {
  const play = make("button", "primary");
  play.type = "button";
  write(play, "Play");
  return make("li", "note call", make("p"), play);
}
