// Where a player votes for the next map, beside the game.

import { fillList, find, make, show, write } from "./dom.js";

export class VoteForm {
  #client;
  #offered = "";

  constructor(client) {
    this.#client = client;
    find("vote").addEventListener("submit", event => {
      event.preventDefault();
      client.voteFor(find("vote-map").value);
    });
  }

  render() {
    const { voteServer, voteNews } = this.#client;
    show(find("vote"), voteServer !== null);
    write(find("vote-news"), voteNews);
    show(find("vote-news"), voteNews !== "");
    if (voteServer) this.#offer(voteServer);
  }

  /** Let the player choose; at first, a map that is another one than now. */
  #offer({ server_id: serverId, map: now, maps }) {
    const select = find("vote-map");
    fillList(select, [...new Set(maps)], name => name, () => make("option"), (option, name) => {
      option.value = name;
      write(option, name === now ? `${name} (now)` : name);
    });
    const offered = JSON.stringify([serverId, now]);
    if (offered === this.#offered) return;
    this.#offered = offered;
    select.value = maps.find(name => name !== now);
  }
}
