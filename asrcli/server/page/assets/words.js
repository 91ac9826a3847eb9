// Words and their places in a text.

/**
 * A text cut into pieces, each with the word that it is, or none.
 *
 * Numbers and punctuation may have been rewritten after recognition, so that a word is not in the text: it is left out,
 * and the text stays whole.
 */
export function pieces(text, words) {
  const found = [];
  let from = 0;
  for (const word of words) {
    const at = text.indexOf(word.text, from);
    // A word far ahead is another one of the same spelling: taking it would skip all between.
    if (at < 0 || at - from > 40) continue;
    if (at > from) found.push({ text: text.slice(from, at), word: null });
    found.push({ text: word.text, word });
    from = at + word.text.length;
  }
  if (from < text.length) found.push({ text: text.slice(from), word: null });
  return found;
}

/** Words as the format json has them, out of those of a live protocol, which do not say where spaces stand. */
export function placed(text, words) {
  const out = [];
  let before = "";
  for (const piece of pieces(text, words)) {
    if (piece.word) {
      const spaced = out.length === 0 || /\s$/.test(before);
      out.push(spaced ? piece.word : { ...piece.word, space_before: false });
    }
    before = piece.text;
  }
  return out;
}

/** h:mm:ss, without the hours where there are none. */
export function clock(seconds) {
  const whole = Math.floor(seconds);
  const [h, m, s] = [Math.floor(whole / 3600), Math.floor(whole / 60) % 60, whole % 60];
  return (h ? `${h}:${String(m).padStart(2, "0")}` : String(m)) + `:${String(s).padStart(2, "0")}`;
}
