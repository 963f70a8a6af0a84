// The heart of the page: one player, the login server, and one game at a time. It holds the state that the screens
// show, and does what they ask for. It never touches the page.

import { Game } from "./game.js";
import { GameServer, REPLACED } from "./gameserver.js";
import { LoginServer } from "./loginserver.js";
import { remember, remembered } from "./session.js";
import { ending, mistake, refusal, sentence, standing, story } from "./words.js";

export const GAME = "four_in_a_row";
/** The game id of a ticket to a server, without a match. */
const ANY_GAME = "*";
/** What the login server may answer for as long as it has not noticed that our last connection was lost. */
const RETRIED = new Set(["already_logged_in", "busy", "database_failed"]);
/** How long words of the game server's operator are shown. */
const NOTICE_MILLISECONDS = 30_000;

export class Client {
  /** The name that is logged in; empty when nobody is. */
  name = "";
  /** Whether the login server can be asked. */
  online = false;
  /** Whether a name and password are being looked at. */
  entering = false;
  /** Why they were not taken: { code, about, text }; null while there is nothing to say. */
  entryError = null;
  servers = new Map();
  /** What is waited for: { partner, waiting, players, reason } or { serverId }; null for nothing. */
  wish = null;
  /** What went wrong in the lobby last; empty for nothing. */
  trouble = "";
  /** What the game server's operator says to all players; empty for nothing. */
  notice = "";
  /** The match that goes on without this player, as the login server told it; null for none. */
  missed = null;
  /** Who wants to play this player: names, those who came first first. */
  requests = [];
  /** What was last said of the vote for the next map; empty for nothing. */
  voteNews = "";
  /** The way to the game: { state, text, serverId }, state being one of going, open, moving, lost, replaced, ended;
   * null in the lobby. */
  visit = null;
  /** The game, from the first answer of its server on. */
  game = null;

  #view;
  #login;
  #gameServer = null;
  #credentials = null;
  #caughtUpWith = null;
  #askedFrom = 0;
  #noticeTimer = 0;
  /** Whom to ask for a match as soon as nothing is waited for any more. */
  #next = "";

