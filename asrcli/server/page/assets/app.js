// The page: what is chosen, dropped and pressed.

import { askForKey, authorization, root, storedKey } from "./access.js";
import { Entry } from "./entry.js";
import { Live } from "./live.js";
import { Microphone, wav } from "./microphone.js";
import { recognise } from "./upload.js";
import { clock } from "./words.js";

const $ = (name) => document.getElementById(name);
const languages = new Intl.DisplayNames(["en"], { type: "language" });

let server = null;
let queue = Promise.resolve();
let busy = 0;
let recording = null;
const early = []; // files that came before the server's answer

// -- server and options

async function connect() {
  let answer;
  try {
    answer = await fetch(new URL("page/settings", root), { headers: authorization() });
  } catch {
    return trouble("The server cannot be reached.");
  }
  if (answer.status === 401) {
    const wrong = storedKey() ? "The server does not know this key." : "";
    return (await askForKey(wrong)) ? connect() : trouble("Without its API key the server does nothing.");
  }
  if (!answer.ok) return trouble(`The server answered ${answer.status}.`);
  try {
    offer(await answer.json());
  } catch (error) {
    return trouble(`The server's answer cannot be read: ${error.message}`);
  }
  trouble("");
  take(early.splice(0));
}

function offer(settings) {
  const models = settings.models.map(({ id, description }) => {
    const option = new Option(id, id);
    option.title = description;
    return option;
  });
  server = settings;
  $("model").replaceChildren(...models);
  $("model").disabled = models.length < 2;
  $("speakers-label").hidden = !server.diarization;
  $("key-open").hidden = !server.keyed;
  showLanguages();
}

function showLanguages() {
  const { languages: codes } = server.models.find(({ id }) => id === $("model").value);
  const named = codes.map((code) => new Option(languages.of(code) ?? code, code));
  named.sort((one, other) => one.text.localeCompare(other.text));
  if (named.length !== 1) named.unshift(new Option("Detect", ""));
  $("language").replaceChildren(...named);
  $("language").disabled = named.length < 2;
}

const chosen = () => ({ model: $("model").value, language: $("language").value });

// -- files

function take(files) {
  if (!server) {
    early.push(...files);
    return;
  }
  let last = $("results-heading"); // the newest files on top, those of one choice in their order
  for (const file of files) last = transcribe(file, file.name, last)?.root ?? last;
}

function transcribe(blob, name, after) {
  if (blob.size > server.max_upload) {
    trouble(`${name} is larger than this server takes (${Math.floor(server.max_upload / 2 ** 20)} MB).`);
    return null;
  }
  const stop = new AbortController();
  const entry = show(new Entry(name, { cancel: () => stop.abort() }), after);
  entry.sound(blob);
  entry.state("Waiting", null);
  const fields = chosen();
  if ($("speakers").checked && server.diarization) fields.enable_speaker_diarization = "true";
  const file = blob instanceof File ? blob : new File([blob], name);
  // One after the other: the server would only let them wait, and the first is finished sooner.
  queue = queue.then(() => work(entry, file, fields, stop.signal)).catch((error) => trouble(error.message));
  return entry;
}

async function work(entry, file, fields, signal) {
  if (signal.aborted) return entry.remove();
  busy++;
  entry.state("Sending", 0);
  const listener = {
    sent: (share) => (share < 1 ? entry.state("Sending", share) : entry.state("Recognising", null)),
    segment: (segment) => {
      entry.add(segment);
      const length = entry.player.duration;
      entry.state("Recognising", length > 0 && length < Infinity ? Math.min(1, segment.end / length) : null);
    },
  };
  announce(`Transcribing ${entry.name}`);
  try {
    const transcript = await recognise(file, fields, listener, signal);
    entry.finish(transcript);
    entry.state(summary(transcript));
    announce(`${entry.name} is done`);
  } catch (error) {
    if (error.name === "AbortError") return entry.remove();
    entry.fail(error.message);
    if (error.status === 401) await connect();
  } finally {
    busy--;
  }
}

function summary({ duration, language, model, segments }) {
  const parts = [clock(duration), model];
  if (!segments.length) parts.unshift("No speech");
  if (language) parts.splice(-1, 0, languages.of(language) ?? language);
  return parts.join(" · ");
}

// -- microphone

