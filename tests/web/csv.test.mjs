import assert from "node:assert/strict";
import {test} from "node:test";

import {
  csvText,
  decodedText,
  parsedCsv,
  parsedRecords,
  safeCell,
  typedCell,
} from "../../web/csv.js";

const TYPED = [
  "=1+1",
  "+cmd",
  "@sum",
  '-2+3"',
  "a;=1",
  "-0.5",
  "'quoted",
  "'=1",
  "''+1",
  " =1",
  "a=b",
  "two\t@words",
  "\uff1d1",
  "+1e3",
  ";;-x",
  "\x85=1",
];

test("a cell read back is what was typed, and none but a number starts as a formula does", () => {
  for (const text of TYPED) {
    assert.equal(typedCell(safeCell(text)), text);
    assert.doesNotMatch(safeCell(text), /(^|[;\t\r\n])["\s]*[=+@\uff1d-](?![0-9.e]+$)/);
  }
});

test("plain numbers stay as they are", () => {
  for (const text of ["-0.5", "+1e3", "12", ".5"]) assert.equal(safeCell(text), text);
  assert.equal(safeCell("=12"), "'=12");
});

test("cells are quoted where they need it, as Python's csv module does it, or all", () => {
  const rows = [
    ["a", 'say "b"'],
    ["c,d", "two\nlines"],
  ];
  assert.equal(csvText(rows), 'a,"say ""b"""\n"c,d","two\nlines"\n');
  assert.equal(csvText([["a", "1"]], {quoteAll: true}), '"a","1"\n');
});

test("a table is read with any separator, line end and quoting, and what was written is read back", () => {
  const rows = [
    ["cluster", "label"],
    ["1", 'a "b", c'],
    ["2", "x;y"],
  ];
  assert.deepEqual(parsedCsv(csvText(rows)), rows);
  assert.deepEqual(parsedCsv('"cluster";"label"\r\n"1";"a ""b"", c"\r\n\r\n"2";"x;y"'), rows);
  assert.deepEqual(parsedCsv("cluster\tlabel\r1\t=1"), [
    ["cluster", "label"],
    ["1", "=1"],
  ]);
  assert.deepEqual(parsedCsv(""), []);
});

test("a quote that is not closed and a missing column are named", () => {
  assert.throws(() => parsedCsv('a,b\n1,"x\n'), /row 2 has a quote that is not closed/);
  assert.throws(() => parsedRecords("a\n1\n", ["a", "b"]), /it has columns a; wanted a, b/);
  assert.throws(() => parsedRecords("", ["a"]), /it has columns none; wanted a/);
});

test("records have the names of the header in lower case, and nothing where a row is short", () => {
  assert.deepEqual(parsedRecords("A,B\n1\n", ["a"]), [{a: "1", b: ""}]);
});

test("UTF-8 and UTF-16 are told apart, anything else is refused", () => {
  const utf16 = Uint8Array.from([255, 254, 228, 0]).buffer;
  assert.equal(decodedText(new TextEncoder().encode("ä").buffer), "ä");
  assert.equal(decodedText(utf16), "ä");
  assert.throws(() => decodedText(Uint8Array.from([97, 228, 97]).buffer), /it is not UTF-8/);
});
