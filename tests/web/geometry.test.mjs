import assert from "node:assert/strict";
import {test} from "node:test";

import {makeDot, mixed, pixelColour, stampDot} from "../../web/dots.js";
import {boundsOf, isInside, limited, PointIndex} from "../../web/geometry.js";

// Numbers that look random and are the same each time.
function numbers(count) {
  let state = 1;
  return Array.from({length: count}, () => (state = (state * 16807) % 2147483647) / 2147483647);
}

test("bounds are those of the points, or of those included, and a point where there is none", () => {
  const points = [0, 1, 5, -2, 3, 7];
  assert.deepEqual(boundsOf(points), {left: 0, right: 5, bottom: -2, top: 7});
  assert.deepEqual(
    boundsOf(points, i => i === 2),
    {left: 3, right: 3, bottom: 7, top: 7},
  );
  assert.deepEqual(boundsOf([]), {left: 0, right: 0, bottom: 0, top: 0});
});

test("the points near a place are those that a look at all of them finds, the nearest first", () => {
  const points = Float64Array.from(numbers(2000));
  const index = new PointIndex(points);
  const distance = (i, x, y) => Math.hypot(points[2 * i] - x, points[2 * i + 1] - y);
  for (const [x, y, radius] of [
    [0.5, 0.5, 0.1],
    [0, 0, 0.2],
    [0.9, 0.2, 0.03],
    [2, 2, 0.5],
    [0.3, 0.3, 3],
  ]) {
    const all = [...Array(1000).keys()].filter(i => distance(i, x, y) <= radius && i % 7);
    all.sort((a, b) => distance(a, x, y) - distance(b, x, y) || a - b);
    assert.deepEqual(
      index.near(x, y, radius, i => i % 7),
      all,
    );
  }
});

test("points at one place and no points have an index", () => {
  assert.deepEqual(new PointIndex(Float64Array.from([2, 2, 2, 2, 2, 2])).near(2, 2, 0), [0, 1, 2]);
  assert.deepEqual(new PointIndex(new Float64Array(0)).near(0, 0, 1), []);
});

test("a place is inside a polygon by the even-odd rule", () => {
  const horseshoe = [
    [0, 0],
    [10, 0],
    [10, 10],
    [7, 10],
    [7, 3],
    [3, 3],
    [3, 10],
    [0, 10],
  ];
  assert.ok(isInside(horseshoe, 1, 5) && isInside(horseshoe, 8, 5) && isInside(horseshoe, 5, 1));
  assert.ok(
    !isInside(horseshoe, 5, 5) && !isInside(horseshoe, -1, 5) && !isInside(horseshoe, 11, 1),
  );
});

test("a value is limited from both sides", () => {
  assert.deepEqual([limited(-1, 0, 5), limited(3, 0, 5), limited(9, 0, 5)], [0, 3, 5]);
});

test("colours are pixels of alpha, blue, green and red, and mix by their shares", () => {
  const hex = colour => (colour >>> 0).toString(16);
  assert.equal(hex(pixelColour("#102030")), "ff302010");
  const [white, black] = [pixelColour("#ffffff"), pixelColour("#000000")];
  assert.equal(hex(mixed(white, 128, black, 64, black, 64)), "ff7f7f7f");
  assert.equal(hex(mixed(white, 256, black, 0, black, 0)), "ffffffff");
});

test("a dot is filled in its middle, edged with paper, and not drawn over a side", () => {
  const [width, height, colour, paper] = [21, 21, pixelColour("#ff0000"), pixelColour("#ffffff")];
  const pixels = new Int32Array(width * height);
  const dot = makeDot(width, 3, 5);
  stampDot(pixels, width, height, dot, 10, 10, colour, paper);
  assert.deepEqual(
    [pixels[10 * width + 10], pixels[10 * width + 14], pixels[10 * width + 17]],
    [colour, paper, 0],
  );
  const drawn = pixels.slice();
  stampDot(pixels, width, height, dot, 1, 10, colour, paper);
  assert.deepEqual(pixels, drawn);
});
