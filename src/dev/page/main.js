// The page: who asks for what, asked again when the policy changes.

import { clock, copy, element, find, pretty } from "./dom.js";
import { CLAIMS, chatToken, explain, newSession, Problem, world } from "./usher.js";
import { fail, say, show } from "./answer.js";
import { Person } from "./chat.js";

const LOOK = 2_000;

const form = find("#ask");
const fields = form.elements;
const people = [new Person("alice"), new Person("bob")];
find("#people").append(...people.map((person) => person.root));

let inForce = null;
let asked = 0;

fields.claims.value = pretty({ sub: "alice", name: "Alice", roles: ["customer"], ...CLAIMS });

function kind() {
  return fields.kind.value;
}

function choose() {
  for (const part of form.querySelectorAll("[data-kind]")) part.hidden = part.dataset.kind !== kind();
  find("#lasts").hidden = kind() === "guest";
}

/** What of the form makes a session; null for a guest. */
function wantedSession() {
  if (kind() === "guest") return null;
  const lives_for = whole(fields.lasts.value, "How long the session lasts") * 60;
  if (kind() === "session") {
    const sub = fields.sub.value.trim();
    if (!sub) throw new Error("Say who asks: the name is empty.");
    const roles = [...form.querySelectorAll("#roles input:checked")].map((box) => box.value);
    return { sub, roles, claims: CLAIMS, lives_for };
  }
  let claims;
  try {
    claims = JSON.parse(fields.claims.value);
  } catch (error) {
    throw new Error(`The claims are not JSON: ${error.message}`);
  }
  return { claims, lives_for };
}

function whole(text, what) {
  if (!/^[0-9]+$/.test(text)) throw new Error(`${what} is a whole number of minutes.`);
  return Number(text);
}

/** The request's body. */
function wantedToken() {
  const ask = {};
  for (const row of find("#channels").children) {
    const name = find("[data-is=name]", row).value.trim();
    if (!name) continue;
    ask.channels ??= {};
    ask.channels[name] = { read: find("[data-is=read]", row).checked, write: find("[data-is=write]", row).checked };
  }
  if (fields.ttl.value) ask.ttl = whole(fields.ttl.value, "The time to live");
  if (fields.mode.value) ask.mode = fields.mode.value;
  return JSON.stringify(ask);
}

async function askNow() {
  const mine = (asked += 1);
  const go = find("#go");
  go.setAttribute("aria-busy", "true");
  try {
    const [wanted, ask] = [wantedSession(), wantedToken()];
    const session = wanted && (await newSession(wanted));
    const [answer, why] = await Promise.all([chatToken(session, ask), explain(session, ask)]);
    if (mine === asked) show({ session, ask, answer, ...why });
  } catch (error) {
    const problem = error instanceof Problem ? `${error.answer.status} ${error.answer.body.code}: ` : "";
    if (mine === asked) fail(problem + error.message);
  } finally {
    if (mine === asked) go.removeAttribute("aria-busy");
  }
}

function addChannel() {
  const { root, name, remove } = copy("row");
  remove.addEventListener("click", () => {
    root.remove();
    find("#add").focus();
  });
  find("#channels").append(root);
  name.focus();
}

function showRoles(names) {
  const chosen = new Set([...form.querySelectorAll("#roles input:checked")].map((box) => box.value));
  if (!inForce) chosen.add(names.includes("customer") ? "customer" : names[0]);
  const boxes = names.map((name) => {
    const box = element("input", { type: "checkbox", value: name });
    box.checked = chosen.has(name);
    return element("label", {}, box, ` ${name}`);
  });
  find("#roles").replaceChildren(...(boxes.length ? boxes : ["This policy has none that a session may claim."]));
  people[0].roles(names, "customer");
  people[1].roles(names, "agent");
}

function showPolicy({ policy, is_file }) {
  const how = is_file ? "Edit the file: what is asked here is asked again by itself." : "Start with --policy FILE to try your own.";
  const error = policy.last_error;
  const status = find("#policy p");
  const sha = element("span", { class: "quiet", title: policy.sha256 }, `sha256 ${policy.sha256.slice(0, 8)}`);
  status.replaceChildren("Policy: ", element("strong", {}, policy.path), `, in force since ${clock(policy.loaded_at)} (`, sha, "). ");
  status.append(error ? "The file has faults now, so this policy stays:" : how);
  const faults = find("#faults");
  faults.hidden = !error;
  faults.textContent = error ? error.faults.join("\n") : "";
}

/** What Alice has by name goes into the list of channels to choose from; the first that two may write to is where they meet. */
async function suggestChannels() {
  const session = await newSession({ sub: "alice", roles: [...form.querySelectorAll("#roles input:checked")].map((box) => box.value), claims: CLAIMS });
  const { explanation } = await explain(session, "");
  const rights = explanation.rights.filter(({ effect }) => effect === "allow");
  const names = [...new Set(rights.map(({ channel }) => channel))];
  find("#known").replaceChildren(...names.map((name) => element("option", { value: name })));
  const writable = rights.filter(({ permission }) => permission === "write").map(({ channel }) => channel);
  find("#channel").value ||= writable.find((name) => name.includes("alice")) ?? writable[0] ?? names[0] ?? "lobby";
}

let seen = "";

async function look() {
  try {
    const now = await world();
    const { policy } = now;
    const told = JSON.stringify(policy);
    if (told === seen) return;
    const isAnother = policy.sha256 !== inForce;
    seen = told;
    showPolicy(now);
    if (!isAnother) return;
    showRoles(now.roles);
    find("#about").textContent = `usher ${now.version}, relay ${now.relay}`;
    if (inForce === null) await suggestChannels();
    else if (asked) await askNow();
    inForce = policy.sha256;
  } catch (error) {
    seen = "";
    find("#policy p").textContent = error.message;
  }
}

async function follow() {
  if (document.visibilityState === "visible") await look();
  setTimeout(follow, LOOK);
}

form.addEventListener("change", choose);
form.addEventListener("submit", (event) => {
  event.preventDefault();
  say("quiet", "Asking…");
  askNow();
});
find("#add").addEventListener("click", addChannel);
document.addEventListener("visibilitychange", () => document.visibilityState === "visible" && look());
choose();
follow();
