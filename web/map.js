// The map: it draws the images as points on a canvas, lists those at a place, and selects by
// colour, words or lasso.
import {
  breakable,
  button,
  data,
  download,
  element,
  make,
  thumbnail,
  thumbnails,
  thumbnailUrl,
} from "./app.js";
import {csvText} from "./csv.js";
import {makeDot, pixelColour, stampDot} from "./dots.js";
import {boundsOf, isInside, limited, PointIndex} from "./geometry.js";
import {counted} from "./text.js";

const REACH = 9; // pixels to hover from
const MOST_LISTED = 12; // images listed at a place
const MOST_IN_STRIP = 60; // thumbnails of selected images
const MOST_CLASSES = 30; // in the legend, unless asked for
const MOST_PICTURES = 120; // images in view up to which thumbnails are drawn in place of dots
const MOST_CACHED = 600; // decoded thumbnails

const n = data.n;
const points = new Float64Array(decodedBytes(data.points));
const columns = data.columns.map(decodedColumn);
const imageNames = columns.find(column => column.name === "image")?.values ?? [];
const canvas = element("canvas");
const context = canvas.getContext("2d", {alpha: false});
const pointIndex = new PointIndex(points);

// Colours of points by number: classes, then the scale of numbers, then these.
const colours = [...data.palette, ...data.scale];
const GREY = colours.length;
const DIM = GREY + 1;
const PLAIN = GREY + 2;
const INK = GREY + 3;
const colourOf = new Uint16Array(n);

const isMatching = new Uint8Array(n).fill(1); // by the search
const isShown = new Uint8Array(n).fill(1); // matching, and of a pressed class
const isSelected = new Uint8Array(n);
const pressedClasses = new Set(); // codes, pressed in the legend
// The place in the middle, pixels per unit, those of the whole map, and the size of the canvas.
const view = {x: 0, y: 0, scale: 1, wholeScale: 1, width: 1, height: 1};
const pointers = new Map(); // by id: place in the canvas
const pictures = new Map(); // by image: the decoded thumbnail

let colouring = null; // the column by which points are coloured
let marked = -1; // the image that is pointed at or listed
let lasso = null; // its corners while it is drawn
let pressedAt = null; // where a press began that may become a click
let searchTexts = null;
let allClasses = false; // whether the legend lists all
let isWaiting = false; // for the next frame
let showsPictures = false;
let frame = null;
let theme = null;

function decodedBytes(text) {
  const raw = atob(text);
  const bytes = new Uint8Array(raw.length);
  for (let k = 0; k < raw.length; k++) bytes[k] = raw.charCodeAt(k);
  return bytes.buffer;
}

function decodedColumn(column) {
  if (column.kind === "class")
    return {...column, codes: new Uint32Array(decodedBytes(column.codes))};
  if (column.kind === "number")
    return {...column, values: new Float64Array(decodedBytes(column.values))};
  return column;
}

const isClass = () => colouring?.kind === "class";

// Values as text: whole for the CSV, short to look at.
function valueText(column, i) {
  if (column.kind === "class") return column.names[column.codes[i]] || "";
  if (column.kind === "text") return column.values[i];
  return Number.isNaN(column.values[i]) ? "" : String(column.values[i]);
}

const shortNumber = number => String(Number(number.toPrecision(4)));

function shortText(column, i) {
  const isNumber = column.kind === "number" && Number.isFinite(column.values[i]);
  return isNumber ? shortNumber(column.values[i]) : valueText(column, i);
}

// The view

const place = i => [
  (points[2 * i] - view.x) * view.scale + view.width / 2,
  view.height / 2 - (points[2 * i + 1] - view.y) * view.scale,
];

const reach = () => (showsPictures ? 24 : REACH); // half a thumbnail, or a little more than a dot

function imagesNear(px, py, radius) {
  const x = view.x + (px - view.width / 2) / view.scale;
  const y = view.y - (py - view.height / 2) / view.scale;
  return pointIndex.near(x, y, radius / view.scale, i => isShown[i]);
}

function isInView(i) {
  const [px, py] = place(i);
  return px > -20 && py > -20 && px < view.width + 20 && py < view.height + 20;
}

