// What this tab remembers over a reload: the player's name, whether it was logged in, and where the game is with the key
// that leads back to it.
// Never a password.

const KEY = "four-in-a-row";

export function remembered() {
  try {
    return JSON.parse(sessionStorage.getItem(KEY)) ?? {};
  } catch {
    return {}; // what is stored is not ours, or nothing may be stored
  }
}

export function remember(changes) {
  try {
    sessionStorage.setItem(KEY, JSON.stringify({ ...remembered(), ...changes }));
  } catch {
    // A browser that stores nothing: a reload then forgets.
  }
}
