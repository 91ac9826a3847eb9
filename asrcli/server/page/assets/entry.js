// One transcript on the page: its text, its player, its downloads.

import { FORMATS, txt } from "./formats.js";
import { clock, pieces } from "./words.js";

const COLOURS = 8;
const PAUSE = 0.5; // seconds for which a word stays marked after its end, until the next begins

export class Entry {
  /**
   * @param {string} name
   * @param {{cancel?: () => void, again?: () => void}} actions
   */
  constructor(name, actions) {
    this.name = name;
    this.actions = actions;
    this.root = document.getElementById("entry").content.cloneNode(true).querySelector("article");
    this.part = (selector) => this.root.querySelector(selector);
    this.part(".name").textContent = name;
    this.root.setAttribute("aria-label", name);
    this.text = this.part(".text");
    this.text.setAttribute("aria-label", `Text of ${name}. Arrow keys move from word to word, Enter plays, F2 corrects.`);
    this.player = this.part(".player");
    this.player.setAttribute("aria-label", `Recording ${name}`);
    this.segments = [];
    this.words = []; // [{word, segment, at, element}], in order; `at`: its place in the segment's text
    this.heard = null;
    this.speakers = [];
    this.transcript = null;
    this.at = -1;
    this.listen();
  }

  listen() {
    this.part(".cancel").onclick = () => this.actions.cancel?.();
    this.part(".again").onclick = () => this.actions.again?.();
    this.part(".remove").onclick = () => this.remove();
    this.part(".copy").onclick = () => this.copy();
    for (const button of this.root.querySelectorAll("[data-format]")) {
      button.setAttribute("aria-label", `Download ${this.name} as ${button.dataset.format}`);
      button.onclick = () => this.download(button.dataset.format);
    }
    this.text.onclick = ({ target }) => {
      const start = target.closest("[data-start]")?.dataset.start;
      if (start !== undefined && !getSelection().toString()) this.play(Number(start));
    };
    this.text.ondblclick = ({ target }) => this.correct(this.words.findIndex(({ element }) => element === target));
    this.text.onkeydown = (event) => this.key(event);
    this.text.onblur = () => this.point(-1);
    // Browsers differ in which of these they send, and none draws frames in a tab that is hidden.
    for (const event of ["play", "timeupdate", "seeked", "pause"]) this.player.addEventListener(event, () => this.follow());
    this.player.onerror = () => {
      if (this.player.hasAttribute("src")) this.player.hidden = true; // this browser cannot play the format
    };
  }

  /** @param {string} text for people; `progress` from 0 to 1, null: unknown, undefined: over */
  state(text, progress) {
    this.part(".state").textContent = text;
    const bar = this.part(".progress");
    bar.hidden = progress === undefined;
    this.part(".cancel").hidden = progress === undefined || !this.actions.cancel;
    if (progress === null) bar.removeAttribute("value");
    else if (progress !== undefined) bar.value = progress;
  }

  trouble(text) {
    const box = this.part(".trouble");
    box.textContent = text;
    box.hidden = !text;
  }

  /** It cannot be finished; what was recognised stays. */
  fail(message) {
    this.state("Failed");
    this.trouble(message);
    if (this.segments.length) {
      const text = this.segments.map((segment) => segment.text).join("\n");
      this.transcript = { schema: "asrcli/transcript/1", source: this.name, duration: this.segments.at(-1).end, text,
        language: null, model: "", backend: "", timing: "estimated", warnings: [message], segments: this.segments };
    }
    this.part(".downloads").hidden = !this.transcript;
    this.part("footer").hidden = false;
  }

  /** @param {Blob} blob what can be listened to */
  sound(blob) {
    URL.revokeObjectURL(this.player.src);
    this.player.src = URL.createObjectURL(blob);
    this.player.hidden = false;
  }

  /** A segment that is recognised. */
  add(segment) {
    this.segments.push(segment);
    this.text.hidden = false;
    this.text.insertBefore(this.turn(segment), this.text.querySelector(".partial"));
  }

  /** What is being said; it may still change. */
  partial(text, start) {
    this.text.querySelector(".partial")?.remove();
    if (!text) return;
    this.text.hidden = false;
    const turn = this.turn({ start, text, words: [] });
    turn.classList.add("partial");
    this.text.append(turn);
  }

  /** The whole, in the form asrcli/transcript/1; replaces what was added. */
  finish(transcript) {
    this.transcript = transcript;
    this.segments = [];
    this.words = [];
    this.speakers = [];
    this.heard = null;
    this.text.replaceChildren();
    transcript.segments.forEach((segment) => this.add(segment));
    this.part("footer").hidden = false;
    if (!transcript.segments.length) {
      this.text.hidden = false;
      this.text.textContent = "No speech was found.";
    }
    this.part(".notice").textContent = transcript.segments.length ? transcript.warnings.join(" ") : "";
    this.part(".notice").hidden = !this.part(".notice").textContent;
  }

  offerAgain() {
    this.part(".again").hidden = false;
    this.part("footer").hidden = false;
  }

