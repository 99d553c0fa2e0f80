// Words: how they are counted, compared and suggested.

export function counted(number, noun = "image") {
  return `${number.toLocaleString("en")} ${noun}${number === 1 ? "" : "s"}`;
}

// Without accents and case, with single spaces: "Käfer_1" and "kafer 1" are the same.
export function folded(text) {
  return text
    .normalize("NFD")
    .replace(/\p{M}/gu, "")
    .replace(/[\s_-]+/g, " ")
    .toLowerCase();
}

// The Levenshtein distance of two texts.
export function editDistance(first, second) {
  let row = Array.from({length: second.length + 1}, (_, j) => j);
  for (let i = 1; i <= first.length; i++) {
    const next = [i];
    for (let j = 1; j <= second.length; j++) {
      const replaced = row[j - 1] + (first[i - 1] === second[j - 1] ? 0 : 1);
      next.push(Math.min(row[j] + 1, next[j - 1] + 1, replaced));
    }
    row = next;
  }
  return row[second.length];
}

// The known name that differs from a new one by a slip of the pen, or null. Another number is
// another name.
export function closestName(name, knownNames) {
  const digits = text => text.replace(/\D/g, "");
  const most = name.length < 6 ? 1 : 2;
  let closest = null;
  let least = most + 1;
  for (const known of knownNames) {
    if (digits(known) !== digits(name) || Math.abs(known.length - name.length) > most) continue;
    const distance = editDistance(folded(name), folded(known));
    if (distance < least) {
      least = distance;
      closest = known;
    }
  }
  return closest;
}

// The names that fit what is typed: each typed word begins a word of the name. In the order of the
// lists, each once.
export function suggestedNames(typed, lists, most) {
  const words = folded(typed).split(" ").filter(Boolean);
  const fits = name => words.every(word => (" " + folded(name)).includes(" " + word));
  return [...new Set(lists.flat())].filter(fits).slice(0, most);
}