// Shows the whole map, or as much of it as has those points.
function fit(isIncluded = null) {
  const whole = pointIndex.bounds;
  const target = isIncluded ? boundsOf(points, isIncluded) : whole;
  const least = Math.max(whole.right - whole.left, whole.top - whole.bottom) / 40 || 1;
  const scale = Math.min(
    (view.width - 136) / Math.max(target.right - target.left, least),
    (view.height - 88) / Math.max(target.top - target.bottom, least),
  );
  view.x = (target.left + target.right) / 2;
  view.y = (target.bottom + target.top) / 2;
  view.scale = Math.max(scale, 1e-300);
  if (!isIncluded) view.wholeScale = view.scale;
  draw();
}

// Zooms about a place that stays where it is.
function zoom(factor, px = view.width / 2, py = view.height / 2) {
  const scale = limited(view.scale * factor, view.wholeScale / 3, view.wholeScale * 20000);
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
  const {width, height} = canvas.getBoundingClientRect();
  const ratio = devicePixelRatio || 1;
  const showedWhole = view.width === 1 || view.scale === view.wholeScale;
  canvas.width = Math.max(1, Math.round(width * ratio));
  canvas.height = Math.max(1, Math.round(height * ratio));
  view.width = Math.max(width, 1);
  view.height = Math.max(height, 1);
  if (showedWhole) fit();
  else draw();
}

// Painting

function draw() {
  if (!isWaiting) requestAnimationFrame(paint);
  isWaiting = true;
}

function radius() {
  const base = n > 5000 ? 2.5 : n > 1000 ? 3 : n > 200 ? 4 : 5;
  const growth = limited(1 + Math.log2(view.scale / view.wholeScale) / 5, 1, 2);
  return Math.round(2 * base * growth) / 2;
}

// The frame is wider than the canvas all around, so that a dot at its edge needs no clipping.
function makeFrame() {
  const ratio = devicePixelRatio || 1;
  const r = radius();
  const key = [canvas.width, canvas.height, ratio, r, theme.paper].join(" ");
  if (frame?.key === key) return;
  const rim = r < 3 ? 0.25 : 0.5;
  const padding = 2 * Math.ceil((r + 3) * ratio);
  const image = new ImageData(canvas.width + 2 * padding, canvas.height + 2 * padding);
  frame = {
    key,
    padding,
    image,
    pixels: new Uint32Array(image.data.buffer),
    colours: Uint32Array.from(
      [...colours, theme.grey, theme.dim, theme.accent, theme.ink],
      pixelColour,
    ),
    paper: Uint32Array.of(pixelColour(theme.paper))[0],
    dot: makeDot(image.width, (r - rim) * ratio, (r + rim) * ratio),
    halo: makeDot(image.width, (r + 1.8) * ratio, (r + 2) * ratio),
  };
}

function stampAll(isWanted, colourNumber, dot) {
  const {pixels, paper, padding, image} = frame;
  const ratio = devicePixelRatio || 1;
  const scale = view.scale * ratio;
  const left = (view.width / 2) * ratio - view.x * scale + padding;
  const top = (view.height / 2) * ratio + view.y * scale + padding;
  for (let i = 0; i < n; i++) {
    if (!isWanted(i)) continue;
    const x = Math.floor(left + points[2 * i] * scale);
    const y = Math.floor(top - points[2 * i + 1] * scale);
    stampDot(pixels, image.width, image.height, dot, x, y, frame.colours[colourNumber(i)], paper);
  }
}

function paint() {
  isWaiting = false;
  makeFrame();
  frame.pixels.fill(frame.paper);
  stampAll(
    i => !isShown[i] && !isSelected[i],
    () => DIM,
    frame.dot,
  );
  stampAll(
    i => isShown[i] && !isSelected[i],
    i => colourOf[i],
    frame.dot,
  );
  stampAll(
    i => isSelected[i],
    () => INK,
    frame.halo,
  );
  stampAll(
    i => isSelected[i],
    i => (isShown[i] ? colourOf[i] : DIM),
    frame.dot,
  );
  context.putImageData(frame.image, -frame.padding, -frame.padding);
  const ratio = devicePixelRatio || 1;
  context.setTransform(ratio, 0, 0, ratio, 0, 0);
  const seen = [];
  for (let i = 0; i < n && seen.length <= MOST_PICTURES; i++) {
    if (isShown[i] && isInView(i)) seen.push(i);
  }
  showsPictures = seen.length <= MOST_PICTURES;
  if (showsPictures) paintPictures(seen);
  if (marked >= 0 && !(showsPictures && picture(marked))) paintMark();
  if (lasso) paintLasso();
  if (canvas.matches(":focus-visible")) paintCross();
}

