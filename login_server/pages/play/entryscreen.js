// Where a person logs in or registers.

import { Board } from "./board.js";
import { find, setAttribute, show, write } from "./dom.js";

const NAME_CODES = new Set(["name_taken", "name_invalid", "no_name"]);
const PASSWORD_CODES = new Set(["password_too_short", "password_too_long", "no_password"]);
/** The game of the picture: what was played in which column. */
const PICTURE = [3, 3, 2, 4, 4, 2, 5, 5, 5, 3, 4, 1, 3, 2];

export class EntryScreen {
  #client;
  #mode = "log-in";
  #wrong = null;
  #shownError = null;

  constructor(client) {
    this.#client = client;
    for (const mode of ["log-in", "register"]) {
      find(mode).addEventListener("submit", event => {
        event.preventDefault();
        this.#submit(mode);
      });
    }
    find("to-register").addEventListener("click", () => this.#switchTo("register"));
    find("to-log-in").addEventListener("click", () => this.#switchTo("log-in"));
    find("log-in-name").value = client.lastName;
    new Board(find("picture")).show({ width: 7, height: 6, moves: PICTURE, beginner: 0, line: [], over: false });
  }

  /** Called when the screen comes up. */
  entered() {
    const name = find(`${this.#mode}-name`);
    (name.value ? find(`${this.#mode}-password`) : name).focus();
  }

  left() {
    find("log-in-name").value = this.#client.name;
    for (const mode of ["log-in", "register"]) find(`${mode}-password`).value = "";
    this.#mode = "log-in";
  }

  render() {
    const client = this.#client;
    for (const mode of ["log-in", "register"]) {
      show(find(mode), mode === this.#mode);
      setAttribute(find(mode), "aria-busy", String(client.entering));
      find(mode).querySelector("[type=submit]").classList.toggle("busy", client.entering);
    }
    const note = client.trouble || (client.wish ? "Log in again, and the search for a match begins." : "");
    write(find("entry-note"), note);
    show(find("entry-note"), note !== "");
    this.#showError(this.#wrong ?? client.entryError);
  }

  #submit(mode) {
    const client = this.#client;
    if (client.entering) return;
    const name = find(`${mode}-name`).value.trim();
    const password = find(`${mode}-password`).value;
    this.#shownError = null;
    this.#wrong = null;
    if (!name) this.#wrong = { code: "no_name", text: "Enter a name." };
    else if (!password) this.#wrong = { code: "no_password", text: "Enter a password." };
    if (this.#wrong) this.render();
    else client.enter(name, password, mode === "register");
  }

  #switchTo(mode) {
    find(`${mode}-name`).value = find(`${this.#mode}-name`).value;
    this.#mode = mode;
    this.#wrong = null;
    this.#client.entryError = null;
    this.render();
    this.entered();
  }

  #showError(error) {
    const mode = this.#mode;
    const place = error ? placeOf(error) : "";
    for (const part of ["name", "password"]) {
      const wrong = place === part;
      write(find(`${mode}-${part}-error`), wrong ? error.text : "");
      show(find(`${mode}-${part}-error`), wrong);
      setAttribute(find(`${mode}-${part}`), "aria-invalid", String(wrong));
    }
    write(find(`${mode}-error`), place === "form" ? error.text : "");
    show(find(`${mode}-error`), place === "form");
    if (error && error !== this.#shownError) {
      const field = find(`${mode}-${place === "name" ? "name" : "password"}`);
      field.focus();
      field.select();
    }
    this.#shownError = error;
  }
}

function placeOf({ code }) {
  if (NAME_CODES.has(code)) return "name";
  return PASSWORD_CODES.has(code) ? "password" : "form";
}
