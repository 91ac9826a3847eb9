// What can be downloaded, made of a transcript in the form asrcli/transcript/1.

import { pieces } from "./words.js";

const LINE = 42; // columns of a line of a subtitle, two lines a cue
const LONGEST = 7; // seconds of a cue

export const FORMATS = {
  txt: { type: "text/plain", write: txt },
  srt: { type: "application/x-subrip", write: srt },
  vtt: { type: "text/vtt", write: vtt },
  json: { type: "application/json", write: (transcript) => `${JSON.stringify(transcript, null, 2)}\n` },
};

export function txt(transcript) {
  let last = null;
  let out = "";
  for (const { speaker = null, text } of transcript.segments) {
    if (speaker !== last) out += `${out ? "\n" : ""}${speaker ?? "Unknown speaker"}:\n`;
    last = speaker;
    out += `${text}\n`;
  }
  return out;
}

function srt(transcript) {
  const cue = ({ start, end, speaker, text }, n) =>
    `${n + 1}\n${stamp(start, ",")} --> ${stamp(end, ",")}\n${lines(speaker ? `[${speaker}] ${text}` : text)}\n\n`;
  return cues(transcript).map(cue).join("");
}

function vtt(transcript) {
  const escaped = (text) => text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;");
  const cue = ({ start, end, speaker, text }) =>
    `${stamp(start, ".")} --> ${stamp(end, ".")}\n${speaker ? `<v ${escaped(speaker)}>` : ""}${escaped(lines(text))}\n\n`;
  return `WEBVTT\n\n${cues(transcript).map(cue).join("")}`;
}

/** Segments cut where they are too long to be read at once. */
export function cues(transcript) {
  const out = [];
  for (const segment of transcript.segments) {
    let cue = null;
    for (const piece of pieces(segment.text, segment.words)) {
      const start = piece.word?.start ?? cue?.end ?? segment.start;
      const end = piece.word?.end ?? start;
      if (cue && piece.word && (width(cue.text + piece.text) > 2 * LINE || end - cue.start > LONGEST)) {
        out.push(cue);
        cue = null;
      }
      cue ??= { start, end, speaker: segment.speaker, text: "" };
      cue.text += piece.text;
      cue.end = Math.max(cue.end, end);
    }
    if (cue) out.push({ ...cue, end: Math.max(cue.end, cue.start + 0.001) });
  }
  return out.map((cue) => ({ ...cue, text: cue.text.trim() })).filter((cue) => cue.text);
}

/** One line, or two of about the same width. */
function lines(text) {
  if (width(text) <= LINE) return text;
  const half = width(text) / 2;
  let best = null;
  for (let at = 1; at < text.length; at++) {
    const breaks = text[at] === " " || (wide(text[at]) && wide(text[at - 1]) && !/\p{P}/u.test(text[at]));
    if (!breaks) continue;
    const off = Math.abs(width(text.slice(0, at)) - half);
    if (best === null || off < best.off) best = { at, off };
  }
  return best ? `${text.slice(0, best.at)}\n${text.slice(best.at).trimStart()}` : text;
}

function wide(character) {
  return /[\u1100-\u115f\u2e80-\ua4cf\uac00-\ud7a3\uf900-\ufaff\ufe30-\ufe4f\uff00-\uff60]/.test(character);
}

function width(text) {
  let columns = 0;
  for (const character of text) columns += wide(character) ? 2 : 1;
  return columns;
}

function stamp(seconds, mark) {
  const ms = Math.round(seconds * 1000);
  const two = (n) => String(n).padStart(2, "0");
  const time = [Math.floor(ms / 3_600_000), Math.floor(ms / 60_000) % 60, Math.floor(ms / 1000) % 60].map(two).join(":");
  return `${time}${mark}${String(ms % 1000).padStart(3, "0")}`;
}
