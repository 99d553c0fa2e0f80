// Tables as CSV: written so that no spreadsheet runs a cell, and read however a spreadsheet saved
// them.

// A spreadsheet runs a cell that starts with = + - or @, in a file or after a separator of its own:
// an apostrophe before it makes it text. Plain numbers stay as they are. entoflow.tables has both
// functions in Python.
const RUN = String.raw`(?=["'\s\x1c-\x1f\x85\ufeff]*[=+\-@\uff1d\uff0b\uff0d\uff20])`;
const NUMBER = /^[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)(e[+-]?[0-9]+)?$/i;

export function safeCell(text) {
  return NUMBER.test(text) ? text : text.replace(new RegExp(`(^|[;\t\r\n])${RUN}`, "g"), "$1'");
}

// What safeCell was given: typedCell(safeCell(text)) is the text.
export function typedCell(text) {
  return text.replace(new RegExp(`(^|[;\t\r\n])'${RUN}`, "g"), "$1");
}

// Rows of cells as CSV; quotes around the cells that need them, as Python's csv module does it, or
// around all.
export function csvText(rows, {quoteAll = false} = {}) {
  const cell = text =>
    quoteAll || /[",\n\r]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
  return rows.map(row => row.map(text => cell(safeCell(text))).join(",") + "\n").join("");
}

// Rows of cells of a table as any spreadsheet saves it: commas, semicolons or tabs, any line ends.
// Empty rows are left out.
export function parsedCsv(text) {
  const header = text.split(/[\r\n]+/).find(line => line.trim()) || "";
  const count = separator => header.split(separator).length;
  const separator = [",", ";", "\t"].reduce((best, each) =>
    count(each) > count(best) ? each : best,
  );
  const cell = new RegExp(
    `(?: *"([^"]*(?:""[^"]*)*)" *|([^${separator}\r\n]*))(${separator}|\r\n|\r|\n|$)`,
    "y",
  );
  const rows = [[]];
  while (cell.lastIndex < text.length || rows.at(-1).length) {
    const match = cell.exec(text);
    if (!match || match[2]?.trimStart().startsWith('"'))
      throw new Error(`row ${rows.length} has a quote that is not closed`);
    const content = match[1] === undefined ? match[2] : match[1].replaceAll('""', '"');
    rows.at(-1).push(typedCell(content.trim()));
    if (match[3] !== separator) rows.push([]);
    if (match[3] === "") break;
  }
  return rows.filter(row => row.some(Boolean));
}

// The rows of a table with a header as objects, by column names in lower case. Throws where one
// that is needed is missing.
export function parsedRecords(text, needed) {
  const [header = [], ...rows] = parsedCsv(text);
  const names = header.map(name => name.toLowerCase());
  if (needed.some(name => !names.includes(name))) {
    throw new Error(`it has columns ${names.join(", ") || "none"}; wanted ${needed.join(", ")}`);
  }
  return rows.map(row => Object.fromEntries(names.map((name, j) => [name, row[j] || ""])));
}

// The text of a file in UTF-8, or in UTF-16 with a byte order mark. Throws for any other encoding.
export function decodedText(bytes) {
  const start = [...new Uint8Array(bytes.slice(0, 2))].join(" ");
  const encoding = {"255 254": "utf-16le", "254 255": "utf-16be"}[start] || "utf-8";
  try {
    return new TextDecoder(encoding, {fatal: true}).decode(bytes);
  } catch {
    throw new Error("it is not UTF-8; save it as CSV UTF-8");
  }
}
