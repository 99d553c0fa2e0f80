import assert from "node:assert/strict";
import {beforeEach, test} from "node:test";

import {
  isName,
  OPEN,
  plainLabel,
  REJECT,
  replacingMoves,
  Review,
  reviewMoves,
  reviewRows,
} from "../../web/review.js";

const SHEET = {
  clusters: [
    {cluster: 10, nearest: [{label: "bee"}], distance: "0.2000"},
    {cluster: 11, nearest: [], distance: ""},
  ],
  images: ["a.jpg", "b.jpg", "c.jpg", "b.jpg"],
  verdicts: ["unknown", "unknown", "reject", "known"],
  ids: ["1", "2", "3", "4"],
};
const cluster = (index, label) => ({kind: "cluster", index, label});
const image = (index, label) => ({kind: "image", index, label});
let review;

beforeEach(() => {
  review = new Review([3, 1]);
});

test("images are numbered through the clusters", () => {
  assert.deepEqual(review.imagesOf(0), [0, 1, 2]);
  assert.deepEqual(review.imagesOf(1), [3]);
  assert.deepEqual(review.clusterOf, [0, 0, 0, 1]);
});

test("an image has its own label, else that of its cluster", () => {
  review.change("", [cluster(0, "bug"), image(1, "bee"), image(2, OPEN)]);
  assert.deepEqual(
    [0, 1, 2, 3].map(i => review.labelOf(i)),
    ["bug", "bee", OPEN, ""],
  );
  assert.deepEqual(review.counts(), {done: 1, named: 2, rejected: 0});
});

test("a cluster is done with a label, or when all its images have names of their own", () => {
  assert.equal(review.isDone(0), false);
  review.change("", [image(0, "a"), image(1, REJECT), image(2, OPEN)]);
  assert.equal(review.isDone(0), false);
  review.change("", [image(2, "b")]);
  assert.equal(review.isDone(0), true);
  review.change("", [cluster(1, REJECT)]);
  assert.equal(review.isDone(1), true);
  assert.deepEqual(review.counts(), {done: 2, named: 2, rejected: 2});
});

test("undo takes changes back one by one, each as a whole, down to nothing", () => {
  review.change("first", [cluster(0, "bug"), image(1, OPEN)]);
  review.change("second", [image(1, "bee"), cluster(0, "wasp")]);
  assert.equal(review.undo().description, "second");
  assert.deepEqual([review.labels.cluster[0], review.labels.image[1]], ["bug", OPEN]);
  assert.equal(review.undo().description, "first");
  assert.ok(review.isEmpty());
  assert.equal(review.undo(), null);
});

test("a change that changes nothing is not remembered", () => {
  assert.deepEqual(review.change("nothing", [cluster(0, ""), image(1, "")]), []);
  assert.deepEqual(review.change("some", [cluster(0, "bug"), image(1, "")]), [cluster(0, "bug")]);
  assert.equal(review.history.length, 1);
});

test("what was kept is restored, and what does not fit this sheet is left out", () => {
  review.change("", [cluster(1, "bug"), image(2, OPEN)]);
  const other = new Review([3, 1]);
  other.restore(JSON.parse(JSON.stringify(review.snapshot())));
  assert.deepEqual(other.labels, review.labels);
  other.restore({cluster: {7: "x", 0: 5}, image: {}});
  assert.deepEqual(other.labels, review.labels);
});

test("names given are listed, the latest first, without what is no name", () => {
  review.change("", [cluster(0, "bug")]);
  review.change("", [image(3, "bee"), image(2, REJECT)]);
  assert.equal(review.namesGiven()[0], "bee");
  assert.deepEqual(new Set(review.namesGiven()), new Set(["bee", "bug"]));
});

test("a label has single spaces and one form of Unicode; Reject is reject", () => {
  assert.equal(plainLabel("  Musca \u00a0 domestica "), "Musca domestica");
  assert.equal(plainLabel("Ka\u0308fer"), "Käfer");
  assert.equal(plainLabel("Reject"), REJECT);
  assert.deepEqual(["", OPEN, REJECT, "bug"].map(isName), [false, false, false, true]);
});

test("the table has a row for each cluster and each image", () => {
  review.change("", [cluster(0, "bug"), image(1, OPEN)]);
  assert.deepEqual(
    reviewRows(review, SHEET).map(row => row.join("|")),
    [
      "cluster|image|label|nearest_known|distance|verdict|id",
      "10||bug|bee|0.2000||",
      "10|a.jpg||bee|0.2000|unknown|1",
      "10|b.jpg|?|bee|0.2000|unknown|2",
      "10|c.jpg||bee|0.2000|reject|3",
      "11|||||" + "|",
      "11|b.jpg||||known|4",
    ],
  );
});

test("a table of the same clusters gives the same labels, also as a spreadsheet saves numbers", () => {
  const records = [
    {cluster: "10.0", image: "", label: "bug", id: ""},
    {cluster: "10.0", image: "a.jpg", label: "", id: "1.0"},
    {cluster: "10.0", image: "b.jpg", label: "?", id: "2.0"},
    {cluster: "10.0", image: "c.jpg", label: "", id: "3.0"},
  ];
  const {moves, unknown} = reviewMoves(records, review, SHEET);
  assert.equal(unknown, 0);
  review.change("", replacingMoves(review, moves));
  assert.deepEqual(review.labels, {cluster: ["bug", ""], image: ["", OPEN, "", ""]});
});

test("a name belongs to the images that stood under it where the cluster has others here", () => {
  const records = [
    {cluster: "10", image: "", label: "bug", id: ""},
    {cluster: "10", image: "a.jpg", label: "", id: "1"},
    {cluster: "10", image: "x.jpg", label: "", id: "99"},
    {cluster: "10", image: "b.jpg", label: "", id: ""}, // two images have this name: neither is meant
  ];
  const {moves, unknown} = reviewMoves(records, review, SHEET);
  assert.deepEqual(moves, [image(0, "bug")]);
  assert.equal(unknown, 2);
});

test("moves that replace leave nothing of what was there", () => {
  review.change("", [cluster(1, "old"), image(0, "old")]);
  review.change("", replacingMoves(review, [cluster(0, "new")]));
  assert.deepEqual(review.labels, {cluster: ["new", ""], image: ["", "", "", ""]});
  review.undo();
  assert.deepEqual(review.labels, {cluster: ["", "old"], image: ["old", "", "", ""]});
});