  turn(segment) {
    const turn = make("div", "turn");
    const time = make("button", "time", clock(segment.start));
    time.type = "button";
    time.dataset.start = segment.start;
    time.setAttribute("aria-label", `Play from ${clock(segment.start)}`);
    turn.append(time);
    if (segment.speaker) {
      if (!this.speakers.includes(segment.speaker)) this.speakers.push(segment.speaker);
      turn.classList.add("spoken", `s${this.speakers.indexOf(segment.speaker) % COLOURS}`);
      turn.append(this.speaker(segment.speaker));
    }
    const speech = make("p", "speech");
    speech.dir = "auto";
    if (segment.language) speech.lang = segment.language;
    let at = 0;
    for (const { text, word } of pieces(segment.text, segment.words)) {
      if (word) {
        const element = make("span", "word", text);
        element.dataset.start = word.start;
        this.words.push({ word, segment, at, element });
        speech.append(element);
      } else {
        speech.append(text);
      }
      at += text.length;
    }
    turn.append(speech);
    return turn;
  }

  // -- correcting

  /** The name of a speaker, which can be changed. */
  speaker(name) {
    const button = make("button", "speaker", name);
    button.type = "button";
    button.setAttribute("aria-label", `Speaker ${name}: rename`);
    button.onclick = () =>
      this.ask(button, name, (to) => {
        for (const segment of this.transcript.segments) {
          for (const each of [segment, ...segment.words]) if (each.speaker === name) each.speaker = to;
        }
      });
    return button;
  }

  /** Let the reader change a word. */
  correct(index) {
    if (!this.words[index]) return;
    const { word, segment, at, element } = this.words[index];
    this.ask(element, word.text, (to) => {
      segment.text = segment.text.slice(0, at) + to + segment.text.slice(at + word.text.length);
      word.text = to;
      this.transcript.text = this.transcript.segments.map(({ text }) => text).join("\n");
    }, index);
  }

  /** A field in place of an element: Enter keeps what is typed, Escape does not. */
  ask(element, text, change, index = -1) {
    if (!this.transcript) return;
    this.player.pause();
    const field = make("input", "correction");
    field.value = text;
    field.size = Math.max(4, text.length);
    field.setAttribute("aria-label", `In place of ${text}`);
    let open = true;
    const close = (keep) => {
      if (!open) return;
      open = false;
      const to = field.value.trim();
      if (keep && to && to !== text) change(to);
      this.finish(this.transcript);
      this.text.focus();
      this.point(index);
    };
    field.onkeydown = (event) => {
      event.stopPropagation();
      if (event.key === "Enter" || event.key === "Escape") close(event.key === "Enter");
    };
    field.onblur = () => close(true);
    element.replaceWith(field);
    field.focus();
    field.select();
  }

  // -- listening

  play(seconds) {
    if (this.player.hidden || !this.player.hasAttribute("src")) return;
    this.player.currentTime = seconds;
    this.player.play().catch(() => {}); // the browser's player shows why not
  }

  follow() {
    const now = this.player.currentTime;
    let [low, high] = [0, this.words.length];
    while (low < high) {
      const middle = (low + high) >> 1;
      if (this.words[middle].word.start <= now) low = middle + 1;
      else high = middle;
    }
    const spoken = this.words[low - 1];
    const element = spoken && now < spoken.word.end + PAUSE ? spoken.element : null;
    if (element !== this.heard) {
      this.heard?.classList.remove("heard");
      element?.classList.add("heard");
      if (!this.player.paused) element?.scrollIntoView({ block: "nearest" });
      this.heard = element;
    }
    cancelAnimationFrame(this.frame);
    if (!this.player.paused) this.frame = requestAnimationFrame(() => this.follow());
  }

  key(event) {
    if (event.target !== this.text) return;
    const steps = { ArrowRight: 1, ArrowLeft: -1 };
    if (event.key in steps) this.point(Math.max(0, Math.min(this.words.length - 1, this.at + steps[event.key])));
    else if (event.key === "Home") this.point(0);
    else if (event.key === "End") this.point(this.words.length - 1);
    else if (event.key === "Enter" && this.at >= 0) this.play(this.words[this.at].word.start);
    else if (event.key === "F2") this.correct(this.at);
    else return;
    event.preventDefault();
  }

  point(at) {
    this.words[this.at]?.element.classList.remove("at");
    this.at = this.words.length ? at : -1;
    this.words[this.at]?.element.classList.add("at");
    this.words[this.at]?.element.scrollIntoView({ block: "nearest" });
  }

  // -- leaving

  download(format) {
    const { type, write } = FORMATS[format];
    const link = document.createElement("a");
    link.href = URL.createObjectURL(new Blob([write(this.transcript)], { type }));
    link.download = `${this.name.replace(/\.[^.]+$/, "")}.${format}`;
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 60_000); // some browsers read it later
  }

  async copy() {
    const button = this.part(".copy");
    try {
      await navigator.clipboard.writeText(txt(this.transcript));
      button.textContent = "Copied";
    } catch {
      button.textContent = "Not allowed here: download txt";
    }
  }

  remove() {
    const next = this.root.nextElementSibling ?? this.root.previousElementSibling;
    this.player.pause();
    URL.revokeObjectURL(this.player.src);
    this.root.remove();
    (next?.querySelector(".text") ?? document.getElementById("results")).focus();
  }
}

function make(tag, className, text = "") {
  const element = document.createElement(tag);
  element.className = className;
  element.textContent = text;
  return element;
}
