// A file to the server, and the events that come back: `POST /v1/audio/transcriptions` with `stream=true`.

import { authorization, root } from "./access.js";

export class Refused extends Error {
  constructor(message, status) {
    super(message);
    this.status = status;
  }
}

/**
 * Recognise a file.
 *
 * XMLHttpRequest, because fetch does not tell how much of an upload is done.
 *
 * @param {File} file
 * @param {Record<string, string>} fields of the form
 * @param {{sent: (share: number) => void, segment: (segment: object) => void}} listener
 * @param {AbortSignal} signal
 * @returns {Promise<object>} the transcript, in the form asrcli/transcript/1
 */
export function recognise(file, fields, listener, signal) {
  const form = new FormData();
  for (const [name, value] of Object.entries(fields)) form.append(name, value);
  form.append("response_format", "verbose_json");
  form.append("stream", "true");
  form.append("file", file);
  return new Promise((resolve, reject) => {
    const request = new XMLHttpRequest();
    const events = new Events(listener);
    const read = () => {
      if (request.status === 200) events.read(request.responseText);
    };
    request.upload.onprogress = ({ loaded, total }) => listener.sent(total ? loaded / total : 1);
    request.upload.onload = () => listener.sent(1);
    request.onprogress = read;
    request.onload = () => {
      if (request.status !== 200) return reject(new Refused(complaint(request), request.status));
      try {
        read();
      } catch (error) {
        return reject(new Refused(`The server's answer cannot be read: ${error.message}`, 0));
      }
      if (events.failure) reject(new Refused(events.failure, 500));
      else if (events.transcript) resolve(events.transcript);
      else reject(new Refused("The server's answer broke off.", 0));
    };
    request.onerror = () => reject(new Refused("The server cannot be reached, or has closed the connection.", 0));
    request.onabort = () => reject(new DOMException("Cancelled", "AbortError"));
    signal.addEventListener("abort", () => request.abort());
    request.open("POST", new URL("v1/audio/transcriptions", root));
    for (const [name, value] of Object.entries(authorization())) request.setRequestHeader(name, value);
    request.send(form);
  });
}

class Events {
  constructor(listener) {
    this.listener = listener;
    this.at = 0;
    this.transcript = null;
    this.failure = "";
  }

  /** @param {string} text all that has come so far */
  read(text) {
    for (let end; (end = text.indexOf("\n\n", this.at)) >= 0; this.at = end + 2) {
      const line = text.slice(this.at, end).split("\n").find((each) => each.startsWith("data: "));
      if (line && line !== "data: [DONE]") this.take(JSON.parse(line.slice(6)));
    }
  }

  take(event) {
    if (event.error) this.failure = event.error.message;
    else if (event.type === "transcript.text.delta" && event.segment) this.listener.segment(event.segment);
    else if (event.type === "transcript.text.done") this.transcript = event.transcript;
  }
}

function complaint(request) {
  try {
    return JSON.parse(request.responseText).error.message;
  } catch {
    return `The server answered ${request.status} ${request.statusText}.`;
  }
}
