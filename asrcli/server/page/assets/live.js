// Live recognition: the server's Aliyun protocol, which numbers sentences and gives words their times.

import { socketAddress } from "./access.js";
import { placed } from "./words.js";

const BAD_TOKEN = 40000001;

export class LiveError extends Error {
  constructor(message, needsKey = false) {
    super(message);
    this.needsKey = needsKey;
  }
}

const id = () => Array.from(crypto.getRandomValues(new Uint8Array(16)), (byte) => byte.toString(16).padStart(2, "0")).join("");

/** A stream that is being recognised. */
export class Live {
  /**
   * @param {{rate: number, model: string, language: string}} options
   * @param {{partial: (text: string, start: number) => void, sentence: (segment: object) => void}} listener
   */
  constructor(options, listener) {
    this.listener = listener;
    this.task = id();
    this.waiting = [];
    this.started = false;
    this.begin = 0;
    this.socket = new WebSocket(socketAddress("ws/v1/asr", options.model ? { model: options.model } : {}));
    this.socket.binaryType = "arraybuffer";
    /** resolves when all is recognised; rejects with a LiveError */
    this.done = new Promise((resolve, reject) => {
      this.resolve = resolve;
      this.reject = reject;
    });
    this.done.catch(() => {}); // a later `await` gets the error
    this.socket.onopen = () =>
      this.direct("StartTranscription", {
        format: "pcm",
        sample_rate: options.rate,
        enable_intermediate_result: true,
        enable_punctuation_prediction: true,
        enable_inverse_text_normalization: true,
        enable_words: true,
        ...(options.language && { language: options.language }),
      });
    this.socket.onmessage = ({ data }) => this.take(JSON.parse(data));
    this.socket.onclose = () => this.reject(new LiveError("The connection to the server broke off."));
  }

  /** @param {Int16Array} samples */
  send(samples) {
    if (this.started && this.socket.readyState === WebSocket.OPEN) this.socket.send(samples);
    else this.waiting.push(samples);
  }

  /** End the audio; `done` resolves after the last result. */
  stop() {
    if (this.started) this.direct("StopTranscription");
    else this.stopping = true;
  }

  direct(name, payload) {
    const header = { message_id: id(), task_id: this.task, namespace: "SpeechTranscriber", name };
    if (this.socket.readyState === WebSocket.OPEN) this.socket.send(JSON.stringify(payload ? { header, payload } : { header }));
  }

  take({ header, payload }) {
    switch (header.name) {
      case "TranscriptionStarted":
        this.started = true;
        this.waiting.splice(0).forEach((samples) => this.send(samples));
        if (this.stopping) this.stop();
        break;
      case "SentenceBegin":
        this.begin = payload.time / 1000;
        break;
      case "TranscriptionResultChanged":
        this.listener.partial(payload.result, this.begin);
        break;
      case "SentenceEnd":
        this.listener.sentence(segmentOf(payload));
        break;
      case "TranscriptionCompleted":
        this.resolve();
        this.socket.close();
        break;
      case "TaskFailed":
        this.reject(new LiveError(said(header.status_text), header.status === BAD_TOKEN));
        this.socket.close();
    }
  }
}

/** `Gateway:KIND:what happened` without its first two parts. */
function said(text) {
  return text.replace(/^Gateway:[A-Z_]+:/, "");
}

function segmentOf({ begin_time, time, result, words = [] }) {
  const own = words.map(({ text, startTime, endTime }) => ({ text, start: startTime / 1000, end: endTime / 1000 }));
  return { start: begin_time / 1000, end: time / 1000, text: result, words: placed(result, own) };
}
