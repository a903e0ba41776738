// What usher answers: its own routes, and those that only this page uses.

/** A problem (RFC 9457) instead of what was asked for. */
export class Problem extends Error {
  constructor(answer) {
    super(`${answer.body.title ?? "Refused"}. ${answer.body.detail ?? ""}`.trim());
    this.answer = answer;
  }
}

async function call(path, { body, session } = {}) {
  const headers = {};
  if (body !== undefined) headers["Content-Type"] = "application/json";
  if (session) headers.Authorization = `Bearer ${session}`;
  let response, text;
  try {
    response = await fetch(path, { method: body === undefined ? "GET" : "POST", headers, body });
    text = await response.text();
  } catch {
    throw new Error("usher does not answer: is `usher dev` still running?");
  }
  try {
    return { ok: response.ok, status: response.status, body: JSON.parse(text) };
  } catch {
    throw new Error(`usher answered ${response.status} with something that is not JSON.`);
  }
}

async function get(path, what) {
  const answer = await call(path, what && { body: JSON.stringify(what) });
  if (!answer.ok) throw new Problem(answer);
  return answer.body;
}

/** A claim with a list, as the example policy reads one: every session of this page has it, as those that `usher dev` prints. */
export const CLAIMS = { projects: ["apollo", "gemini"] };

export const world = () => get("/dev/world");

export const newSession = async (wanted) => (await get("/dev/session", wanted)).token;

/** Why it is decided so. `ask` is the request's body as text, `session` null for a guest. */
export const explain = (session, ask) => get("/dev/explain", { session, ask });

/** What a front end gets: status and body, whatever they are. */
export const chatToken = (session, ask) => call("/chat-token", { session, body: ask });

/** Header and payload of a JWT, unverified. */
export function decode(token) {
  const part = (text) => {
    const bytes = Uint8Array.from(atob(text.replaceAll("-", "+").replaceAll("_", "/")), (one) => one.codePointAt(0));
    return JSON.parse(new TextDecoder().decode(bytes));
  };
  const [header, payload] = token.split(".");
  return { header: part(header), payload: part(payload) };
}