// Where there is room: a thumbnail never hides another one, the images beneath stay dots.
function paintPictures(seen) {
  const places = [];
  for (const i of marked >= 0 ? [marked, ...seen] : seen) {
    const [px, py] = place(i);
    const image = picture(i);
    const hasRoom = !places.some(([x, y]) => Math.abs(x - px) < 52 && Math.abs(y - py) < 52);
    if (!image || !hasRoom) continue;
    const scale = 44 / Math.max(image.naturalWidth, image.naturalHeight);
    const width = image.naturalWidth * scale;
    const height = image.naturalHeight * scale;
    const rim = i === marked ? 4 : 2;
    context.fillStyle = isSelected[i] || i === marked ? theme.ink : colourText(colourOf[i]);
    context.fillRect(
      px - width / 2 - rim,
      py - height / 2 - rim,
      width + 2 * rim,
      height + 2 * rim,
    );
    context.drawImage(image, px - width / 2, py - height / 2, width, height);
    places.push([px, py]);
  }
}

const colourText = number => [...colours, theme.grey, theme.dim, theme.accent][number];

// The thumbnail of an image once it is decoded, null until then.
function picture(i) {
  if (!thumbnails[i]) return null;
  if (!pictures.has(i)) {
    if (pictures.size > MOST_CACHED) pictures.clear();
    const image = new Image();
    image.onload = draw;
    image.src = thumbnailUrl(i);
    pictures.set(i, image);
  }
  const image = pictures.get(i);
  return image.complete && image.naturalWidth ? image : null;
}

function paintMark() {
  const [px, py] = place(marked);
  for (const [colour, width] of [
    [theme.paper, 5],
    [theme.ink, 2],
  ]) {
    context.beginPath();
    context.arc(px, py, radius() + 5, 0, 7);
    context.strokeStyle = colour;
    context.lineWidth = width;
    context.stroke();
  }
}

function paintLasso() {
  context.beginPath();
  lasso.forEach(([px, py]) => context.lineTo(px, py));
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
  for (const [dx, dy] of [
    [1, 0],
    [-1, 0],
    [0, 1],
    [0, -1],
  ]) {
    context.moveTo(view.width / 2 + 6 * dx, view.height / 2 + 6 * dy);
    context.lineTo(view.width / 2 + 14 * dx, view.height / 2 + 14 * dy);
  }
  context.strokeStyle = theme.ink;
  context.lineWidth = 1.5;
  context.stroke();
}

function readTheme() {
  const style = getComputedStyle(document.documentElement);
  theme = {};
  for (const name of ["paper", "ink", "grey", "dim", "accent"])
    theme[name] = style.getPropertyValue("--" + name).trim();
  draw();
}

// Colours and their legend

function recolour(name) {
  colouring = columns.find(column => column.name === name) || null;
  pressedClasses.clear();
  allClasses = false;
  const {low, high} = colouring && !isClass() ? numberRange() : {low: 0, high: 0};
  for (let i = 0; i < n; i++) colourOf[i] = colourNumber(i, low, high);
  refilter();
}

function colourNumber(i, low, high) {
  const classes = data.palette.length;
  if (!colouring) return PLAIN;
  if (isClass())
    return colouring.codes[i] < colouring.names.length ? colouring.codes[i] % classes : GREY;
  if (!Number.isFinite(colouring.values[i])) return GREY;
  const step = Math.floor(((colouring.values[i] - low) / (high - low || 1)) * data.scale.length);
  return classes + Math.min(data.scale.length - 1, step);
}

function numberRange() {
  let low = Infinity;
  let high = -Infinity;
  for (const number of colouring.values) {
    if (!Number.isFinite(number)) continue;
    low = Math.min(low, number);
    high = Math.max(high, number);
  }
  return {low, high};
}

function swatch(colour) {
  const node = make("span", "swatch");
  if (colour) node.style.background = colour;
  return node;
}

