// Elements, made and found.

export const find = (selector, within = document) => within.querySelector(selector);

/** An element with text or elements in it. What others have written only ever becomes text. */
export function element(name, attributes = {}, ...children) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  made.append(...children);
  return made;
}

export const code = (text) => element("code", {}, text);

/** The parts of a template's copy, by their `data-is`. */
export function copy(id) {
  const root = find(`#${id}`).content.firstElementChild.cloneNode(true);
  const parts = {};
  for (const part of root.querySelectorAll("[data-is]")) parts[part.dataset.is] = part;
  return { root, ...parts };
}

export const pretty = (value) => JSON.stringify(value, null, 2);

/** `1 minute`, `15 minutes`, `8 hours`. */
export function minutes(count) {
  const [number, unit] = count >= 60 && count % 60 === 0 ? [count / 60, "hour"] : [count, "minute"];
  return `${number} ${unit}${number === 1 ? "" : "s"}`;
}

export const clock = (date) => new Date(date).toLocaleTimeString([], { hour: "2-digit", minute: "2-digit", second: "2-digit" });
