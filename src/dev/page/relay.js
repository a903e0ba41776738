// JSON-RPC 2.0 over the relay's WebSocket, as far as a chat needs it. A front end uses SignalWire's SDK instead.

import { decode } from "./usher.js";

const CALL_TAKES = 10_000;

export class Relay {
  #socket;
  #calls = new Map();
  #count = 0;
  #event;
  #ended;

  /** Connects with a token to the relay that its header names; gives what the relay says of the token. */
  async connect(token, { event, ended }) {
    this.#event = event;
    this.#ended = ended;
    this.#socket = new WebSocket(decode(token).header.ch);
    await new Promise((resolve, reject) => {
      this.#socket.onopen = resolve;
      this.#socket.onerror = () => reject(new Error("The relay does not answer."));
    });
    this.#socket.onmessage = ({ data }) => this.#receive(JSON.parse(data));
    this.#socket.onclose = ({ reason }) => this.#end(reason);
    return this.#authorize("signalwire.connect", token);
  }

  /** Goes on with another token. */
  renew(token) {
    return this.#authorize("signalwire.reauthenticate", token);
  }

  async #authorize(method, token) {
    return (await this.call(method, { authentication: { jwt_token: token } })).authorization;
  }

  call(method, params) {
    const id = String((this.#count += 1));
    return new Promise((resolve, reject) => {
      const late = setTimeout(() => this.#settle(id)?.reject(new Error(`The relay did not answer ${method} in time.`)), CALL_TAKES);
      this.#calls.set(id, { resolve, reject, late });
      this.#send({ id, method, params });
    });
  }

  close() {
    this.#ended = () => {};
    this.#socket?.close();
  }

  #send(frame) {
    if (this.#socket.readyState === WebSocket.OPEN) this.#socket.send(JSON.stringify({ jsonrpc: "2.0", ...frame }));
    else this.#settle(frame.id)?.reject(new Error("The connection has ended."));
  }

  #settle(id) {
    const call = this.#calls.get(id);
    this.#calls.delete(id);
    clearTimeout(call?.late);
    return call;
  }

  #receive({ id, method, params, result, error }) {
    if (method) {
      this.#send({ id, result: {} });
      if (method === "signalwire.event") this.#event(params.event_type, params.params);
      return;
    }
    const call = this.#settle(id);
    if (error) call?.reject(new Error(error.message));
    else call?.resolve(result);
  }

  #end(reason) {
    for (const id of [...this.#calls.keys()]) this.#settle(id).reject(new Error(`The connection has ended. ${reason}`));
    this.#ended(reason);
  }
}