async function toggleRecording() {
  if (recording) return stopRecording();
  if (!server) return trouble("Wait until the server answers.");
  $("record").disabled = true;
  trouble("");
  try {
    await startRecording();
  } catch (error) {
    trouble(error.message);
  } finally {
    $("record").disabled = false;
  }
}

async function startRecording() {
  const now = { chunks: [], samples: 0, live: null, options: chosen() };
  const early = [];
  now.microphone = await Microphone.open((samples, level) => {
    now.chunks.push(samples);
    now.samples += samples.length;
    $("level").value = level;
    $("clock").textContent = clock(now.samples / now.microphone.rate);
    if (now.live) now.live.send(samples);
    else early.push(samples);
  });
  now.entry = show(new Entry(`Recording ${new Date().toLocaleTimeString()}`, { again: () => again(now) }));
  now.entry.state("Listening", null);
  now.live = new Live(
    { rate: now.microphone.rate, ...now.options },
    {
      partial: (text, start) => now.entry.partial(text, start),
      sentence: (segment) => {
        now.entry.partial("");
        if (!segment.text) return;
        now.entry.add({ id: now.entry.segments.length, ...segment });
        announce(segment.text);
      },
    },
  );
  early.splice(0).forEach((samples) => now.live.send(samples));
  now.live.done.then(
    () => recording === now && failed(now, new Error("The server has ended the stream.")),
    (error) => failed(now, error),
  );
  recording = now;
  showRecording(true);
}

async function stopRecording() {
  const now = recording;
  recording = null;
  showRecording(false);
  await now.microphone.close();
  now.live.stop();
  now.sound = wav(now.chunks, now.microphone.rate);
  now.entry.sound(now.sound);
  now.entry.state("Finishing", null);
  busy++;
  try {
    await now.live.done;
  } catch {
    return; // `failed` has reported it
  } finally {
    busy--;
    keep(now);
  }
  now.entry.state(summary(now.entry.transcript));
  announce(`${now.entry.name} is done`);
}

/** What was recognised, with what the rest of the format json needs. */
function keep(now) {
  const { entry } = now;
  entry.partial("");
  const segments = entry.segments;
  entry.finish({
    schema: "asrcli/transcript/1",
    source: entry.name,
    duration: now.samples / now.microphone.rate,
    language: now.options.language || null,
    model: now.options.model,
    backend: "live",
    text: segments.map(({ text }) => text).join("\n"),
    timing: "estimated",
    warnings: [],
    segments,
  });
  entry.offerAgain();
}

async function failed(now, error) {
  now.entry.trouble(`${error.message} The recording is kept: it can be recognised as a file.`);
  now.entry.state("Failed");
  if (recording === now) await stopRecording();
  now.entry.state("Failed");
  if (error.needsKey) await connect();
}

function again(now) {
  transcribe(now.sound, `${now.entry.name}.wav`);
}

function showRecording(on) {
  $("record").classList.toggle("on", on);
  $("record-label").textContent = on ? "Stop" : "Record";
  $("recording").hidden = !on;
  $("clock").textContent = "0:00";
  $("drop-hint").hidden = on;
}

// -- the page

function show(entry, after = $("results-heading")) {
  $("nothing").hidden = true;
  after.after(entry.root);
  return entry;
}

function trouble(text) {
  $("trouble").textContent = text;
  $("trouble").hidden = !text;
}

/** For screen readers. */
function announce(text) {
  $("status").textContent = text;
}

$("choose").onclick = () => $("files").click();
$("files").onchange = () => {
  take($("files").files);
  $("files").value = ""; // the same file may be chosen again
};
$("record").onclick = toggleRecording;
$("model").onchange = showLanguages;
$("options").onsubmit = (event) => event.preventDefault();
$("key-open").onclick = async () => (await askForKey()) && connect();

let inside = 0; // dragenter and dragleave come for every element on the way
addEventListener("dragenter", (event) => {
  event.preventDefault();
  inside++;
  document.body.classList.add("dropping");
});
addEventListener("dragleave", () => document.body.classList.toggle("dropping", --inside > 0));
addEventListener("dragover", (event) => event.preventDefault());
addEventListener("drop", (event) => {
  event.preventDefault();
  inside = 0;
  document.body.classList.remove("dropping");
  take(event.dataTransfer.files);
});
addEventListener("beforeunload", (event) => {
  if (recording || busy) event.preventDefault();
});

await connect();
