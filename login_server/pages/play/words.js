// What is said to people. The login server's own sentences are used where it is the one who knows better.

export const COLOURS = ["red rings", "yellow stars"];

/** How many names, and how much of each, are in a line that says who is somewhere. */
const NAMED = 3;
const NAME_LENGTH = 24;
/** How many maps are told of in a vote. */
const MAPS = 4;

const REFUSALS = {
  wrong_login: "That name and password do not go together. Check both and try again.",
  name_taken: "That name is taken. Choose another one, or log in if it is yours.",
  name_invalid: "A name has 2 to 24 letters (a to z), digits or the characters _ . -",
  password_too_short: "A password has at least 8 characters.",
  password_too_long: "A password has at most 1,024 characters.",
  accounts_full: "No more accounts can be made here.",
  busy: "The server is very busy. Try again in a moment.",
  database_failed: "The server could not do it just now. Try again in a moment.",
  already_logged_in: "This account is logged in somewhere else, perhaps in another tab. Leave there first; "
    + "a connection that was lost counts for up to a minute.",
  incompatible_version: "This page is out of date. Reload it.",
  no_such_server: "That server is gone.",
  server_not_ready: "That server is not ready just now.",
  server_full: "That server is full.",
  in_match: "You are in a game already, and it goes on without you. Go back to it first.",
  match_already_wanted: "You are waiting for a match already.",
  not_logged_in: "You are logged out. Log in again.",
};

/** A `refused` message of the login server in words. */
export function refusal(message) {
  if (message.code === "bad_partner") return `Nobody can be asked for by that name: ${message.message}.`;
  if (message.code === "vote_refused") return `Your vote does not count: ${message.message}.`;
  return REFUSALS[message.code] ?? sentence(message.message);
}

/** The server's words as a sentence. */
export function sentence(text) {
  const whole = text.charAt(0).toUpperCase() + text.slice(1);
  return /[.!?…]$/.test(whole) ? whole : `${whole}.`;
}

export function count(number, one, many = `${one}s`) {
  return `${number} ${number === 1 ? one : many}`;
}

/** Who is somewhere, in a short line, however many and long their names are. */
export function company(names) {
  const first = names.slice(0, NAMED).map(shortened).join(", ");
  return names.length > NAMED ? `${first} and ${names.length - NAMED} more` : first;
}

function shortened(name) {
  const letters = [...name];
  return letters.length > NAME_LENGTH ? `${letters.slice(0, NAME_LENGTH - 1).join("")}…` : name;
}

/** How a vote for the next map stands, or what came of it. */
export function standing({ votes, needed, outcome }) {
  if (outcome) return `The vote for the next map has ended: ${outcome}.`;
  const counts = Object.entries(votes).sort(([, one], [, other]) => other - one).slice(0, MAPS);
  return `Vote for the next map: ${counts.map(([map, voices]) => `${map} ${voices} of ${needed}`).join(", ")} needed`;
}

/** How a game ended: a headline and a sentence. */
export function result(game) {
  const turns = count(game.moves.length, "turn");
  const won = game.winner === game.me;
  const other = game.opponent || "the other player";
  const watching = game.seat === null;
  switch (game.reason) {
    case "won":
      if (watching) return [`${game.winner} wins`, `Four in a row after ${turns}.`];
      return won
        ? ["You win!", `Four in a row after ${turns}. Well played.`]
        : [`${game.winner} wins`, `Four in a row after ${turns}. Another round?`];
    case "draw":
      return ["A draw", "The board is full, and nobody has four in a row."];
    case "resigned":
      if (watching) return [`${game.winner} wins`, `${game.players.find(name => name !== game.winner)} resigned.`];
      return won ? ["You win!", `${other} resigned after ${turns}.`] : ["You resigned", `${other} wins.`];
    case "forfeit":
      return won
        ? ["You win!", `${other} did not come back in time.`]
        : [`${game.winner} wins`, "You were away too long."];
    case "server_stopped":
      return ["Nobody wins", "The game server was stopped."];
    case "abandoned":
      return ["Nobody wins", "Everybody had left."];
    default:
      return [game.winner ? `${game.winner} wins` : "Nobody wins", `The game is over: ${game.reason}.`];
  }
}

/** What has happened, for those who hear it. */
export function story(event, game) {
  const who = name => (name === game.me ? "You" : name);
  switch (event.kind) {
    case "player_seated":
      return event.player === game.me ? "" : `${event.player} is here.`;
    case "player_gone":
      return game.over ? "" : `${who(event.player)} lost the connection.`;
    case "player_returned":
      return `${who(event.player)} ${event.player === game.me ? "are" : "is"} back.`;
    case "game_began":
      return `The game begins. ${event.beginner === game.me ? "You have" : `${event.beginner} has`} the first turn.`;
    case "piece_dropped": {
      const next = event.next_player === game.me && game.seat !== null ? " Your turn." : "";
      return `${who(event.player)} dropped into column ${event.column + 1}, row ${event.row + 1}.${next}`;
    }
    case "game_ended":
      return `Game over. ${result(game).join(". ").replace("!.", "!")}`;
    default:
      return "";
  }
}

/** Why the way to a game has ended, in words: the reason comes from its server, perhaps with a code before it. */
export function ending(reason) {
  if (!reason) return "The game server cannot be reached, or the game is no more.";
  if (reason.startsWith("resume_key_unknown:")) return "That game is over, or its server was started anew.";
  return sentence(reason.replace(/^[a-z]+(_[a-z]+)+: /, ""));
}

/** A wrong move in words. */
export function mistake(error, game) {
  switch (error.code) {
    case "not_your_turn":
      return `It is the turn of ${game.turn || "the other player"}.`;
    case "column_full":
      return "That column is full.";
    case "game_not_begun":
      return "The game has not begun yet.";
    default:
      return sentence(error.message);
  }
}
