// `--format html` in Chromium, with the recording beside it. RECORDING names the first ten seconds of "A Tale of Two Cities".

import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { copyFileSync, readFileSync, rmSync } from "node:fs";
import { createRequire } from "node:module";
import path from "node:path";
import { after, before, describe, it } from "node:test";
import { pathToFileURL } from "node:url";
import { browse, folder } from "./harness.mjs";
import { Chores } from "./serve.mjs";

const ASRCLI = process.env.ASRCLI ?? "asrcli";
const RECORDING = process.env.RECORDING;
const SHOTS = process.env.SCREENSHOTS; // a folder to put pictures into, for people to look at
const AXE = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");

describe("a transcript as a page", { timeout: 600_000 }, () => {
  const chores = new Chores();
  let page, browser, recording, address;
  after(() => chores.run());
  before(async () => {
    const place = folder(chores);
    recording = path.join(place, "two #cities%.wav");
    copyFileSync(RECORDING, recording);
    execFileSync(ASRCLI, ["transcribe", recording, "--format", "html", "--quiet"]);
    address = pathToFileURL(recording.replace(/wav$/, "html")).href;
    browser = await browse(chores);
    page = await browser.newPage();
    await page.goto(address);
  });

  const current = () => page.evaluate(() => document.getElementById("audio").currentTime);

  it("shows the text and is accessible", async () => {
    assert.match(await page.innerText("main"), /It was the best of times/);
    await page.evaluate(AXE);
    const { violations } = await page.evaluate(() => globalThis.axe.run());
    assert.deepEqual(violations.map(({ id, nodes }) => `${id}: ${nodes.length}`), []);
    if (SHOTS) await page.screenshot({ path: path.join(SHOTS, "transcript.png"), fullPage: true });
  });

  it("plays from a word, and marks the word that is heard", async () => {
    const word = page.locator("main span", { hasText: /^worst$/ }).first();
    const start = Number(await word.getAttribute("data-start"));
    assert.ok(start > 1);
    await word.click();
    await page.waitForFunction((from) => document.getElementById("audio").currentTime > from, start);
    await page.waitForSelector("main span.now");
    await page.keyboard.press("Space");
    assert.equal(await page.evaluate(() => document.getElementById("audio").paused), true);
    const before = await current();
    await page.keyboard.press("ArrowLeft");
    assert.ok((await current()) < before);
  });

  it("finds text over the limits of words", async () => {
    await page.keyboard.press("/");
    await page.keyboard.type("OF TIMES");
    assert.equal(await page.innerText("#count"), "2");
    await page.keyboard.press("Enter");
    assert.equal(await page.innerText("#count"), "1 / 2");
    const found = await page.locator("main span.found").allInnerTexts();
    assert.deepEqual(found.map((text) => text.toLowerCase().replace(/\W/g, "")), ["of", "times", "of", "times"]);
  });

  it("takes a recording that lies elsewhere", async () => {
    const moved = path.join(folder(chores), "elsewhere.wav");
    copyFileSync(recording, moved);
    rmSync(recording);
    await page.goto(address);
    await page.waitForSelector("#choose:not([hidden])");
    await page.setInputFiles("#file", moved);
    await page.waitForFunction(() => document.getElementById("audio").duration > 9);
  });
});
