// The test page: speaks each live protocol from the microphone and shows every frame.

import { socketAddress, storedKey, storeKey } from "./access.js";
import { Microphone } from "./microphone.js";

const $ = (name) => document.getElementById(name);
const id = () => crypto.getRandomValues(new Uint32Array(4)).reduce((hex, part) => hex + part.toString(16).padStart(8, "0"), "");

const PROTOCOLS = {
  aliyun: {
    path: "ws/v1/asr",
    start(rate, task) {
      const header = { message_id: id(), task_id: task, namespace: "SpeechTranscriber", name: "StartTranscription" };
      return { header, payload: { format: "pcm", sample_rate: rate, enable_words: true } };
    },
    stop: (task) => ({ header: { message_id: id(), task_id: task, namespace: "SpeechTranscriber", name: "StopTranscription" } }),
    over: ({ header }) => ["TranscriptionCompleted", "TaskFailed"].includes(header?.name),
  },
  funasr: {
    path: "",
    start: (rate) => ({
      mode: "2pass", chunk_size: [5, 10, 5], chunk_interval: 10, wav_name: "test", wav_format: "pcm", audio_fs: rate,
      is_speaking: true, itn: true,
    }),
    stop: () => ({ is_speaking: false }),
    over: ({ is_final }) => is_final,
  },
  qwen: {
    path: "ws/v1/asr/qwen",
    start: (rate) => ({ type: "start", payload: { format: "pcm", sample_rate: rate } }),
    stop: () => ({ type: "stop" }),
    over: ({ type }) => ["final", "error"].includes(type),
  },
};

let session = null;

function showAddress() {
  $("address").value = socketAddress(PROTOCOLS[$("protocol").value].path);
}

function log(kind, text) {
  const line = document.createElement("div");
  line.className = kind;
  line.textContent = `${kind === "sent" ? "→" : kind === "got" ? "←" : "·"} ${text}`;
  $("log").append(line);
  line.scrollIntoView({ block: "nearest" });
}

async function start() {
  const protocol = PROTOCOLS[$("protocol").value];
  const now = { protocol, task: id(), bytes: 0, early: [] };
  const send = (samples) => {
    now.bytes += samples.byteLength;
    now.socket.send(samples);
  };
  now.microphone = await Microphone.open((samples) => (now.open ? send(samples) : now.early.push(samples)));
  now.socket = new WebSocket($("address").value);
  now.socket.onopen = () => {
    tell(now.socket, protocol.start(now.microphone.rate, now.task));
    now.open = true;
    now.early.splice(0).forEach(send);
  };
  now.socket.onmessage = ({ data }) => {
    log("got", data);
    if (protocol.over(JSON.parse(data))) now.socket.close();
  };
  now.socket.onclose = ({ code, reason }) => {
    log("note", `closed ${code} ${reason}`);
    if (session === now) stop();
  };
  session = now;
  $("record").textContent = "Stop";
}

async function stop() {
  const now = session;
  session = null;
  $("record").textContent = "Record";
  await now.microphone.close();
  log("note", `${now.bytes} bytes of audio sent`);
  if (now.socket.readyState === WebSocket.OPEN) tell(now.socket, now.protocol.stop(now.task));
}

function tell(socket, body) {
  const text = JSON.stringify(body);
  log("sent", text);
  socket.send(text);
}

$("record").onclick = async () => {
  $("record").disabled = true;
  $("trouble").hidden = true;
  try {
    await (session ? stop() : start());
  } catch (error) {
    $("trouble").textContent = error.message;
    $("trouble").hidden = false;
  } finally {
    $("record").disabled = false;
  }
};
$("clear").onclick = () => $("log").replaceChildren();
$("protocol").onchange = showAddress;
$("options").onsubmit = (event) => event.preventDefault();
$("key").oninput = () => {
  storeKey($("key").value.trim());
  showAddress();
};
$("key").value = storedKey();
showAddress();
