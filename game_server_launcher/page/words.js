// Figures and states in words.

const MEBIBYTE = 1024 * 1024;
const MOODS = {
  ready: "good",
  starting: "wait",
  away: "wait",
  stopping: "wait",
  "waiting to be restarted": "wait",
  silent: "bad",
  failed: "bad",
};

/** How a state is to be looked at: good, wait, bad, or rest for one that is as it should be without a process. */
export const moodOf = state => MOODS[state] ?? "rest";

export const percent = value => `${value < 10 ? Math.round(value * 10) / 10 : Math.round(value)} %`;

export function memory(bytes) {
  const mebibytes = bytes / MEBIBYTE;
  return mebibytes < 1024 ? `${Math.round(mebibytes)} MiB` : `${(mebibytes / 1024).toFixed(1)} GiB`;
}

export function duration(seconds) {
  const whole = Math.max(0, Math.floor(seconds));
  if (whole < 60) return `${whole} s`;
  if (whole < 3600) return `${Math.floor(whole / 60)} min ${whole % 60} s`;
  if (whole < 86400) return `${Math.floor(whole / 3600)} h ${Math.floor(whole / 60) % 60} min`;
  return `${Math.floor(whole / 86400)} d ${Math.floor(whole / 3600) % 24} h`;
}

/** The time of day of a Unix time. */
export const clock = at => new Date(at * 1000).toLocaleTimeString([], { hour12: false });