function showLegend() {
  const legend = element("legend");
  legend.hidden = !colouring || !n;
  legend.classList.toggle("long", Boolean(isClass() && colouring.names.length > 8));
  if (!colouring) legend.replaceChildren();
  else legend.replaceChildren(...(isClass() ? classLegend() : numberLegend()));
}

function classLegend() {
  const names = colouring.names;
  const counts = new Uint32Array(names.length + 1);
  for (let i = 0; i < n; i++) counts[colouring.codes[i]] += isMatching[i];
  const present = [...counts.keys()].filter(code => counts[code] || pressedClasses.has(code));
  const listed = present.filter(
    (code, k) => allClasses || k < MOST_CLASSES || pressedClasses.has(code),
  );
  const list = make(
    "ul",
    "",
    "",
    ...listed.map(code => make("li", "", "", legendRow(code, counts[code]))),
  );
  const parts = [list];
  if (listed.length < present.length) {
    parts.push(
      button(`Show all ${present.length.toLocaleString("en")} of ${colouring.name}`, "more", () => {
        allClasses = true;
        showLegend();
        element("legend").querySelectorAll("button")[listed.length].focus();
      }),
    );
  }
  if (allClasses && names.length > data.palette.length) {
    parts.push(make("p", "soft", `Colours repeat after ${data.palette.length} classes.`));
  }
  return parts;
}

function legendRow(code, count) {
  const name = colouring.names[code] || "no value";
  const colour = code < colouring.names.length ? data.palette[code % data.palette.length] : "";
  const row = button("", "", () => {
    if (!pressedClasses.delete(code)) pressedClasses.add(code);
    row.setAttribute("aria-pressed", pressedClasses.has(code));
    filter();
  });
  row.append(
    swatch(colour),
    make("span", "name", name),
    make("span", "count", count.toLocaleString("en")),
  );
  row.title = name;
  row.setAttribute("aria-pressed", pressedClasses.has(code));
  return row;
}

function numberLegend() {
  const {low, high} = numberRange();
  const missing = colouring.values.reduce((count, number) => count + !Number.isFinite(number), 0);
  const parts = [];
  if (low <= high) {
    const ends = make(
      "p",
      "",
      "",
      make("span", "", shortNumber(low)),
      make("span", "", shortNumber(high)),
    );
    parts.push(make("div", "ramp", "", scaleBar(), ends));
  }
  if (missing)
    parts.push(make("p", "soft", "", swatch(""), ` no value: ${missing.toLocaleString("en")}`));
  return parts;
}

function scaleBar() {
  const bar = make("canvas");
  bar.width = data.scale.length;
  bar.height = 1;
  const pen = bar.getContext("2d");
  data.scale.forEach((colour, k) => {
    pen.fillStyle = colour;
    pen.fillRect(k, 0, 1, 1);
  });
  return bar;
}

// Search and filter

const searchable = text => text.normalize("NFC").toLowerCase();

function refilter() {
  const wanted = searchable(element("find").value.trim());
  if (wanted && !searchTexts) {
    const worded = columns.filter(column => column.kind !== "number");
    searchTexts = imageNames.map((_, i) =>
      searchable(worded.map(column => valueText(column, i)).join("\n")),
    );
  }
  for (let i = 0; i < n; i++) isMatching[i] = !wanted || searchTexts[i].includes(wanted);
  showLegend();
  filter();
}

function filter() {
  let count = 0;
  for (let i = 0; i < n; i++) {
    isShown[i] = isMatching[i] && (!pressedClasses.size || pressedClasses.has(colouring.codes[i]));
    count += isShown[i];
  }
  const showsAll = count === n && !pressedClasses.size && !element("find").value.trim();
  element("matches").textContent = showsAll ? "" : `${count.toLocaleString("en")} of ${counted(n)}`;
  element("acts").hidden = showsAll;
  element("select").disabled = element("go").disabled = !count;
  hideCard();
  draw();
}

function resetFilter() {
  element("find").value = "";
  pressedClasses.clear();
  refilter();
  element("find").focus();
}

// What is known of an image, and the lists of images

