// The way to the launcher: how all stands, every second, and orders. Every path begins with the key, like this page's.

const LOOK_MILLISECONDS = 1000;
const PATIENCE_MILLISECONDS = 10_000;

/** Ask once; throws when there is no good answer. */
export async function ask(path, query = {}) {
  const answer = await fetch(`${path}?${new URLSearchParams(query)}`, {
    signal: AbortSignal.timeout(PATIENCE_MILLISECONDS),
  });
  if (!answer.ok) throw new Error(await answer.text());
  return answer.json();
}

/** Order something; returns { succeeded, text } when it is clear what came of it. */
export async function order(message) {
  try {
    const answer = await fetch("orders", {
      method: "POST",
      headers: { "Content-Type": "application/json" },
      body: JSON.stringify(message),
    });
    if (answer.ok) return await answer.json();
    return { succeeded: false, text: await answer.text() };
  } catch {
    return { succeeded: false, text: "The launcher does not answer." };
  }
}

/** Look at everything again and again; calls told(news) or lost(). */
export function watch(told, lost) {
  let since = 0;
  let timer = 0;

  async function look() {
    clearTimeout(timer);
    try {
      const news = await ask("state", { since });
      since = news.launcher.at;
      told(news);
    } catch (error) {
      console.debug(error);
      lost();
    }
    timer = setTimeout(look, LOOK_MILLISECONDS);
  }

  look();
}
