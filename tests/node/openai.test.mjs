// OpenAI's own SDK for JavaScript against a server of our own. RECORDING names the first ten seconds of "A Tale of Two Cities".

import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { copyFileSync, createReadStream, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import path from "node:path";
import { after, before, describe, it } from "node:test";
import OpenAI, { toFile } from "openai";
import { Chores, serve } from "../browser/serve.mjs";

const RECORDING = process.env.RECORDING;
const KEY = "open sesame";

describe("the openai package", { timeout: 600_000 }, () => {
  const chores = new Chores();
  let client, url;
  after(() => chores.run());
  before(async () => {
    url = await serve(chores, "--api-key", KEY);
    client = new OpenAI({ baseURL: `${url}/v1`, apiKey: KEY, maxRetries: 0 });
  });

  const transcribe = (options) =>
    client.audio.transcriptions.create({ model: "whisper-1", file: createReadStream(RECORDING), ...options });

  it("gets text", async () => {
    const found = await transcribe({});
    assert.match(found.text, /best of times/i);
    assert.deepEqual(found.usage, { type: "duration", seconds: 11 });
  });

  it("gets segments and words", async () => {
    const found = await transcribe({ response_format: "verbose_json", timestamp_granularities: ["word", "segment"] });
    assert.equal(found.language, "english");
    assert.ok(found.segments.length >= 3);
    assert.deepEqual(found.words.slice(0, 4).map(({ word }) => word.toLowerCase()), ["it", "was", "the", "best"]);
  });

  it("gets subtitles and plain text as strings", async () => {
    assert.match(await transcribe({ response_format: "srt" }), /^1\n00:00:0/);
    assert.match(await transcribe({ response_format: "vtt" }), /^WEBVTT\n/);
    assert.match(await transcribe({ response_format: "text" }), /^It was the best/);
  });

  it("detects segments while they are recognised", async () => {
    const deltas = [];
    let done = null;
    for await (const event of await transcribe({ model: "gpt-4o-transcribe", stream: true })) {
      if (event.type === "transcript.text.delta") deltas.push(event.delta);
      else if (event.type === "transcript.text.done") done = event;
    }
    assert.ok(deltas.length >= 3);
    assert.equal(deltas.join(""), done.text);
    assert.equal(done.usage.total_tokens, done.usage.input_tokens + done.usage.output_tokens);
  });

  it("sends objects and lists", async () => {
    const found = await transcribe({
      chunking_strategy: { type: "server_vad", threshold: 0.4, silence_duration_ms: 300 },
      include: ["logprobs"],
    });
    assert.match(found.text, /best of times/i);
    assert.equal(found.logprobs, undefined, "the embedded model reports no confidence, and none is made up");
  });

  it("does what docs/serving.md shows", (context) => {
    const folder = mkdtempSync(path.join(import.meta.dirname, "docs-")); // here, where the package is found
    context.after(() => rmSync(folder, { recursive: true }));
    const page = readFileSync(path.join(import.meta.dirname, "../../docs/serving.md"), "utf8");
    const [, code] = page.match(/```js\n([\s\S]*?)```/);
    copyFileSync(RECORDING, path.join(folder, "talk.wav"));
    writeFileSync(path.join(folder, "talk.mjs"), code.replace("http://127.0.0.1:8000", url).replace('"KEY"', `"${KEY}"`));
    const said = execFileSync(process.execPath, ["talk.mjs"], { cwd: folder, encoding: "utf8" });
    assert.match(said, /worst of times[\s\S]*word: 'times/);
  });

  it("lists models", async () => {
    const names = [];
    for await (const model of client.models.list()) names.push(model.id);
    assert.equal(names[0], "moonshine-tiny-en");
    assert.equal((await client.models.retrieve("moonshine-tiny-en")).object, "model");
  });

  it("gets errors of its own classes", async () => {
    const broken = await toFile(Buffer.from("no recording ".repeat(100)), "broken.mp3");
    await assert.rejects(transcribe({ file: broken }), (error) => {
      assert.ok(error instanceof OpenAI.BadRequestError);
      assert.equal(error.param, "file");
      assert.match(error.requestID, /^req_/);
      return true;
    });
    await assert.rejects(transcribe({ model: "no-such-model" }), OpenAI.NotFoundError);
    const file = createReadStream(RECORDING);
    await assert.rejects(client.audio.translations.create({ model: "whisper-1", file }), OpenAI.BadRequestError);
    const stranger = new OpenAI({ baseURL: `${url}/v1`, apiKey: "wrong", maxRetries: 0 });
    await assert.rejects(stranger.models.list(), OpenAI.AuthenticationError);
  });
});