function details(i) {
  const list = make("dl");
  for (const column of columns) {
    const text = column.name === "image" ? "" : shortText(column, i);
    if (!text) continue;
    const swatches = column === colouring ? [swatch(colourText(colourOf[i]))] : [];
    list.append(make("dt", "", column.name), make("dd", "", "", ...swatches, breakable(text)));
  }
  const name = make("div", "file", "", breakable(imageNames[i]));
  return make("div", "details", "", thumbnail(i, "no thumbnail"), name, list);
}

function thumbnailStrip(images, action) {
  return images.map(i => {
    const node = button("", "", () => action(i));
    node.append(thumbnail(i, "–"));
    node.title = imageNames[i];
    node.setAttribute("aria-label", imageNames[i]);
    node.setAttribute("aria-pressed", i === marked);
    node.dataset.i = i;
    return node;
  });
}

function showCard(px, py) {
  const images = imagesNear(px, py, reach());
  const card = element("card");
  if (!images.length) return hideCard();
  if (card.hidden || marked !== images[0]) card.replaceChildren(details(images[0]));
  const more = `${(images.length - 1).toLocaleString("en")} more here: click to list them`;
  card.replaceChildren(card.firstChild, ...(images.length > 1 ? [make("p", "soft", more)] : []));
  card.hidden = false;
  const right = px + 18;
  const left = px - 18 - card.offsetWidth;
  card.style.left = Math.max(4, right + card.offsetWidth > view.width ? left : right) + "px";
  card.style.top = Math.max(4, Math.min(py - 30, view.height - card.offsetHeight - 8)) + "px";
  if (marked !== images[0]) draw();
  marked = images[0];
}

function hideCard() {
  if (!element("card").hidden) draw();
  element("card").hidden = true;
  marked = Number(element("here").dataset.i ?? -1);
}

// Lists images beside the map; total: how many there are, of which these are the nearest.
function listImages(images, total = images.length) {
  const here = element("here");
  here.hidden = !images.length;
  here.replaceChildren();
  if (!images.length) delete here.dataset.i;
  if (images.length) {
    here.append(make("h2", "", total > 1 ? `${counted(total)} here` : "Image"), details(images[0]));
    if (total > 1) here.append(make("div", "strip", "", ...thumbnailStrip(images, showListed)));
    if (total > images.length) {
      here.append(
        make(
          "p",
          "soft",
          `The nearest ${images.length}: zoom in for the others, or select them with the lasso.`,
        ),
      );
    }
    showListed(images[0]);
  }
  hideCard();
  draw();
}

function showListed(i) {
  const here = element("here");
  here.querySelector(".details").replaceWith(details(i));
  for (const node of here.querySelectorAll(".strip button"))
    node.setAttribute("aria-pressed", Number(node.dataset.i) === i);
  here.dataset.i = marked = i;
  if (!isInView(i)) [view.x, view.y] = [points[2 * i], points[2 * i + 1]];
  draw();
}

function listNear(px, py, radius) {
  const images = imagesNear(px, py, radius);
  listImages(images.slice(0, MOST_LISTED), images.length);
}

// The selection

const usesLasso = () => element("lasso").getAttribute("aria-pressed") === "true";

function switchLasso(on = !usesLasso()) {
  element("lasso").setAttribute("aria-pressed", on);
  canvas.classList.toggle("aiming", on);
}

function select(isWanted) {
  for (let i = 0; i < n; i++) isSelected[i] = isShown[i] && isWanted(i);
  const images = selectedImages();
  const rest = images.length - MOST_IN_STRIP;
  element("selection").hidden = !images.length;
  element("selected").textContent = `${counted(images.length)} selected`;
  element("strip").replaceChildren(
    ...thumbnailStrip(images.slice(0, MOST_IN_STRIP), i => listImages([i])),
  );
  element("rest").textContent = rest > 0 ? `and ${rest.toLocaleString("en")} more` : "";
  draw();
}

const selectedImages = () => [...isSelected.keys()].filter(i => isSelected[i]);

function selectionCsv() {
  const header = columns.map(column => column.name);
  const rows = selectedImages().map(i => columns.map(column => valueText(column, i)));
  return csvText([header, ...rows], {quoteAll: true});
}

// Mouse, fingers and keys

function placeOf(event) {
  const {left, top} = canvas.getBoundingClientRect();
  return [event.clientX - left, event.clientY - top];
}

