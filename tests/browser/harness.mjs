// A browser of our own, for the tests.

import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { chromium } from "playwright-core";

const CHROMIUM = process.env.CHROMIUM ?? "/usr/bin/chromium";

/** A folder that goes when the tests end. */
export function folder(context) {
  const made = mkdtempSync(path.join(tmpdir(), "asrcli-browser-"));
  context.after(() => rmSync(made, { recursive: true, force: true, maxRetries: 5 }));
  return made;
}

/** A browser in which the microphone detects the recording `sound`, once. */
export async function browse(context, sound = null) {
  const args = [
    "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
    "--use-fake-ui-for-media-stream", "--use-fake-device-for-media-stream",
    ...(sound ? [`--use-file-for-fake-audio-capture=${sound}%noloop`] : []),
  ];
  const browser = await chromium.launchPersistentContext(folder(context), {
    executablePath: CHROMIUM, args, acceptDownloads: true, viewport: { width: 1100, height: 850 },
  });
  browser.setDefaultTimeout(120_000); // recognition takes what it takes
  context.after(() => browser.close());
  return browser;
}

/** A page, and all that it complains of in the console. */
export async function open(browser, url) {
  const page = await browser.newPage();
  const complaints = [];
  page.on("console", (message) => message.type() === "error" && complaints.push(message.text()));
  page.on("pageerror", (error) => complaints.push(String(error)));
  const foreign = [];
  page.on("request", (request) => {
    const there = new URL(request.url());
    if (there.host !== new URL(url).host && there.protocol !== "blob:") foreign.push(request.url());
  });
  const answer = await page.goto(url);
  return { page, answer, complaints, foreign };
}
