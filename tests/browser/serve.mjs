// `asrcli serve`, for tests.

import { spawn } from "node:child_process";
import { createInterface } from "node:readline";

const ASRCLI = process.env.ASRCLI ?? "asrcli";
/** On every platform; the default is another one where that is installed. */
const MODEL = "moonshine-tiny-en";

/** What a suite must end: as a test's context, but last in, first out. */
export class Chores {
  #chores = [];

  after(chore) {
    this.#chores.push(chore);
  }

  async run() {
    for (const chore of this.#chores.reverse()) await chore();
  }
}

/** `asrcli serve` on a free port; its URL. */
export async function serve(context, ...options) {
  const server = spawn(ASRCLI, ["serve", "--port", "0", "--funasr-port", "0", "--log-json", "--model", MODEL, ...options], {
    stdio: ["ignore", "inherit", "pipe"],
  });
  context.after(async () => {
    const ended = new Promise((resolve) => server.once("exit", resolve));
    server.kill("SIGTERM");
    await ended;
  });
  for await (const line of createInterface({ input: server.stderr })) {
    const event = line.startsWith("{") ? JSON.parse(line) : {};
    if (event.event === "listening") return event.url;
  }
  throw new Error("the server ended before it listened");
}