const distance = (a, b) => Math.hypot(a[0] - b[0], a[1] - b[1]);

function onPress(event) {
  if (event.button) return;
  canvas.setPointerCapture(event.pointerId);
  pointers.set(event.pointerId, placeOf(event));
  const isFirst = pointers.size === 1;
  pressedAt = isFirst ? placeOf(event) : null;
  lasso = isFirst && (event.shiftKey || usesLasso()) ? [placeOf(event)] : null;
  hideCard();
}

function onMove(event) {
  const to = placeOf(event);
  const from = pointers.get(event.pointerId);
  if (!from) {
    if (event.pointerType === "mouse") showCard(...to);
    return;
  }
  if (pointers.size === 2) pinch(event.pointerId, to);
  else if (lasso && distance(to, lasso.at(-1)) > 2) lasso.push(to);
  if (pressedAt && distance(to, pressedAt) > 4) pressedAt = null;
  if (pointers.size === 1 && !lasso && !pressedAt) {
    canvas.classList.add("moving");
    pan(to[0] - from[0], to[1] - from[1]);
  }
  if (lasso || !pressedAt) pointers.set(event.pointerId, to);
  if (lasso) draw();
}

function pinch(movedId, to) {
  const from = pointers.get(movedId);
  const [, other] = [...pointers].find(([id]) => id !== movedId);
  pan((to[0] - from[0]) / 2, (to[1] - from[1]) / 2);
  const factor = Math.max(1, distance(to, other)) / Math.max(1, distance(from, other));
  zoom(factor, (to[0] + other[0]) / 2, (to[1] + other[1]) / 2);
}

function onRelease(event) {
  if (!pointers.delete(event.pointerId)) return;
  if (pressedAt) {
    listNear(...pressedAt, event.pointerType === "mouse" ? reach() : Math.max(2 * REACH, reach()));
    element("here").scrollIntoView({block: "nearest"});
  } else if (lasso && lasso.length > 2) {
    const corners = lasso;
    select(i => isInside(corners, ...place(i)));
  }
  lasso = pressedAt = null;
  canvas.classList.remove("moving");
  draw();
}

function onCancel(event) {
  pointers.delete(event.pointerId);
  lasso = pressedAt = null;
  draw();
}

function onWheel(event) {
  event.preventDefault();
  const pixels = event.deltaY * (event.deltaMode ? 20 : 1) * (event.ctrlKey ? 4 : 1);
  zoom(Math.exp(-0.002 * limited(pixels, -400, 400)), ...placeOf(event));
}

const KEYS = {
  ArrowLeft: () => pan(60, 0),
  ArrowRight: () => pan(-60, 0),
  ArrowUp: () => pan(0, 60),
  ArrowDown: () => pan(0, -60),
  "+": () => zoom(1.4),
  "=": () => zoom(1.4),
  "-": () => zoom(1 / 1.4),
  0: () => fit(),
  l: () => switchLasso(),
  L: () => switchLasso(),
  Enter: () => listNear(view.width / 2, view.height / 2, 3 * REACH),
  Escape: () => {
    lasso = pressedAt = null;
    switchLasso(false);
    listImages([]);
  },
};

function onKey(event) {
  if (event.ctrlKey || event.metaKey || event.altKey || !KEYS[event.key]) return;
  event.preventDefault();
  KEYS[event.key]();
}

function begin() {
  canvas.onpointerdown = onPress;
  canvas.onpointermove = onMove;
  canvas.onpointerup = onRelease;
  canvas.onpointercancel = onCancel;
  canvas.onpointerleave = hideCard;
  canvas.onfocus = canvas.onblur = draw;
  canvas.onkeydown = onKey;
  canvas.addEventListener("wheel", onWheel, {passive: false});
  element("closer").onclick = () => zoom(1.6);
  element("farther").onclick = () => zoom(1 / 1.6);
  element("whole").onclick = () => fit();
  element("lasso").onclick = () => switchLasso();
  element("find").oninput = refilter;
  element("select").onclick = () => select(() => true);
  element("go").onclick = () => fit(i => isShown[i]);
  element("reset").onclick = resetFilter;
  element("save").onclick = () => download("selection.csv", selectionCsv());
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
