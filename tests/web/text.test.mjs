import assert from "node:assert/strict";
import {test} from "node:test";

import {closestName, counted, editDistance, folded, suggestedNames} from "../../web/text.js";

test("one is counted without an s, thousands with commas", () => {
  assert.equal(counted(1), "1 image");
  assert.equal(counted(0), "0 images");
  assert.equal(counted(12345, "cluster"), "12,345 clusters");
});

test("accents, case and what joins words make no difference", () => {
  assert.equal(folded("Käfer__1"), folded("KAFER 1"));
  assert.equal(folded("Ka\u0308fer-1"), "kafer 1");
});

test("the edit distance is that of Levenshtein", () => {
  assert.equal(editDistance("kitten", "sitting"), 3);
  assert.equal(editDistance("", "abc"), 3);
  assert.equal(editDistance("flaw", "lawn"), 2);
  assert.equal(editDistance("same", "same"), 0);
});

test("a slip of the pen is near the known name, another number is another name", () => {
  const known = ["Apis cerana", "Apis mellifera", "Käfer 1"];
  assert.equal(closestName("apis melifera", known), "Apis mellifera");
  assert.equal(closestName("Käfer 3", known), null);
  assert.equal(closestName("Bombus", known), null);
  assert.equal(closestName("bea", ["bee", "bed"]), "bee"); // of equally near ones the first
  assert.equal(closestName("bo", ["bees"]), null); // of a short name one letter may differ
});

test("each typed word begins a word of a suggested name, in the order of the lists", () => {
  const lists = [
    ["Apis mellifera"],
    ["Käfer 2", "Apis mellifera"],
    ["Apis cerana", "Bombus terrestris"],
  ];
  assert.deepEqual(suggestedNames("", lists, 3), ["Apis mellifera", "Käfer 2", "Apis cerana"]);
  assert.deepEqual(suggestedNames("b te", lists, 8), ["Bombus terrestris"]);
  assert.deepEqual(suggestedNames("KA", lists, 8), ["Käfer 2"]);
  assert.deepEqual(suggestedNames("ellifera", lists, 8), []);
});
