// Points in the plane. `points` is a flat array: x and y of each point in turn.

export function boundsOf(points, isIncluded = () => true) {
  const bounds = {left: Infinity, right: -Infinity, bottom: Infinity, top: -Infinity};
  for (let i = 0; i < points.length / 2; i++) {
    if (!isIncluded(i)) continue;
    bounds.left = Math.min(bounds.left, points[2 * i]);
    bounds.right = Math.max(bounds.right, points[2 * i]);
    bounds.bottom = Math.min(bounds.bottom, points[2 * i + 1]);
    bounds.top = Math.max(bounds.top, points[2 * i + 1]);
  }
  return bounds.left <= bounds.right ? bounds : {left: 0, right: 0, bottom: 0, top: 0};
}

export const limited = (value, least, most) => Math.max(least, Math.min(most, value));

// Points by the cells of a square grid, so that those near a place are found without looking at
// all. A counting sort: the points of cell c are order[first[c]] to order[first[c + 1] - 1].
export class PointIndex {
  constructor(points) {
    const n = points.length / 2;
    this.points = points;
    this.bounds = boundsOf(points);
    this.side = limited(Math.ceil(Math.sqrt(n)), 1, 256);
    this.first = new Uint32Array(this.side * this.side + 1);
    this.order = new Uint32Array(n);
    for (let i = 0; i < n; i++) this.first[this.cell(i) + 1]++;
    for (let c = 0; c < this.side * this.side; c++) this.first[c + 1] += this.first[c];
    const next = this.first.slice();
    for (let i = 0; i < n; i++) this.order[next[this.cell(i)]++] = i;
  }

  column(x) {
    const {left, right} = this.bounds;
    return limited(Math.floor(((x - left) / (right - left || 1)) * this.side), 0, this.side - 1);
  }

  row(y) {
    const {bottom, top} = this.bounds;
    return limited(Math.floor(((y - bottom) / (top - bottom || 1)) * this.side), 0, this.side - 1);
  }

  cell(i) {
    return this.row(this.points[2 * i + 1]) * this.side + this.column(this.points[2 * i]);
  }

  // The points within a radius of a place, the nearest first, equally near ones by their numbers.
  near(x, y, radius, isIncluded = () => true) {
    const found = [];
    for (let row = this.row(y - radius); row <= this.row(y + radius); row++) {
      const start = this.first[row * this.side + this.column(x - radius)];
      const end = this.first[row * this.side + this.column(x + radius) + 1];
      for (const i of this.order.subarray(start, end)) {
        const distance = Math.hypot(this.points[2 * i] - x, this.points[2 * i + 1] - y);
        if (distance <= radius && isIncluded(i)) found.push({i, distance});
      }
    }
    found.sort((a, b) => a.distance - b.distance || a.i - b.i);
    return found.map(({i}) => i);
  }
}

// Whether a place is inside a polygon [[x, y], ...], by the even-odd rule.
export function isInside(polygon, x, y) {
  let isOdd = false;
  for (let a = 0, b = polygon.length - 1; a < polygon.length; b = a++) {
    const [ax, ay] = polygon[a];
    const [bx, by] = polygon[b];
    if (ay > y !== by > y && x < ((bx - ax) * (y - ay)) / (by - ay) + ax) isOdd = !isOdd;
  }
  return isOdd;
}
