// Puts the page together: the client, and the one screen of the three that is up.

import { Announcer } from "./announcer.js";
import { Client } from "./client.js";
import { find, show, write } from "./dom.js";
import { EntryScreen } from "./entryscreen.js";
import { GameScreen } from "./gamescreen.js";
import { LobbyScreen } from "./lobbyscreen.js";
import { RequestList } from "./requestlist.js";

const TITLE = "Four in a row";

const announcer = new Announcer(find("announcements"));
const client = new Client({ changed: render, announce: text => announcer.say(text) });
const screens = {
  entry: new EntryScreen(client),
  lobby: new LobbyScreen(client),
  game: new GameScreen(client),
};
const requestList = new RequestList(client);
let up = "";

function render() {
  const wanted = client.visit ? "game" : client.name ? "lobby" : "entry";
  const changed = wanted !== up;
  if (changed && up) screens[up].left();
  for (const name of Object.keys(screens)) show(find(name), name === wanted);
  up = wanted;
  screens[wanted].render();
  requestList.render();
  if (changed) {
    scrollTo(0, 0);
    screens[wanted].entered();
  }
  show(find("who"), client.name !== "");
  write(find("who-name"), client.name);
  find("who-dot").classList.toggle("off", !client.online);
  show(find("log-out"), client.name !== "");
  if (!client.playing && find("log-out-dialog").open) find("log-out-dialog").close();
  show(find("offline"), client.name !== "" && !client.online);
  write(find("notice"), client.notice);
  show(find("notice"), client.notice !== "");
  const calling = client.visit?.state === "open" && client.game?.myTurn;
  document.title = calling ? `● Your turn – ${TITLE}` : TITLE;
}

document.addEventListener("visibilitychange", () => client.check());
addEventListener("online", () => client.check());
find("log-out").addEventListener("click", () => {
  if (client.playing) find("log-out-dialog").showModal();
  else client.logOut();
});
find("log-out-dialog").addEventListener("close", event => {
  if (event.target.returnValue === "leave") client.logOut();
  event.target.returnValue = "";
});
client.start();
