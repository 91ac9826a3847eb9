// Runs in the audio thread: gathers a tenth of a second and hands it over.

class Pcm extends AudioWorkletProcessor {
  constructor() {
    super();
    this.samples = new Int16Array(Math.round(sampleRate / 10));
    this.filled = 0;
    this.peak = 0;
    this.ended = false;
    this.port.onmessage = () => {
      this.hand();
      this.ended = true;
      this.port.postMessage("end");
    };
  }

  process([[channel]]) {
    if (this.ended) return false;
    for (const value of channel ?? []) {
      const clipped = Math.max(-1, Math.min(1, value));
      this.peak = Math.max(this.peak, Math.abs(clipped));
      this.samples[this.filled++] = Math.round(clipped * 32767);
      if (this.filled === this.samples.length) this.hand();
    }
    return true;
  }

  hand() {
    if (!this.filled) return;
    this.port.postMessage({ samples: this.samples.slice(0, this.filled), level: this.peak });
    this.filled = 0;
    this.peak = 0;
  }
}

registerProcessor("pcm", Pcm);
