// An answer and its explanation, in words.

import { clock, code, element, find, minutes, pretty } from "./dom.js";
import { decode } from "./usher.js";

const BOUNDS = {
  request: "asked for",
  default: "[ttl].default, as none is asked for",
  rights: "max_ttl of the shortest-lived right",
  max: "[ttl].max, which nothing outlives",
  guest: "[guest].max_ttl",
  session: "what is left of the session",
};
const LIMITED_BY = { request: "the request", default: "the default", policy: "the policy", session: "the session" };

/** What was asked and answered: `{ session, ask, answer, explanation, words }`. */
export function show({ session, ask, answer, explanation, words }) {
  verdict(answer, explanation);
  for (const part of ["#why", "#wire"]) find(part).hidden = false;
  find("#mapping").replaceChildren(...mapping(explanation));
  find("#rights").replaceChildren(...rights(explanation, words));
  find("#patterns").replaceChildren(...patterns(explanation.patterns));
  find("#ttl").replaceChildren(...ttl(explanation.ttl));
  find("#curl").textContent = curl(session, ask);
  find("#body").textContent = `${answer.status}\n${pretty(answer.body)}`;
  find("#token").textContent = answer.ok ? decoded(answer.body.token) : "There is none.";
  find("#session").textContent = session ? decoded(session) : "There is none: a guest.";
  find("#upstream").textContent = explanation.upstream ? `POST /api/chat/tokens\n${pretty(explanation.upstream)}` : "Nothing.";
}

/** There is no answer, and this is why. */
export function fail(message) {
  say("no", message);
  for (const part of ["#why", "#wire"]) find(part).hidden = true;
}

export function say(kind, ...words) {
  const verdict = find("#verdict");
  verdict.className = kind;
  verdict.replaceChildren(...words);
}

function verdict({ ok, status, body }, explanation) {
  if (!ok) {
    const faults = (body.errors ?? []).map(({ pointer, detail }) => ` ${pointer || "the request"}: ${detail}.`);
    const reason = explanation.reason && !faults.length ? ` In the log: ${explanation.reason}.` : "";
    say("no", element("strong", {}, "Refused"), ` with ${status} `, code(body.code), `. ${body.title}.${reason}`, ...faults);
    return;
  }
  const many = Object.keys(body.channels).length;
  const what = `${many} channel${many === 1 ? "" : "s"} for ${minutes(explanation.ttl.result)}, until ${clock(body.expires_at)}.`;
  const narrowed = explanation.decision === "narrowed";
  say(narrowed ? "some" : "yes", element("strong", {}, narrowed ? "Granted in part" : "Granted"), ": a token for ", code(body.member_id), ` with ${what}`);
}

function mapping({ roles_claimed: claimed, role_instead: instead, roles_included: included, roles }) {
  const told = [];
  const say = (...parts) => told.push(...(told.length ? ["; "] : []), ...parts);
  for (const { name, roles } of claimed) {
    if (!roles.length) say("claimed ", code(name), ", which is no role of this policy");
    else say("claimed ", code(name), ...(roles.length === 1 && roles[0] === name ? [] : [", which is ", code(roles.join(", "))]));
  }
  if (instead) say(code(instead), ", as no known role is claimed");
  for (const name of included) say(code(name), ", which is included");
  return roles.length || told.length ? [...told, "."] : ["None."];
}

function rights({ rights }, words) {
  if (!rights.length) return words.map((why) => element("li", { class: "no" }, why));
  const rows = [];
  rights.forEach(({ channel, permission, effect }, at) => {
    const last = rows.at(-1);
    const row = { channel, effect, why: words[at], may: permission };
    // Read and write are mostly as they are for one reason.
    if (last && ["channel", "effect", "why"].every((key) => last[key] === row[key])) last.may += ` and ${permission}`;
    else rows.push(row);
  });
  return rows.map(({ channel, effect, why, may }) => {
    const is = effect === "allow" ? "yes" : "no";
    const name = element("p", {}, element("span", { class: "badge" }, is), " ", code(channel), ` ${may}`);
    return element("li", { class: is }, name, element("p", { class: "quiet" }, why));
  });
}

function patterns(rows) {
  if (!rows.length) return [];
  const may = ({ read, write }) => [read && "read", write && "write"].filter(Boolean).join(" and ");
  const list = rows.map((row) => element("li", {}, code(row.pattern), ` ${may(row)}`));
  return [element("h3", {}, "And, where asked for by name"), element("ul", {}, ...list)];
}

function ttl(account) {
  if (!account) return [];
  const bounds = Object.entries(BOUNDS).filter(([bound]) => account[bound] !== null);
  const least = Math.min(...bounds.map(([bound]) => account[bound]));
  const rows = bounds.map(([bound, what]) => {
    const attributes = account[bound] === least ? { class: "least" } : {};
    return element("tr", attributes, element("th", { scope: "row" }, what), element("td", {}, minutes(account[bound])));
  });
  const { result } = account;
  const sum = result === null ? "Too little is left." : `The least of these: ${minutes(result)}, limited by ${LIMITED_BY[account.limited_by]}.`;
  return [element("h3", {}, "How long"), element("table", {}, element("tbody", {}, ...rows)), element("p", {}, sum)];
}

function decoded(token) {
  const { header, payload } = decode(token);
  const times = ["iat", "exp"].filter((name) => name in payload).map((name) => `\n${name}: ${clock(payload[name] * 1000)}`);
  const end = "t" in payload ? `\nends: ${clock((payload.iat + payload.t * 60) * 1000)}` : "";
  return `${pretty(header)}\n${pretty(payload)}${times.join("")}${end}\n\n${token}`;
}

const quoted = (text) => `'${text.replaceAll("'", "'\\''")}'`;

function curl(session, ask) {
  const authorization = session ? ` \\\n  -H 'Authorization: Bearer ${session}'` : "";
  return `curl -sS -X POST ${location.origin}/chat-token${authorization} \\\n  -H 'Content-Type: application/json' \\\n  -d ${quoted(ask)}`;
}
