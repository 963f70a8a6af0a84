// Where a game is played.

import { Board } from "./board.js";
import { discPicture } from "./discs.js";
import { fillList, find, make, setAttribute, show, write } from "./dom.js";
import { VoteForm } from "./voteform.js";
import { COLOURS, result } from "./words.js";

const SECOND = 1000;
const KEYS = "123456789";

export class GameScreen {
  #client;
  #board;
  #voteForm;
  #timer = 0;
  #wasOver = false;

  constructor(client) {
    this.#client = client;
    this.#board = new Board(find("board"), column => client.drop(column));
    this.#voteForm = new VoteForm(client);
    find("resign").addEventListener("click", () => find("resign-dialog").showModal());
    find("resign-dialog").addEventListener("close", event => {
      if (event.target.returnValue === "resign") client.resign();
      event.target.returnValue = "";
    });
    find("rematch").addEventListener("click", () => client.findMatch(client.game.opponent));
    find("another").addEventListener("click", () => client.findMatch());
    find("to-lobby").addEventListener("click", () => client.leaveGame());
    find("play-here").addEventListener("click", () => client.playHere());
    document.addEventListener("keydown", event => this.#pressed(event));
  }

  entered() {
    find("game-title").focus();
  }

  left() {
    clearTimeout(this.#timer);
    find("resign-dialog").close();
    this.#board.clear();
  }

  render() {
    const { visit, game } = this.#client;
    const open = visit.state === "open";
    const opponent = game?.opponent ?? "";
    write(find("game-title"), opponent ? `Game against ${opponent}` : "Game");
    this.#renderPlayers(game, open);
    const [title, detail, mood] = this.#situation();
    write(find("turn-title"), title);
    write(find("turn-detail"), detail);
    setAttribute(find("turn"), "data-mood", mood);
    if (game) {
      this.#board.show(game, { active: open && game.myTurn, me: game.seat });
      write(find("last-key"), String(Math.min(game.width, KEYS.length)));
      find("game").style.setProperty("--ratio", this.#board.ratio);
    }
    else this.#board.clear();
    const over = game?.over ?? false;
    const playing = game !== null && game.begun && !over && game.seat !== null;
    show(find("rematch"), over && opponent !== "" && game.seat !== null);
    write(find("rematch"), `Play ${opponent} again`);
    show(find("another"), over);
    show(find("to-lobby"), !playing || !open);
    write(find("to-lobby"), over || visit.state === "replaced" ? "Back to lobby" : "Leave");
    show(find("resign"), playing && open);
    show(find("play-here"), visit.state === "replaced");
    show(find("keys"), playing && open);
    this.#voteForm.render();
    if (!playing && find("resign-dialog").open) find("resign-dialog").close();
    // The button that was pressed last may be gone with the game.
    if (over && !this.#wasOver && hasNoFocus()) find("turn-title").focus();
    this.#wasOver = over;
    this.#tickWhileSomebodyIsGone();
  }

  #renderPlayers(game, open) {
    const seats = game ? [0, 1] : [];
    fillList(find("players"), seats, seat => String(seat), createPlayer, (card, seat) => {
      const name = game.players[seat] ?? "";
      const [, text] = card.children;
      const mine = seat === game.seat;
      write(text.children[0], name || "Free seat");
      write(text.children[1], COLOURS[seat]);
      write(text.children[2], name ? presence(game, name, mine, open) : "waiting …");
      card.classList.toggle("turn-is-here", game.turn !== "" && game.turn === name);
      card.classList.toggle("away", !game.present.has(name));
      card.classList.toggle("winner", game.over && game.winner === name && name !== "");
      setAttribute(card, "aria-current", String(game.turn !== "" && game.turn === name));
    });
  }

  /** A headline, a sentence, and a mood to colour them by. */
  #situation() {
    const { visit, game } = this.#client;
    if (visit.state === "replaced") {
      return ["Open somewhere else", "This game goes on in another tab or window of yours.", "wait"];
    }
    if (!game) return ["Going to the game …", visit.serverId ? `Taking your seat on ${visit.serverId}.` : "", "wait"];
    if (game.over) return [...result(game), game.winner === "" ? "draw" : game.winner === game.me ? "won" : "lost"];
    if (visit.state === "moving") return ["The game moves …", "It goes on on another server in a moment.", "wait"];
    if (visit.state === "lost") return ["Connection lost", "Connecting again; your seat is kept for a while.", "wait"];
    if (!game.begun) {
      const whom = game.opponent ? `for ${game.opponent}` : "for another player";
      return [`Waiting ${whom} …`, "The game begins as soon as both of you are here.", "wait"];
    }
    const gone = game.players.find(name => name !== game.me && !game.present.has(name));
    if (gone) return [`${gone} is gone`, awaited(game, gone), "wait"];
    if (game.myTurn) return ["Your turn", `You play ${COLOURS[game.seat]}.`, "mine"];
    return [`${game.turn}’s turn`, "Wait for the other disc to fall.", "theirs"];
  }

  #tickWhileSomebodyIsGone() {
    clearTimeout(this.#timer);
    const { game } = this.#client;
    if (game && !game.over && game.goneUntil.size) this.#timer = setTimeout(() => this.render(), SECOND);
  }

  #pressed(event) {
    if (event.target.tagName === "SELECT") return; // which finds its options by what is typed
    const plain = !event.ctrlKey && !event.metaKey && !event.altKey && !event.repeat;
    const column = KEYS.indexOf(event.key);
    if (column >= (this.#client.game?.width ?? 0)) return;
    if (find("game").hidden || document.querySelector("dialog[open]") || !plain || event.key.length !== 1 || column < 0) return;
    this.#board.focus(column);
    this.#client.drop(column);
  }
}

function hasNoFocus() {
  const focused = document.activeElement;
  return focused === null || focused === document.body || !focused.checkVisibility();
}

function createPlayer(seat) {
  return make("li", "player", discPicture(seat),
    make("div", "",
      make("span", "name"),
      make("span", "faint small"),
      make("span", "presence small")));
}

function presence(game, name, mine, open) {
  if (game.over) return [mine ? "you" : "", game.winner === name ? "won" : ""].filter(Boolean).join(", ");
  if (mine) return open ? "you" : "you, connecting again …";
  return game.present.has(name) ? "connected" : "not connected";
}

function awaited(game, name) {
  const until = game.goneUntil.get(name);
  if (!until) return `You win if ${name} does not come back soon.`;
  const seconds = Math.max(0, Math.ceil((until - Date.now()) / SECOND));
  return `You win if ${name} is not back in ${seconds} s.`;
}
