"""The script of a map's page: it reads the page's data, draws it on a canvas, and sends nothing anywhere."""

SCRIPT = r"""
const REACH = 9, LISTED = 12, STRIP = 60, NAMED = 30;  // pixels to hover from; images listed at a place, shown selected; classes in the legend
const PICTURED = 120;  // images in view up to which thumbnails are drawn in place of dots
const points = new Float64Array(bytes(data.points)), n = data.n;
const columns = data.columns.map(column => column.kind === "class" ? {...column, codes: new Uint32Array(bytes(column.codes))}
  : column.kind === "number" ? {...column, values: new Float64Array(bytes(column.values))} : column);
const images = columns.find(column => column.name === "image") || {values: []};
const canvas = element("canvas"), context = canvas.getContext("2d", {alpha: false}), box = bounds();
const tints = [...data.palette, ...data.scale], GREY = tints.length, DIM = GREY + 1, PLAIN = GREY + 2, INK = GREY + 3;
const tint = new Uint16Array(n), shown = new Uint8Array(n).fill(1), matching = new Uint8Array(n).fill(1), selected = new Uint8Array(n);
const view = {x: 0, y: 0, scale: 1, whole: 1, width: 1, height: 1};  // the point in the middle, pixels per unit, and that of the whole map
const pressed = new Set(), pointers = new Map(), pictures = new Map();
const grid = index();
let colouring = null, marked = -1, path = null, start = null, words = null, everyName = false, waiting = false, pictured = false, frame = null, theme = null;

function bytes(text) {
  const raw = atob(text), out = new Uint8Array(raw.length);
  for (let k = 0; k < raw.length; k++) out[k] = raw.charCodeAt(k);
  return out.buffer;
}

function bounds(of = null) {
  const found = {left: Infinity, right: -Infinity, low: Infinity, high: -Infinity};
  for (let i = 0; i < n; i++) {
    if (of && !of[i]) continue;
    found.left = Math.min(found.left, points[2 * i]);
    found.right = Math.max(found.right, points[2 * i]);
    found.low = Math.min(found.low, points[2 * i + 1]);
    found.high = Math.max(found.high, points[2 * i + 1]);
  }
  return found.left <= found.right ? found : {left: 0, right: 0, low: 0, high: 0};
}

// Points by cell of a square grid, as a counting sort: those of cell c are order[first[c]] to order[first[c + 1] - 1]
function index() {
  const side = Math.max(1, Math.min(256, Math.ceil(Math.sqrt(n)))), first = new Uint32Array(side * side + 1), order = new Uint32Array(n);
  const column = x => Math.max(0, Math.min(side - 1, Math.floor((x - box.left) / (box.right - box.left || 1) * side)));
  const row = y => Math.max(0, Math.min(side - 1, Math.floor((y - box.low) / (box.high - box.low || 1) * side)));
  const cell = i => row(points[2 * i + 1]) * side + column(points[2 * i]);
  for (let i = 0; i < n; i++) first[cell(i) + 1]++;
  for (let c = 0; c < side * side; c++) first[c + 1] += first[c];
  const next = first.slice();
  for (let i = 0; i < n; i++) order[next[cell(i)]++] = i;
  return {side, first, order, column, row};
}

const reach = () => pictured ? 24 : REACH;  // half a thumbnail, or a little more than a dot

function near(px, py, within) {
  const x = view.x + (px - view.width / 2) / view.scale, y = view.y - (py - view.height / 2) / view.scale, r = within / view.scale, found = [];
  for (let row = grid.row(y - r); row <= grid.row(y + r); row++) {
    const from = grid.first[row * grid.side + grid.column(x - r)], to = grid.first[row * grid.side + grid.column(x + r) + 1];
    for (let k = from; k < to; k++) {
      const i = grid.order[k], away = Math.hypot(points[2 * i] - x, points[2 * i + 1] - y);
      if (shown[i] && away <= r) found.push([away, i]);
    }
  }
  return found.sort((a, b) => a[0] - b[0] || a[1] - b[1]).map(pair => pair[1]);
}

const place = i => [(points[2 * i] - view.x) * view.scale + view.width / 2, view.height / 2 - (points[2 * i + 1] - view.y) * view.scale];
const isClass = () => colouring && colouring.kind === "class";

function value(column, i) {
  if (column.kind === "class") return column.names[column.codes[i]] || "";
  return column.kind === "text" ? column.values[i] : Number.isNaN(column.values[i]) ? "" : String(column.values[i]);
}

function short(column, i) {
  return column.kind === "number" && Number.isFinite(column.values[i]) ? String(Number(column.values[i].toPrecision(4))) : value(column, i);
}

function fit(of = null) {
  const to = of ? bounds(of) : box, all = Math.max(box.right - box.left, box.high - box.low), least = all / 40 || 1;
  const room = Math.min((view.width - 136) / Math.max(to.right - to.left, least), (view.height - 88) / Math.max(to.high - to.low, least));
  Object.assign(view, {x: (to.left + to.right) / 2, y: (to.low + to.high) / 2, scale: Math.max(room, 1e-300)});
  if (!of) view.whole = view.scale;
  draw();
}

function zoom(factor, px = view.width / 2, py = view.height / 2) {
  const scale = Math.max(view.whole / 3, Math.min(view.whole * 20000, view.scale * factor));
  view.x += (px - view.width / 2) * (1 / view.scale - 1 / scale);
  view.y -= (py - view.height / 2) * (1 / view.scale - 1 / scale);
  view.scale = scale;
  draw();
}

function pan(dx, dy) {
  view.x -= dx / view.scale;
  view.y += dy / view.scale;
  draw();
}

function resize() {
  const {width, height} = canvas.getBoundingClientRect(), ratio = devicePixelRatio || 1, first = view.width === 1;
  const whole = view.scale === view.whole;
  canvas.width = Math.max(1, Math.round(width * ratio));
  canvas.height = Math.max(1, Math.round(height * ratio));
  Object.assign(view, {width: Math.max(width, 1), height: Math.max(height, 1)});
  if (first || whole) fit(); else draw();
}

function draw() {
  if (!waiting) requestAnimationFrame(paint);
  waiting = true;
}

const radius = () => {
  const base = n > 5000 ? 2.5 : n > 1000 ? 3 : n > 200 ? 4 : 5;
  return Math.round(2 * base * Math.max(1, Math.min(2, 1 + Math.log2(view.scale / view.whole) / 5))) / 2;
};

// Dots are set pixel by pixel: ten thousand take some 3 ms, where the canvas's own circles or pictures take 20 without a graphics card.
// The frame is wider than the canvas all around, so that a dot at its edge needs no clipping.
function makeFrame() {
  const ratio = devicePixelRatio || 1, r = radius(), key = [canvas.width, canvas.height, ratio, r, theme.paper].join(" ");
  if (frame && frame.key === key) return;
  const pad = 2 * Math.ceil((r + 3) * ratio), image = new ImageData(canvas.width + 2 * pad, canvas.height + 2 * pad), rim = r < 3 ? 0.25 : 0.5;
  const rgb = Uint32Array.from([...tints, theme.grey, theme.dim, theme.accent, theme.ink, theme.paper], colour => {
    const hex = parseInt(colour.slice(1), 16);
    return 255 << 24 | (hex & 255) << 16 | hex & 0xff00 | hex >> 16;
  });
  const dot = makeDot(image.width, (r - rim) * ratio, (r + rim) * ratio), halo = makeDot(image.width, (r + 1.8) * ratio, (r + 2) * ratio);
  frame = {key, pad, image, pixels: new Uint32Array(image.data.buffer), rgb, paper: rgb[rgb.length - 1], dot, halo};
}

// The pixels of a dot that is filled up to one radius and edged with paper up to another: shares of both and of what lies beneath, in 256
function makeDot(width, inner, outer) {
  const reach = Math.ceil(outer + 1), found = [], share = k => Math.round(256 * Math.max(0, Math.min(1, k + 0.5)));
  for (let y = -reach; y <= reach; y++) {
    for (let x = -reach; x <= reach; x++) {
      const fill = share(inner - Math.hypot(x, y)), whole = share(outer - Math.hypot(x, y));
      if (whole) found.push([y * width + x, fill, whole - fill, 256 - whole]);
    }
  }
  const [offset, fill, edge, rest] = [0, 1, 2, 3].map(k => Int32Array.from(found, pixel => pixel[k]));
  return {reach, offset, fill, edge, rest};
}

function mixed(a, ofA, b, ofB, c, ofC) {
  const part = shift => (a >>> shift & 255) * ofA + (b >>> shift & 255) * ofB + (c >>> shift & 255) * ofC >> 8 << shift;
  return 255 << 24 | part(16) | part(8) | part(0);
}

function stampAll(wanted, what, {reach, offset, fill, edge, rest}) {
  const {pixels, rgb, paper, pad, image: {width, height}} = frame, ratio = devicePixelRatio || 1, scale = view.scale * ratio;
  const left = view.width / 2 * ratio - view.x * scale + pad, top = view.height / 2 * ratio + view.y * scale + pad;
  for (let i = 0; i < n; i++) {
    if (!wanted(i)) continue;
    const x = Math.floor(left + points[2 * i] * scale), y = Math.floor(top - points[2 * i + 1] * scale), colour = rgb[what(i)];
    if (x < reach || y < reach || x >= width - reach || y >= height - reach) continue;
    for (let k = 0; k < offset.length; k++) {
      const to = y * width + x + offset[k];
      pixels[to] = fill[k] === 256 ? colour : mixed(colour, fill[k], paper, edge[k], pixels[to], rest[k]);
    }
  }
}

function paint() {
  waiting = false;
  makeFrame();
  frame.pixels.fill(frame.paper);
  stampAll(i => !shown[i] && !selected[i], () => DIM, frame.dot);
  stampAll(i => shown[i] && !selected[i], i => tint[i], frame.dot);
  stampAll(i => selected[i], () => INK, frame.halo);
  stampAll(i => selected[i], i => shown[i] ? tint[i] : DIM, frame.dot);
  context.putImageData(frame.image, -frame.pad, -frame.pad);
  const ratio = devicePixelRatio || 1, seen = [];
  context.setTransform(ratio, 0, 0, ratio, 0, 0);
  for (let i = 0; i < n && seen.length <= PICTURED; i++) if (shown[i] && inView(i)) seen.push(i);
  pictured = seen.length <= PICTURED;
  if (pictured) paintPictures(seen);
  if (marked >= 0 && !(pictured && picture(marked))) paintMark();
  if (path) paintLasso();
  if (canvas.matches(":focus-visible")) paintCross();
}

function inView(i) {
  const [px, py] = place(i);
  return px > -20 && py > -20 && px < view.width + 20 && py < view.height + 20;
}

// Where there is room: a thumbnail never hides another one, the images beneath stay dots
function paintPictures(seen) {
  const drawn = [];
  for (const i of marked >= 0 ? [marked, ...seen] : seen) {
    const [px, py] = place(i), image = picture(i);
    if (!image || drawn.some(([x, y]) => Math.abs(x - px) < 52 && Math.abs(y - py) < 52)) continue;
    const fitted = 44 / Math.max(image.naturalWidth, image.naturalHeight), w = image.naturalWidth * fitted, h = image.naturalHeight * fitted;
    context.fillStyle = selected[i] || i === marked ? theme.ink : [...tints, theme.grey, theme.dim, theme.accent][tint[i]];
    const rim = i === marked ? 4 : 2;
    context.fillRect(px - w / 2 - rim, py - h / 2 - rim, w + 2 * rim, h + 2 * rim);
    context.drawImage(image, px - w / 2, py - h / 2, w, h);
    drawn.push([px, py]);
  }
}

function picture(i) {
  if (!thumbnails[i]) return null;
  if (!pictures.has(i)) {
    if (pictures.size > 600) pictures.clear();
    const image = new Image();
    image.onload = draw;
    image.src = source(i);
    pictures.set(i, image);
  }
  const image = pictures.get(i);
  return image.complete && image.naturalWidth ? image : null;
}

function paintMark() {
  const [px, py] = place(marked), r = radius() + 5;
  for (const [colour, width] of [[theme.paper, 5], [theme.ink, 2]]) {
    context.beginPath();
    context.arc(px, py, r, 0, 7);
    context.strokeStyle = colour;
    context.lineWidth = width;
    context.stroke();
  }
}

function paintLasso() {
  context.beginPath();
  path.forEach(([px, py]) => context.lineTo(px, py));
  context.closePath();
  context.globalAlpha = 0.12;
  context.fillStyle = theme.accent;
  context.fill();
  context.globalAlpha = 1;
  context.strokeStyle = theme.accent;
  context.lineWidth = 1.5;
  context.stroke();
}

function paintCross() {
  context.beginPath();
  for (const [dx, dy] of [[1, 0], [-1, 0], [0, 1], [0, -1]]) {
    context.moveTo(view.width / 2 + 6 * dx, view.height / 2 + 6 * dy);
    context.lineTo(view.width / 2 + 14 * dx, view.height / 2 + 14 * dy);
  }
  context.strokeStyle = theme.ink;
  context.lineWidth = 1.5;
  context.stroke();
}

function readTheme() {
  const style = getComputedStyle(document.documentElement), of = name => style.getPropertyValue("--" + name).trim();
  theme = {paper: of("paper"), ink: of("ink"), grey: of("grey"), dim: of("dim"), accent: of("accent")};
  draw();
}

function swatch(colour) {
  const made = make("span", "swatch");
  if (colour) made.style.background = colour;
  return made;
}

function told(i) {
  const list = make("dl");
  for (const column of columns) {
    const said = column === images ? "" : short(column, i);
    if (!said) continue;
    const own = column === colouring ? [swatch(tints[tint[i]])] : [];
    list.append(make("dt", "", column.name), make("dd", "", "", ...own, breakable(said)));
  }
  return make("div", "told", "", thumbnail(i, "no thumbnail"), make("div", "file", "", breakable(images.values[i])), list);
}

function strip(ids, act) {
  return ids.map(i => {
    const made = button("", "", () => act(i));
    made.append(thumbnail(i, "–"));
    made.title = images.values[i];
    made.setAttribute("aria-label", images.values[i]);
    made.setAttribute("aria-pressed", i === marked);
    made.dataset.i = i;
    return made;
  });
}

function recolour(name) {
  colouring = columns.find(column => column.name === name) || null;
  pressed.clear();
  everyName = false;
  const [low, high] = colouring && !isClass() ? range() : [0, 0], P = data.palette.length, steps = data.scale.length;
  for (let i = 0; i < n; i++) {
    if (!colouring) tint[i] = PLAIN;
    else if (isClass()) tint[i] = colouring.codes[i] < colouring.names.length ? colouring.codes[i] % P : GREY;
    else tint[i] = Number.isFinite(colouring.values[i]) ? P + Math.min(steps - 1, Math.floor((colouring.values[i] - low) / (high - low || 1) * steps)) : GREY;
  }
  refilter();
}

function range() {
  let low = Infinity, high = -Infinity;
  for (const number of colouring.values) if (Number.isFinite(number)) [low, high] = [Math.min(low, number), Math.max(high, number)];
  return [low, high];
}

function legend() {
  element("legend").hidden = !colouring || !n;
  element("legend").classList.toggle("long", isClass() && colouring.names.length > 8);
  element("legend").replaceChildren(...(isClass() ? classLegend() : colouring ? numberLegend() : []));
}

function classLegend() {
  const names = colouring.names, counts = new Uint32Array(names.length + 1);
  for (let i = 0; i < n; i++) counts[colouring.codes[i]] += matching[i];
  const found = [...counts.keys()].filter(code => counts[code] || pressed.has(code));
  const list = make("ul"), some = found.filter((code, k) => everyName || k < NAMED || pressed.has(code));
  for (const code of some) {
    const row = button("", "", () => press(code, row)), name = names[code] || "not given";
    row.append(swatch(code < names.length ? data.palette[code % data.palette.length] : ""), make("span", "name", name),
      make("span", "count", counts[code].toLocaleString("en")));
    row.title = name;
    row.setAttribute("aria-pressed", pressed.has(code));
    list.append(make("li", "", "", row));
  }
  const more = button(`Show all ${found.length.toLocaleString("en")} of ${colouring.name}`, "more", () => {
    everyName = true;
    legend();
    element("legend").querySelectorAll("button")[some.length].focus();
  });
  const again = make("p", "soft", `Colours come again after ${data.palette.length} classes.`);
  return [list, ...(some.length < found.length ? [more] : []), ...(everyName && names.length > data.palette.length ? [again] : [])];
}

function numberLegend() {
  const [low, high] = range(), bar = make("canvas"), pen = bar.getContext("2d");
  const lost = colouring.values.reduce((count, number) => count + !Number.isFinite(number), 0), parts = [];
  bar.width = data.scale.length;
  bar.height = 1;
  data.scale.forEach((colour, k) => {
    pen.fillStyle = colour;
    pen.fillRect(k, 0, 1, 1);
  });
  const ends = make("p", "", "", make("span", "", String(Number(low.toPrecision(4)))), make("span", "", String(Number(high.toPrecision(4)))));
  if (low <= high) parts.push(make("div", "ramp", "", bar, ends));
  if (lost) parts.push(make("p", "soft", "", swatch(""), ` not given: ${lost.toLocaleString("en")}`));
  return parts;
}

function press(code, row) {
  if (!pressed.delete(code)) pressed.add(code);
  row.setAttribute("aria-pressed", pressed.has(code));
  filter();
}

const folded = text => text.normalize("NFC").toLowerCase();

function refilter() {
  const wanted = folded(element("find").value.trim());
  if (wanted && !words) words = images.values.map((_, i) => folded(columns.filter(c => c.kind !== "number").map(c => value(c, i)).join("\n")));
  for (let i = 0; i < n; i++) matching[i] = !wanted || words[i].includes(wanted);
  legend();
  filter();
}

function filter() {
  let count = 0;
  for (let i = 0; i < n; i++) count += shown[i] = matching[i] && (!pressed.size || pressed.has(colouring.codes[i]));
  const all = count === n && !pressed.size && !element("find").value.trim();
  element("found").textContent = all ? "" : `${count.toLocaleString("en")} of ${amount(n)}`;
  element("acts").hidden = all;
  element("take").disabled = element("go").disabled = !count;
  leave();
  draw();
}

function reset() {
  element("find").value = "";
  pressed.clear();
  refilter();
  element("find").focus();
}

function hover(px, py) {
  const ids = near(px, py, reach()), card = element("card");
  if (!ids.length) return leave();
  if (card.hidden || marked !== ids[0]) card.replaceChildren(told(ids[0]));
  const more = ids.length > 1 ? [make("p", "soft", `${(ids.length - 1).toLocaleString("en")} more here: click to list them`)] : [];
  card.replaceChildren(card.firstChild, ...more);
  card.hidden = false;
  const x = px + 18 + card.offsetWidth > view.width ? px - 18 - card.offsetWidth : px + 18;
  card.style.left = Math.max(4, x) + "px";
  card.style.top = Math.max(4, Math.min(py - 30, view.height - card.offsetHeight - 8)) + "px";
  if (marked !== ids[0]) draw();
  marked = ids[0];
}

function leave() {
  if (!element("card").hidden) draw();
  element("card").hidden = true;
  marked = Number(element("here").dataset.i ?? -1);
}

function list(ids, all = ids.length) {
  const here = element("here");
  here.hidden = !ids.length;
  if (!ids.length) delete here.dataset.i;
  here.replaceChildren();
  if (ids.length) {
    here.append(make("h2", "", all > 1 ? `${amount(all)} here` : "Image"), told(ids[0]));
    if (all > 1) here.append(make("div", "strip", "", ...strip(ids, tell)));
    if (all > ids.length) here.append(make("p", "soft", `The nearest ${ids.length}: zoom in for the others, or lasso them.`));
    tell(ids[0]);
  }
  leave();
  draw();
}

// Show one of those listed
function tell(i) {
  const here = element("here");
  here.querySelector(".told").replaceWith(told(i));
  here.querySelectorAll(".strip button").forEach(made => made.setAttribute("aria-pressed", Number(made.dataset.i) === i));
  here.dataset.i = marked = i;
  if (!inView(i)) [view.x, view.y] = [points[2 * i], points[2 * i + 1]];
  draw();
}

function pick(px, py, within) {
  const ids = near(px, py, within);
  list(ids.slice(0, LISTED), ids.length);
}

const lassoing = () => element("lasso").getAttribute("aria-pressed") === "true";

function switchLasso(on = !lassoing()) {
  element("lasso").setAttribute("aria-pressed", on);
  canvas.classList.toggle("aiming", on);
}

function inside(px, py) {
  let odd = false;
  for (let a = 0, b = path.length - 1; a < path.length; b = a++) {
    const [ax, ay] = path[a], [bx, by] = path[b];
    if (ay > py !== by > py && px < (bx - ax) * (py - ay) / (by - ay) + ax) odd = !odd;
  }
  return odd;
}

function select(wanted) {
  for (let i = 0; i < n; i++) selected[i] = shown[i] && wanted(i);
  const ids = chosen();
  element("selection").hidden = !ids.length;
  element("chosen").textContent = `${amount(ids.length)} selected`;
  element("strip").replaceChildren(...strip(ids.slice(0, STRIP), i => list([i])));
  element("rest").textContent = ids.length > STRIP ? `and ${(ids.length - STRIP).toLocaleString("en")} more` : "";
  draw();
}

const chosen = () => [...selected.keys()].filter(i => selected[i]);

const cell = text => '"' + safeCell(text).replaceAll('"', '""') + '"';

function csv() {
  const rows = [columns.map(column => column.name), ...chosen().map(i => columns.map(column => value(column, i)))];
  return rows.map(row => row.map(cell).join(",") + "\n").join("");
}

function at(event) {
  const {left, top} = canvas.getBoundingClientRect();
  return [event.clientX - left, event.clientY - top];
}

canvas.onpointerdown = event => {
  if (event.button) return;
  canvas.setPointerCapture(event.pointerId);
  pointers.set(event.pointerId, at(event));
  start = pointers.size === 1 ? at(event) : null;
  path = pointers.size === 1 && (event.shiftKey || lassoing()) ? [at(event)] : null;
  leave();
};

canvas.onpointermove = event => {
  const [px, py] = at(event), before = pointers.get(event.pointerId);
  if (!before) return event.pointerType === "mouse" ? hover(px, py) : undefined;
  if (pointers.size === 2) pinch(event.pointerId, [px, py]);
  else if (path && Math.hypot(px - path.at(-1)[0], py - path.at(-1)[1]) > 2) path.push([px, py]);
  if (start && Math.hypot(px - start[0], py - start[1]) > 4) start = null;
  if (pointers.size === 1 && !path && !start) {
    canvas.classList.add("moving");
    pan(px - before[0], py - before[1]);
  }
  if (path || !start) pointers.set(event.pointerId, [px, py]);
  if (path) draw();
};

function pinch(moved, to) {
  const [other] = [...pointers].filter(([id]) => id !== moved).map(([, where]) => where), from = pointers.get(moved);
  const apart = (a, b) => Math.max(1, Math.hypot(a[0] - b[0], a[1] - b[1]));
  pan((to[0] - from[0]) / 2, (to[1] - from[1]) / 2);
  zoom(apart(to, other) / apart(from, other), (to[0] + other[0]) / 2, (to[1] + other[1]) / 2);
}

canvas.onpointerup = event => {
  if (!pointers.delete(event.pointerId)) return;
  if (start) {
    pick(...start, event.pointerType === "mouse" ? reach() : Math.max(2 * REACH, reach()));
    element("here").scrollIntoView({block: "nearest"});
  } else if (path && path.length > 2) {
    select(i => inside(...place(i)));
  }
  path = start = null;
  canvas.classList.remove("moving");
  draw();
};

canvas.onpointercancel = event => {
  pointers.delete(event.pointerId);
  path = start = null;
  draw();
};

canvas.onpointerleave = leave;
canvas.onfocus = canvas.onblur = draw;
canvas.addEventListener("wheel", event => {
  event.preventDefault();
  const pixels = event.deltaY * (event.deltaMode ? 20 : 1) * (event.ctrlKey ? 4 : 1);
  zoom(Math.exp(-0.002 * Math.max(-400, Math.min(400, pixels))), ...at(event));
}, {passive: false});

const KEYS = {
  ArrowLeft: () => pan(60, 0), ArrowRight: () => pan(-60, 0), ArrowUp: () => pan(0, 60), ArrowDown: () => pan(0, -60),
  "+": () => zoom(1.4), "=": () => zoom(1.4), "-": () => zoom(1 / 1.4), "0": () => fit(), l: () => switchLasso(), L: () => switchLasso(),
  Enter: () => pick(view.width / 2, view.height / 2, 3 * REACH), Escape: () => {
    path = start = null;
    switchLasso(false);
    list([]);
  },
};

canvas.onkeydown = event => {
  if (event.ctrlKey || event.metaKey || event.altKey || !KEYS[event.key]) return;
  event.preventDefault();
  KEYS[event.key]();
};

function begin() {
  element("closer").onclick = () => zoom(1.6);
  element("farther").onclick = () => zoom(1 / 1.6);
  element("whole").onclick = () => fit();
  element("lasso").onclick = () => switchLasso();
  element("find").oninput = refilter;
  element("take").onclick = () => select(() => true);
  element("go").onclick = () => fit(shown);
  element("reset").onclick = reset;
  element("save").onclick = () => download("selection.csv", csv());
  element("clear").onclick = () => select(() => false);
  element("colouring").append(...data.colourings.map(name => make("option", "", name)));
  element("colouring").onchange = event => recolour(event.target.value);
  element("colours").hidden = !data.colourings.length;
  element("empty").hidden = n > 0;
  readTheme();
  recolour(data.colourings[0]);
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", readTheme);
  new ResizeObserver(resize).observe(canvas);
  resize();
}

begin();
"""
