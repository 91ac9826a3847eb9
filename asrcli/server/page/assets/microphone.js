// From the microphone to 16-bit samples.

const RATE = 16000;

/** A microphone that is on. */
export class Microphone {
  /**
   * Ask for the microphone and turn it on.
   *
   * @param {(samples: Int16Array, level: number) => void} hear called ten times a second
   * @throws {Error} with a message for people
   */
  static async open(hear) {
    if (!navigator.mediaDevices?.getUserMedia) {
      throw new Error("Browsers give the microphone only to pages opened over https, or on localhost.");
    }
    let stream;
    try {
      stream = await navigator.mediaDevices.getUserMedia({ audio: { channelCount: 1 } });
    } catch (error) {
      throw new Error(REASONS[error.name] ?? `The microphone cannot be used: ${error.message}`);
    }
    try {
      return new Microphone(stream, await connect(stream, hear));
    } catch (error) {
      stream.getTracks().forEach((track) => track.stop());
      throw error;
    }
  }

  constructor(stream, { context, node }) {
    this.stream = stream;
    this.context = context;
    this.node = node;
    /** samples a second */
    this.rate = context.sampleRate;
  }

  /** Turn it off. What was heard until now has been handed over when this resolves. */
  async close() {
    await new Promise((resolve) => {
      this.node.port.addEventListener("message", ({ data }) => data === "end" && resolve());
      this.node.port.postMessage("end");
    });
    this.stream.getTracks().forEach((track) => track.stop());
    await this.context.close();
  }
}

const REASONS = {
  NotAllowedError: "The browser was not allowed to use the microphone. Allow it beside the address, then try again.",
  NotFoundError: "No microphone found.",
  NotReadableError: "The microphone is in use by another program.",
};

async function connect(stream, hear) {
  let context = new AudioContext({ sampleRate: RATE });
  let source;
  try {
    source = context.createMediaStreamSource(stream);
  } catch {
    // Firefox joins no microphone to a context of another rate; the server resamples then.
    await context.close();
    context = new AudioContext();
    source = context.createMediaStreamSource(stream);
  }
  await context.audioWorklet.addModule(new URL("worklet.js", import.meta.url));
  const node = new AudioWorkletNode(context, "pcm", { numberOfOutputs: 0, channelCount: 1, channelCountMode: "explicit" });
  node.port.addEventListener("message", ({ data }) => data !== "end" && hear(data.samples, data.level));
  node.port.start();
  source.connect(node);
  return { context, node };
}

/** A WAV file of 16-bit mono. */
export function wav(chunks, rate) {
  const length = chunks.reduce((sum, chunk) => sum + chunk.byteLength, 0);
  const header = new DataView(new ArrayBuffer(44));
  const tag = (at, text) => [...text].forEach((letter, n) => header.setUint8(at + n, letter.charCodeAt(0)));
  tag(0, "RIFF");
  header.setUint32(4, 36 + length, true);
  tag(8, "WAVEfmt ");
  header.setUint32(16, 16, true);
  header.setUint16(20, 1, true); // PCM
  header.setUint16(22, 1, true); // channels
  header.setUint32(24, rate, true);
  header.setUint32(28, rate * 2, true);
  header.setUint16(32, 2, true);
  header.setUint16(34, 16, true);
  tag(36, "data");
  header.setUint32(40, length, true);
  return new Blob([header, ...chunks], { type: "audio/wav" });
}
