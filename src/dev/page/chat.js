// Two people side by side in one channel.

import { clock, copy, element, find } from "./dom.js";
import { CLAIMS, chatToken, newSession, Problem } from "./usher.js";
import { Relay } from "./relay.js";

/** How long before a token's end it is renewed, as the SDK does. */
const BEFORE_THE_END = 120_000;
const MOST_LINES = 200;
const EVENTS = ["chat.message", "chat.member.joined", "chat.member.left", "chat.member.updated"];

export class Person {
  #parts = copy("person");
  #relay = null;
  #channel;
  #member;
  #renewal;

  constructor(name) {
    const { root, name: field, join, say, renew } = this.#parts;
    field.value = name;
    this.#named();
    field.addEventListener("input", () => this.#named());
    join.addEventListener("submit", (event) => this.#does(event, () => (this.#relay ? this.#leave("Left.") : this.#join())));
    say.addEventListener("submit", (event) => this.#does(event, () => this.#say()));
    renew.addEventListener("click", (event) => this.#does(event, () => this.#renew()));
    this.root = root;
  }

  /** There are these roles; keeps the one that is chosen, else takes the `preferred`. */
  roles(names, preferred) {
    const { role } = this.#parts;
    const chosen = role.options.length ? role.value : names.includes(preferred) ? preferred : (names[0] ?? "");
    const options = names.map((name) => element("option", { value: name }, name));
    role.replaceChildren(element("option", { value: "" }, "no role"), ...options);
    role.value = names.includes(chosen) ? chosen : "";
  }

  #named() {
    const { root, name, log } = this.#parts;
    const who = name.value.trim() || "Nobody";
    root.querySelector("h3").textContent = who;
    root.setAttribute("aria-label", who);
    log.setAttribute("aria-label", `What ${who} sees`);
  }

  async #does(event, what) {
    event.preventDefault();
    const { enter, renew } = this.#parts;
    enter.disabled = true;
    try {
      await what();
    } catch (error) {
      const { code, errors } = error instanceof Problem ? error.answer.body : {};
      this.#tell("no", code ? `Refused with ${code}. ${errors?.[0]?.detail ?? error.message}` : error.message);
      if (this.#relay && !this.#member) this.#leave();
    } finally {
      enter.disabled = false;
      renew.disabled = !this.#relay;
    }
  }

  async #token() {
    const { name, role } = this.#parts;
    const sub = name.value.trim();
    if (!sub) throw new Error("Say who it is: the name is empty.");
    const session = await newSession({ sub, roles: role.value ? [role.value] : [], claims: CLAIMS });
    const ask = { channels: { [this.#channel]: { read: true, write: true } }, mode: "narrow" };
    const answer = await chatToken(session, JSON.stringify(ask));
    if (!answer.ok) throw new Problem(answer);
    return answer.body.token;
  }

  async #join() {
    this.#channel = find("#channel").value.trim();
    this.#state("Asking for a token…");
    this.#parts.list.replaceChildren();
    let may;
    try {
      const token = await this.#token();
      this.#relay = new Relay();
      const authorization = await this.#relay.connect(token, {
        event: (kind, about) => this.#event(kind, about),
        ended: (reason) => this.#leave(`The relay has ended it. ${reason}`),
      });
      this.#member = authorization.member_id;
      may = this.#authorized(authorization);
    } catch (error) {
      this.#relay?.close();
      this.#relay = null;
      this.#state("Not in the channel.");
      throw error;
    }
    const { name, role, text, send, enter } = this.#parts;
    [name, role].forEach((field) => (field.disabled = true));
    [text, send].forEach((field) => (field.disabled = false));
    enter.textContent = "Leave";
    text.focus();
    if (!may.read) return;
    const { messages } = await this.#relay.call("chat.messages.get", { channel: this.#channel });
    messages.reverse().forEach((message) => this.#message(message));
    await this.#listen();
  }

  async #listen() {
    await this.#relay.call("chat.subscribe", { channels: [{ name: this.#channel }], events: EVENTS });
    await this.#look();
  }

  /** Who is there now. */
  async #look() {
    const relay = this.#relay;
    const { members } = await relay.call("chat.members.get", { channel: this.#channel });
    const here = members.map(({ id }) => id).sort().join(", ");
    if (relay === this.#relay) this.#parts.here.textContent = `Here: ${here}.`;
  }

  async #renew() {
    const may = this.#authorized(await this.#relay.renew(await this.#token()));
    this.#tell("quiet", "Goes on with a new token.");
    // Who may not read any more has been unsubscribed without a word; who may again must ask.
    if (may.read) await this.#listen();
    else this.#parts.here.textContent = "";
  }

  #authorized({ channels, expires_at: ends }) {
    const may = channels[this.#channel] ?? {};
    const rights = [may.read && "read", may.write && "write"].filter(Boolean).join(" and ") || "do nothing";
    this.#state(`In ${this.#channel} as ${this.#member}: may ${rights}, until ${clock(ends * 1000)}.`);
    clearTimeout(this.#renewal);
    const left = ends * 1000 - Date.now() - BEFORE_THE_END;
    this.#renewal = setTimeout(() => this.#does(new Event("renewal"), () => this.#relay && this.#renew()), Math.max(left, 20_000));
    return may;
  }

  #leave(why) {
    const { name, role, text, send, enter, renew, here } = this.#parts;
    clearTimeout(this.#renewal);
    here.textContent = "";
    this.#relay?.close();
    this.#relay = null;
    this.#member = undefined;
    [name, role].forEach((field) => (field.disabled = false));
    [text, send, renew].forEach((field) => (field.disabled = true));
    enter.textContent = "Join";
    this.#state("Not in the channel.");
    if (why) this.#tell("quiet", why);
  }

  async #say() {
    const { text } = this.#parts;
    const content = text.value;
    if (!content) return;
    await this.#relay.call("chat.publish", { channel: this.#channel, content });
    text.value = "";
  }

  #event(kind, { message, member }) {
    if (kind === "chat.channel.message") this.#message(message);
    if (kind === "chat.member.joined") this.#tell("quiet", `${member.id} is here.`);
    if (kind === "chat.member.left") this.#tell("quiet", `${member.id} is gone.`);
    if (kind === "chat.member.joined" || kind === "chat.member.left") this.#look().catch(({ message }) => this.#relay && this.#tell("no", message));
  }

  #message({ content, member, published_at: at }) {
    const text = typeof content === "string" ? content : JSON.stringify(content);
    const kind = member.id === this.#member ? "own" : "other";
    this.#tell(kind, element("b", {}, member.id), " ", element("time", {}, clock(at * 1000)), element("span", {}, text));
  }

  #state(text) {
    this.#parts.state.textContent = text;
  }

  #tell(kind, ...words) {
    const { log, list } = this.#parts;
    list.append(element("li", { class: kind }, ...words));
    while (list.children.length > MOST_LINES) list.firstElementChild.remove();
    log.scrollTop = log.scrollHeight;
  }
}