  /** @param view has changed(), called after every change, and announce(text). */
  constructor(view) {
    this.#view = view;
    this.#login = new LoginServer({
      welcome: () => this.#introduce(),
      received: message => this.#received(message),
      lost: () => this.#loginServerLost(),
    });
  }

  /** Go back to the game that was left by a reload, if there is one; the log-in is gone with the connection. */
  start() {
    const { game, loggedIn } = remembered();
    if (loggedIn) {
      this.trouble = "The reload has logged you out. Log in again.";
      remember({ loggedIn: false });
    }
    if (game) this.#go(game);
    this.#view.changed();
  }

  /** The network or the computer may have been away: find out whether the connections still are there. */
  check() {
    this.#login.check();
    this.#gameServer?.check();
  }

  get lastName() {
    return remembered().name ?? "";
  }

  // --- what the player wants: the login server ---

  enter(name, password, register) {
    this.#credentials = { name, password, register };
    this.entering = true;
    this.entryError = null;
    this.#login.connect();
    this.#view.changed();
  }

  /** Whether leaving now would lose a game. */
  get playing() {
    const { game } = this;
    return game !== null && game.begun && !game.over && game.seat !== null && this.visit.state !== "replaced";
  }

  /** Log out, and leave the game if there is one. */
  logOut() {
    this.leaveGame();
    this.leave();
  }

  leave() {
    this.#login.close();
    this.#credentials = null;
    this.name = "";
    this.online = false;
    this.wish = null;
    this.trouble = "";
    this.servers.clear();
    this.#forgetNews();
    remember({ loggedIn: false });
    this.#view.changed();
  }

  findMatch(partner = "") {
    const wish = { partner, waiting: 1, players: 2, reason: "" };
    this.#want({ type: "find_match", game: GAME, players: 2, partner }, wish);
  }

  /** Play somebody who wants to play this player, whatever else is waited for. */
  accept(name) {
    if (this.wish?.request.type === "find_match") {
      this.#next = name;
      this.cancelMatch();
    } else {
      this.findMatch(name);
    }
  }

  /** Go back to the match that goes on without this player. */
  goBack() {
    if (this.missed) this.joinServer(this.missed.server_id);
  }

  joinServer(serverId) {
    this.#want({ type: "join_server", server_id: serverId }, { serverId });
  }

  /** The server that is played on, if its next map may be voted for, and who counts the votes can be asked. */
  get voteServer() {
    const server = this.online && this.playing ? this.servers.get(this.visit.serverId) : undefined;
    return server?.maps.some(name => name !== server.map) ? server : null;
  }

  voteFor(map) {
    const server = this.voteServer;
    if (server) this.#login.send({ type: "vote_map", server_id: server.server_id, map });
  }

  cancelMatch() {
    if (!this.#login.send({ type: "cancel_match" })) this.wish = null;
    this.#view.changed();
  }

  // --- what the player wants: the game ---

  drop(column) {
    const { game } = this;
    if (!game || game.over || game.seat === null) return;
    if (!game.begun) this.#view.announce("The game has not begun yet.");
    else if (!game.myTurn) this.#view.announce(`It is the turn of ${game.turn}.`);
    else if (game.isFull(column)) this.#view.announce(`Column ${column + 1} is full.`);
    else this.#command({ command: "drop", column });
  }

  resign() {
    this.#command({ command: "resign" });
  }

  /** Take the game back from the other tab that it was opened in. */
  playHere() {
    const { game } = remembered();
    if (game) this.#go(game);
    this.#view.changed();
  }

  leaveGame() {
    this.#gameServer?.close();
    this.#gameServer = null;
    this.game = null;
    this.visit = null;
    this.voteNews = "";
    remember({ game: null });
    this.#view.changed();
  }

  // --- the login server ---

  #introduce() {
    const { name, password, register } = this.#credentials;
    this.#login.send({ type: register ? "register" : "log_in", name, password });
  }

  #want(request, wish) {
    if (this.game?.over) this.leaveGame();
    this.trouble = "";
    // Who is not logged in, after a reload in a game, is asked to; then this is sent.
    if (this.#login.send(request) || !this.name) this.wish = { ...wish, request };
    else this.trouble = "There is no connection to the login server right now.";
    this.#view.changed();
  }

  #received(message) {
    switch (message.type) {
      case "registered":
        this.#credentials.register = false;
        this.#introduce();
        return;
      case "logged_in":
        this.#loggedIn(message.name);
        break;
      case "server_list":
        this.servers = new Map(message.servers.map(server => [server.server_id, server]));
        this.#lookForGame();
        break;
      case "servers_changed":
        for (const id of message.removed) this.servers.delete(id);
        for (const server of message.changed) this.servers.set(server.server_id, server);
        this.#lookForGame();
        break;
      case "match_pending":
        if (this.wish) Object.assign(this.wish, message);
        break;
      case "match_cancelled":
        if (this.wish && message.reason !== "you cancelled") this.trouble = `No match: ${message.reason}.`;
        this.wish = null;
        if (this.#next) {
          this.findMatch(this.#next);
          this.#next = "";
        }
        break;
      case "match_running":
        this.missed = message;
        if (!this.visit) this.#view.announce(`You are in a game with ${this.missedWith}.`);
        break;
      case "match_over":
        if (this.missed?.match_id === message.match_id) this.missed = null;
        break;
      case "match_requests":
        this.#requested(message.requests);
        break;
      case "map_vote":
        if (this.visit?.serverId === message.server_id) this.#saidOfVote(standing(message));
        break;
      case "match_found":
        this.#view.announce(`Matched with ${message.players.filter(name => name !== this.name).join(" and ")}.`);
        this.#goWithTicket(message, message.match_id);
        break;
      case "join_pending":
        if (this.wish?.serverId === message.server_id) this.wish.reason = message.reason;
        break;
      case "join_granted":
        this.#goWithTicket(message, message.match_id || ANY_GAME);
        break;
      case "refused":
        this.#refused(message);
        break;
      case "shutting_down":
        if (message.message) this.#view.announce(sentence(message.message));
        break;
    }
    this.#view.changed();
  }

  #loggedIn(name) {
    const again = this.name === name;
    this.name = name;
    this.online = true;
    this.entering = false;
    this.entryError = null;
    this.#login.stay = true;
    this.#login.settled();
    remember({ name, loggedIn: true });
    if (!again) this.trouble = "";
    // What is still so is told again.
    this.#forgetNews();
    // What was waited for when the connection was lost is waited for again.
    if (this.wish) this.#login.send(this.wish.request);
  }

  #forgetNews() {
    this.missed = null;
    this.requests = [];
    this.voteNews = "";
    this.#next = "";
  }

  #saidOfVote(text) {
    this.voteNews = text;
    this.#view.announce(text);
  }

  /** With whom the match is that goes on without this player. */
  get missedWith() {
    return this.missed.players.filter(name => name !== this.name).join(" and ") || "nobody yet";
  }

  #requested(requests) {
    const known = this.requests;
    this.requests = requests.filter(({ game }) => game === GAME).map(({ player }) => player);
    for (const name of this.requests) {
      if (!known.includes(name)) this.#view.announce(`${name} wants to play you.`);
    }
  }

  #refused(message) {
    if (["hello", "register", "log_in"].includes(message.about)) {
      if (this.name && RETRIED.has(message.code)) {
        this.#login.startOver();
        return;
      }
      if (this.name) this.leave();
      this.entering = false;
      this.entryError = { code: message.code, text: refusal(message) };
      this.#credentials = null;
    } else if (message.about === "find_match" || message.about === "join_server") {
      this.wish = null;
      this.trouble = refusal(message);
    } else if (message.about === "vote_map") {
      this.#saidOfVote(refusal(message));
    }
    // Refusals about nothing come before the connection ends, which says enough; one about a wait that has just
    // ended by itself needs no word.
  }

  #loginServerLost() {
    this.online = false;
    if (this.entering && !this.name) {
      this.entering = false;
      this.entryError = { code: "", text: "The login server cannot be reached just now. Try again in a moment." };
    }
    this.#view.changed();
  }

  // --- the game server ---

  #goWithTicket({ server_id: serverId, address, port, ticket }, gameId) {
    this.wish = null;
    this.#next = "";
    this.leaveGame();
    this.#go({ serverId, address, port, gameId, ticket });
  }

  #go(place) {
    this.#gameServer?.close();
    this.visit = { state: "going", text: "", serverId: place.serverId, place };
    this.#gameServer = new GameServer(place, {
      received: message => this.#gameServerSaid(message),
      lost: () => this.#gameServerLost(),
      ended: (code, reason) => this.#gameServerEnded(code, reason),
    });
    this.#gameServer.connect();
  }

  #gameServerSaid(message) {
    switch (message.type) {
      case "joined":
        this.#joined(message);
        break;
      case "game_event":
        this.#happened(message);
        break;
      case "moved":
        this.#moved(message);
        break;
      case "response":
        if (message.status === "error") this.#gameRefused(message);
        break;
      case "notice":
        this.#noticed(message.text);
        break;
      case "shutting_down":
        if (message.message) this.#view.announce(sentence(message.message));
        break;
    }
    this.#view.changed();
  }

  #noticed(text) {
    this.notice = `The game server says: ${text}`;
    clearTimeout(this.#noticeTimer);
    this.#noticeTimer = setTimeout(() => {
      this.notice = "";
      this.#view.changed();
    }, NOTICE_MILLISECONDS);
  }

  #joined(message) {
    const { serverId, address, port } = this.visit.place;
    this.visit.state = "open";
    this.#askedFrom = 0;
    this.#caughtUpWith = null;
    const known = this.game?.id === message.game_id ? this.game : null;
    if (known && known.sequence < message.state.sequence) {
      // Hear what was missed, one after the other; what the state says is true should that not be told any more.
      this.#caughtUpWith = message.state;
      this.#askFor(known.sequence + 1);
    } else if (known) {
      known.adopt(message.state);
    } else {
      this.game = new Game(message);
    }
    const place = { serverId, address, port, gameId: message.game_id, resumeKey: message.resume_key };
    remember({ game: place });
  }

  #moved({ address, port, game_id: gameId, resume_key: resumeKey }) {
    Object.assign(this.visit.place, { address, port });
    this.visit.state = "moving";
    this.#view.announce("The game moves to another server.");
    remember({ game: { serverId: this.visit.place.serverId, address, port, gameId, resumeKey } });
  }

  /** A game server that cannot be reached may be somewhere else now, with the game or without it. */
  #lookForGame() {
    const server = this.servers.get(this.visit?.place.serverId);
    if (server?.state !== "ready" || !["going", "lost"].includes(this.visit.state)) return;
    const { address, port } = server;
    Object.assign(this.visit.place, { address, port });
    this.#gameServer?.lookAt(address, port);
  }

  #happened(message) {
    const { game } = this;
    if (!game) return;
    for (const event of game.receive(message)) {
      const text = story(event, game);
      if (text) this.#view.announce(text);
    }
    if (game.over && this.missed?.match_id === game.id) this.missed = null;
    if (this.#caughtUpWith && game.sequence >= this.#caughtUpWith.sequence) this.#caughtUpWith = null;
    if (game.missing && game.missing !== this.#askedFrom) this.#askFor(game.missing);
  }

  #askFor(sequence) {
    this.#askedFrom = sequence;
    this.#gameServer.command({ command: "events", from_sequence: sequence });
  }

  #gameRefused({ command, error }) {
    if (command === "events" && this.#caughtUpWith) {
      this.game.adopt(this.#caughtUpWith);
      this.#caughtUpWith = null;
    } else if (command === "drop" || command === "resign") {
      this.#view.announce(mistake(error, this.game));
    }
  }

  #gameServerLost() {
    if (this.game?.over) {
      this.#gameServer.close();
      this.#gameServerEnded(0, "");
      return;
    }
    if (this.game) {
      if (this.visit.state === "open") this.#view.announce("The connection is lost. Connecting again.");
      this.visit.state = "lost";
    }
    this.#view.changed();
  }

  #gameServerEnded(code, reason) {
    this.#gameServer = null;
    if (code === REPLACED) {
      this.visit.state = "replaced";
    } else if (this.game?.over) {
      this.visit.state = "ended";
      remember({ game: null });
    } else {
      this.leaveGame();
      this.trouble = ending(reason);
    }
    this.#view.changed();
  }

  #command(command) {
    if (!this.#gameServer?.command(command)) this.#view.announce("There is no connection to the game right now.");
  }
}
