// The cluster sheet: it shows clusters of images, and keeps and saves what a person says of them.
import {breakable, button, data, download, element, make, thumbnail} from "./app.js";
import {csvText, decodedText, parsedRecords} from "./csv.js";
import {
  isName,
  OPEN,
  plainLabel,
  REJECT,
  Review,
  replacingMoves,
  reviewMoves,
  reviewRows,
} from "./review.js";
import {closestName, counted, suggestedNames} from "./text.js";

const MOST_TILES = 160; // images of a cluster shown at once
const END_TILES = 72; // of a larger one, at either end
const MOST_CHOICES = 8; // names suggested

const {clusters, images, verdicts, typicality} = data;
const review = new Review(clusters.map(cluster => cluster.size));
const knownNames = new Set(data.labels);
const builtClusters = new Set();
const expandedClusters = new Set();
const closestNames = new Map(); // by new name: the known one that may be meant

let isSaved = true;
let filter = "all";
let field = null; // the name field that offers names
let activeChoice = -1;
let rangeStart = null; // the image from which Shift selects a range

const section = k => element("clusters").children[k];
const part = (k, selector) => section(k).querySelector(selector);
const tiles = k => [...section(k).querySelectorAll(".tile")];
const imageOf = tile => Number(tile.dataset.i);
const shownName = label => (label === REJECT ? "" : label);
const clusterLabel = k => review.labels.cluster[k];
const clusterNumber = k => clusters[k].cluster;

// Changes

function change(description, moves) {
  const changed = review.change(description, moves);
  if (!changed.length) return;
  refreshAfter(changed);
  announce(description);
}

function undo() {
  const undone = review.undo();
  if (!undone) return;
  refreshAfter(undone.moves);
  announce("Undone: " + undone.description[0].toLowerCase() + undone.description.slice(1));
  const k = review.clusterOfMove(undone.moves[0]);
  section(k).hidden = false;
  section(k).scrollIntoView({block: "nearest"});
}

function refreshAfter(moves) {
  isSaved = review.isEmpty();
  new Set(moves.map(move => review.clusterOfMove(move))).forEach(refresh);
  keep();
  showProgress();
}

const announce = text => (element("status").textContent = text);

// Keeps the labels in this browser, for this sheet alone. Returns whether the browser allows it.
function keep() {
  try {
    localStorage.setItem(data.key, JSON.stringify({...review.snapshot(), isSaved}));
    return true;
  } catch {
    return false;
  }
}

function restore() {
  try {
    const snapshot = JSON.parse(localStorage.getItem(data.key));
    review.restore(snapshot);
    isSaved = snapshot.isSaved === true;
  } catch {
    return; // nothing was kept, or nothing that can be read
  }
}

function showProgress() {
  const {done, named, rejected} = review.counts();
  const all = clusters.length;
  const number = k => k.toLocaleString("en");
  const left = rejected ? `, ${number(rejected)} left out` : "";
  const ofClusters = `${number(done)} of ${counted(all, "cluster")}`;
  const ofImages = `${number(named)} of ${counted(images.length)} named`;
  element("progress").textContent = `${ofClusters}, ${ofImages}${left}`;
  element("bar").style.width = (100 * (named + rejected)) / Math.max(images.length, 1) + "%";
  element("all").textContent = `All ${number(all)}`;
  element("open").textContent = `Open ${number(all - done)}`;
  element("done").textContent = `Done ${number(done)}`;
  const last = review.history.at(-1);
  element("undo").disabled = !last;
  element("undo").title = last ? `Undo: ${last.description} (Ctrl+Z)` : "Nothing to undo";
}

// A cluster that is done stays in sight until a filter is chosen again: nothing moves away under
// the hand.
function chooseFilter(name) {
  filter = name;
  clusters.forEach((_, k) => {
    section(k).hidden = filter !== "all" && review.isDone(k) !== (filter === "done");
  });
  for (const each of ["all", "open", "done"])
    element(each).setAttribute("aria-pressed", each === filter);
  element("empty").hidden = clusters.some((_, k) => !section(k).hidden);
  element("empty").textContent = emptyText();
  scrollTo(0, 0);
}

function emptyText() {
  if (!clusters.length) return "There are no clusters to name.";
  if (filter === "open")
    return "No cluster is open: save review.csv and run the pipeline with --reviewed review.csv.";
  return "No cluster is done yet.";
}

// The contents of a cluster are made when it comes near the window

function build(k) {
  if (builtClusters.has(k)) return;
  builtClusters.add(k);
  const {nearest} = clusters[k];
  const about = make("div", "about");
  about.append(
    make("h2", "", `Cluster ${clusterNumber(k)} `, make("span", "state")),
    summary(k),
    naming(k),
    make("p", "hint"),
  );
  if (nearest.length)
    about.append(make("div", "nearest", "", ...nearest.map(known => nearestClass(k, known))));
  about.append(takenOut(k), make("div", "splits"));
  section(k).append(about, grid(k));
  section(k).style.minHeight = "";
  refresh(k);
}

function summary(k) {
  const counts = {};
  for (const i of review.imagesOf(k)) counts[verdicts[i]] = (counts[verdicts[i]] || 0) + 1;
  const kinds = Object.entries(counts).sort((a, b) => b[1] - a[1]);
  const texts = kinds.map(
    ([kind, count]) => `${count === clusters[k].size ? "all" : count} ${kind}`,
  );
  const node = make("p", "soft", `${counted(clusters[k].size)}, ${texts.join(", ")}`);
  const gain = clusters[k].gain.toLocaleString("en", {maximumFractionDigits: 1});
  node.title = `Expected number of images labelled per click: ${gain}`;
  return node;
}

function nameField(label, placeholder, k, commit) {
  const input = make("input");
  const owner = {input, k, commit};
  Object.assign(input, {type: "text", autocomplete: "off", spellcheck: false, placeholder});
  const attributes = {
    role: "combobox",
    "aria-label": label,
    "aria-autocomplete": "list",
    "aria-expanded": "false",
    "aria-controls": "choices",
    autocapitalize: "off",
  };
  for (const [name, value] of Object.entries(attributes)) input.setAttribute(name, value);
  input.oninput = () => offerNames(owner);
  input.onkeydown = event => onFieldKey(event, owner);
  input.onblur = () => {
    closeChoices();
    commit();
  };
  return input;
}

function naming(k) {
  const input = nameField(`Name of cluster ${clusterNumber(k)}`, "", k, () =>
    nameCluster(k, input.value),
  );
  input.className = "name";
  const reject = button("No insect", "reject", () => {
    if (clusterLabel(k) === REJECT)
      change(`Opened cluster ${clusterNumber(k)} again`, [{kind: "cluster", index: k, label: ""}]);
    else nameCluster(k, REJECT);
  });
  reject.title = "No insect, or not to be used";
  return make("div", "naming", "", input, reject);
}

function nameCluster(k, text) {
  const label = plainLabel(text);
  if (label === shownName(clusterLabel(k))) return refresh(k);
  change(clusterChange(k, label), [{kind: "cluster", index: k, label}]);
}

function clusterChange(k, label) {
  const number = clusterNumber(k);
  if (!label) return `Removed the name of cluster ${number}`;
  if (label === REJECT) return `Left out cluster ${number}`;
  if (label === OPEN) return `Left cluster ${number} open`;
  return `Named cluster ${number} ${label}`;
}

function nearestClass(k, {label, similarity, pictures}) {
  const node = button("", "", () => nameCluster(k, clusterLabel(k) === label ? "" : label));
  const name = breakable(label);
  name.className = "wrapped";
  const thumbnails = make("span", "pictures", "", ...pictures.map(line => thumbnail(line, "")));
  node.append(thumbnails, name, make("span", "figure", similarity.toFixed(2)));
  node.title = `${label}, similarity ${similarity.toFixed(2)}: click to give the cluster this name`;
  node.dataset.label = label;
  return node;
}

// What becomes of the images that were taken out.
function takenOut(k) {
  const label = `Name of the images taken out of cluster ${clusterNumber(k)}`;
  const input = nameField(label, "Another name for these, if any", k, () => {
    const typed = plainLabel(input.value);
    input.value = "";
    if (typed && typed !== OPEN) nameTakenOut(k, typed);
  });
  input.className = "other";
  const reject = button("No insect", "", () => nameTakenOut(k, REJECT));
  reject.title = "No insects, or not to be used";
  const back = button("Put back", "", () => nameTakenOut(k, ""));
  return make("div", "taken", "", make("p", "soft"), reject, back, input);
}

function nameTakenOut(k, name) {
  const taken = review.imagesLabelled(k, OPEN);
  const label = name === clusterLabel(k) ? "" : name;
  change(
    takenOutChange(counted(taken.length), label),
    taken.map(i => ({kind: "image", index: i, label})),
  );
}

function takenOutChange(amount, label) {
  if (!label) return `Put ${amount} back`;
  return label === REJECT ? `Left out ${amount}` : `Named ${amount} ${label}`;
}

// The images of the cluster with names of their own; a press takes them out again, to be named
// anew.
function splits(k) {
  const groups = new Map();
  for (const i of review.imagesOf(k)) {
    const label = review.labels.image[i];
    if (label && label !== OPEN) groups.set(label, [...(groups.get(label) || []), i]);
  }
  return [...groups].map(([label, members]) => {
    const node = button("", "", () => {
      change(
        `Took ${counted(members.length)} out`,
        members.map(i => ({kind: "image", index: i, label: OPEN})),
      );
      part(k, ".other").focus();
    });
    node.append(
      make("span", "label", label === REJECT ? "No insect" : label),
      make("span", "figure", String(members.length)),
    );
    node.title = "Name these anew";
    return node;
  });
}

// The known name that a new one may mean, or null: a wrong letter would make a class of its own.
function meantName(label) {
  if (!isName(label) || knownNames.has(label)) return null;
  if (!closestNames.has(label)) closestNames.set(label, closestName(label, data.labels));
  return closestNames.get(label);
}

function hints(k) {
  const labels = new Set([clusterLabel(k), ...review.imagesOf(k).map(i => review.labels.image[i])]);
  return [...labels].filter(meantName).map(label => {
    const meant = meantName(label);
    const node = button(meant, "link", () => {
      const moves = review
        .imagesLabelled(k, label)
        .map(i => ({kind: "image", index: i, label: meant}));
      if (clusterLabel(k) === label) moves.unshift({kind: "cluster", index: k, label: meant});
      change(`Renamed ${label} to ${meant}`, moves);
    });
    return make("span", "", "", `${label} is new. Do you mean `, node, "? ");
  });
}

// The images of a cluster

function grid(k) {
  const node = make("div", "grid");
  node.setAttribute("role", "group");
  const order = `Images of cluster ${clusterNumber(k)}, the most typical first`;
  node.setAttribute("aria-label", `${order}; arrow keys move, Space takes out`);
  node.onclick = event => {
    const tile = event.target.closest(".tile");
    if (tile) pressTile(k, imageOf(tile), event.shiftKey);
  };
  node.onkeydown = event => onGridKey(k, event);
  node.addEventListener(
    "focusin",
    event => event.target.matches(".tile") && moveTabStop(node, event.target),
  );
  fillGrid(k, node);
  return node;
}

function fillGrid(k, node) {
  const all = review.imagesOf(k);
  const isCut = all.length > MOST_TILES && !expandedClusters.has(k);
  const shown = isCut ? [...all.slice(0, END_TILES), ...all.slice(-END_TILES)] : all;
  node.replaceChildren(...shown.map(makeTile));
  node.querySelector(".tile").tabIndex = 0;
  if (!isCut) return;
  const between = counted(all.length - 2 * END_TILES);
  node.children[END_TILES].before(
    button(`${between} between these: show all`, "more", () => {
      expandedClusters.add(k);
      fillGrid(k, node);
      refresh(k);
      node.children[END_TILES].focus();
    }),
  );
}

function makeTile(i) {
  const node = button("", "tile");
  node.append(thumbnail(i, "no picture"), make("span", "tag"));
  node.dataset.i = i;
  node.tabIndex = -1;
  return node;
}

// One tile of a grid is reached with the Tab key, the others with the arrow keys.
function moveTabStop(grid, tile) {
  for (const each of grid.querySelectorAll(".tile[tabindex='0']")) each.tabIndex = -1;
  tile.tabIndex = 0;
}

function pressTile(k, i, extendsRange) {
  if (extendsRange && rangeStart !== null && review.clusterOf[rangeStart] === k)
    return pressRange(k, i);
  rangeStart = i;
  const isOut = review.labels.image[i] === OPEN;
  change(isOut ? "Put 1 image back" : "Took 1 image out", [
    {kind: "image", index: i, label: isOut ? "" : OPEN},
  ]);
}

// All shown from the image pressed last to this one become as that one is; those with a name of
// their own stay.
function pressRange(k, i) {
  const label = review.labels.image[rangeStart] === OPEN ? OPEN : "";
  const low = Math.min(i, rangeStart);
  const high = Math.max(i, rangeStart);
  const isFree = j => review.labels.image[j] === "" || review.labels.image[j] === OPEN;
  const range = tiles(k)
    .map(imageOf)
    .filter(j => j >= low && j <= high && isFree(j) && review.labels.image[j] !== label);
  const amount = counted(range.length);
  change(
    label ? `Took ${amount} out` : `Put ${amount} back`,
    range.map(j => ({kind: "image", index: j, label})),
  );
}

function onGridKey(k, event) {
  const all = tiles(k);
  const here = all.indexOf(event.target);
  if (here < 0 || event.ctrlKey || event.metaKey || event.altKey) return;
  if (event.key === "Escape") return part(k, ".name").focus();
  const perRow = all.filter(tile => tile.offsetTop === all[0].offsetTop).length;
  const steps = {
    ArrowLeft: -1,
    ArrowRight: 1,
    ArrowUp: -perRow,
    ArrowDown: perRow,
    Home: -here,
    End: all.length - 1 - here,
  };
  const step = steps[event.key];
  if (step === undefined) return;
  event.preventDefault();
  const target = all[here + step];
  if (!target) return;
  const startsRange = rangeStart === null || review.clusterOf[rangeStart] !== k;
  if (event.shiftKey && startsRange) pressTile(k, imageOf(event.target), false);
  target.focus();
  if (event.shiftKey) pressRange(k, imageOf(target));
}

function refresh(k) {
  if (!builtClusters.has(k)) return;
  const label = clusterLabel(k);
  const nTakenOut = review.imagesLabelled(k, OPEN).length;
  const name = part(k, ".name");
  section(k).dataset.state = label === REJECT ? "reject" : isName(label) ? "name" : "";
  part(k, ".state").textContent = stateText(label);
  name.value = shownName(label);
  name.placeholder = label === REJECT ? "No insect, or not to be used" : "Name";
  part(k, ".reject").setAttribute("aria-pressed", label === REJECT);
  part(k, ".hint").replaceChildren(...hints(k));
  for (const node of section(k).querySelectorAll(".nearest button"))
    node.setAttribute("aria-pressed", node.dataset.label === label);
  part(k, ".taken").hidden = !nTakenOut;
  part(k, ".taken p").textContent = `${counted(nTakenOut)} taken out`;
  part(k, ".splits").replaceChildren(...splits(k));
  tiles(k).forEach(refreshTile);
}

function stateText(label) {
  if (label === "") return "";
  if (label === REJECT) return "left out";
  if (label === OPEN) return "left open";
  return knownNames.has(label) ? "named" : "new name";
}

function tileText(label) {
  if (label === OPEN) return "out";
  return label === REJECT ? "no insect" : label;
}

function refreshTile(tile) {
  const i = imageOf(tile);
  const label = review.labels.image[i];
  if (tile.title && tile.dataset.label === label) return;
  const text = tileText(label);
  tile.dataset.label = label;
  tile.dataset.state = isName(label) ? "name" : label === OPEN ? "out" : label;
  tile.lastChild.textContent = text;
  tile.setAttribute("aria-pressed", label !== "");
  tile.setAttribute("aria-label", [images[i], verdicts[i], text].filter(Boolean).join(", "));
  const similarity = `similarity to the cluster's centre ${typicality[i].toFixed(2)}`;
  tile.title = [images[i], `${verdicts[i]}, ${similarity}`, text].filter(Boolean).join("\n");
}

// Names that are offered while one types: those most similar to the cluster, those given here, then
// known ones

function offerNames(owner) {
  const {nearest} = clusters[owner.k];
  const known = owner.input.value.trim() ? data.labels : [];
  const names = suggestedNames(
    owner.input.value,
    [nearest.map(({label}) => label), review.namesGiven(), known],
    MOST_CHOICES,
  );
  closeChoices();
  if (!names.length) return;
  field = owner;
  const similarities = new Map(
    nearest.map(({label, similarity}) => [label, similarity.toFixed(2)]),
  );
  element("choices").replaceChildren(
    ...names.map((name, j) => makeChoice(name, j, similarities.get(name))),
  );
  element("choices").hidden = false;
  owner.input.setAttribute("aria-expanded", "true");
  placeChoices();
}

function makeChoice(name, j, similarity) {
  const remark = similarity || (knownNames.has(name) ? "" : "new");
  const node = make("li", "", "", make("span", "label", name), make("span", "figure", remark));
  node.id = `choice${j}`;
  node.setAttribute("role", "option");
  node.dataset.label = name;
  node.onmousedown = event => event.preventDefault(); // the field keeps the focus
  node.onclick = () => takeChoice(name);
  return node;
}

function placeChoices() {
  if (!field) return;
  const box = field.input.getBoundingClientRect();
  const list = element("choices");
  const fitsBelow = box.bottom + 4 + list.offsetHeight <= innerHeight;
  list.style.left = box.left + "px";
  list.style.width = Math.max(box.width, 240) + "px";
  list.style.top = (fitsBelow ? box.bottom + 4 : box.top - 4 - list.offsetHeight) + "px";
}

function closeChoices() {
  field?.input.setAttribute("aria-expanded", "false");
  field?.input.removeAttribute("aria-activedescendant");
  element("choices").hidden = true;
  element("choices").replaceChildren();
  field = null;
  activeChoice = -1;
}

function moveChoice(step) {
  const all = [...element("choices").children];
  activeChoice =
    activeChoice < 0 && step < 0 ? all.length - 1 : (activeChoice + step + all.length) % all.length;
  all.forEach((each, j) => each.setAttribute("aria-selected", j === activeChoice));
  field.input.setAttribute("aria-activedescendant", `choice${activeChoice}`);
}

function takeChoice(name) {
  const {input, commit} = field;
  input.value = name;
  closeChoices();
  commit();
}

function onFieldKey(event, owner) {
  if (event.isComposing || event.ctrlKey || event.metaKey || event.altKey) return;
  if (event.key === "ArrowDown" || event.key === "ArrowUp") {
    event.preventDefault();
    if (!field) offerNames(owner);
    if (field) moveChoice(event.key === "ArrowDown" ? 1 : -1);
  } else if (event.key === "Enter") {
    event.preventDefault();
    enterName(owner);
  } else if (event.key === "Escape") {
    if (!field)
      owner.input.value = owner.input.className === "name" ? shownName(clusterLabel(owner.k)) : "";
    closeChoices();
  }
}

function enterName({input, k, commit}) {
  if (field && activeChoice >= 0)
    takeChoice(element("choices").children[activeChoice].dataset.label);
  else commit();
  closeChoices();
  if (input.className === "name") goToNext(k);
  else part(k, ".tile[tabindex='0']").focus();
}

function goToNext(k) {
  const next = clusters.findIndex((_, j) => j > k && !section(j).hidden && !review.isDone(j));
  if (next < 0) return announce("No open cluster follows");
  build(next);
  section(next).scrollIntoView();
  part(next, ".name").focus({preventScroll: true});
}

// Saving and loading

// What is typed counts, also before Enter.
function commitTyped() {
  const active = document.activeElement;
  if (!active?.matches("input")) return;
  active.blur();
  active.focus({preventScroll: true});
}

function save() {
  commitTyped();
  download("review.csv", csvText(reviewRows(review, data)));
  isSaved = true;
  keep();
  announce("Saved review.csv");
}

async function load(file) {
  commitTyped();
  try {
    const records = parsedRecords(decodedText(await file.arrayBuffer()), [
      "cluster",
      "image",
      "label",
    ]);
    const {moves, unknown} = reviewMoves(records, review, data);
    if (!moves.length)
      throw new Error("none of its images is in this sheet; wanted a table that was saved from it");
    change(`Loaded ${file.name}`, replacingMoves(review, moves));
    isSaved = !unknown;
    keep();
    announce(
      `Loaded ${file.name}` + (unknown ? `: ${counted(unknown)} of it not in this sheet` : ""),
    );
    chooseFilter(filter);
  } catch (error) {
    announce(`${file.name}: ${error.message}.`);
  }
}

function onShortcut(event) {
  const action = {z: undo, s: save}[event.key.toLowerCase()];
  if (!action || !(event.ctrlKey || event.metaKey) || event.shiftKey || event.altKey) return;
  if (action === undo && isTyping(event.target)) return; // the field undoes its own letters first
  event.preventDefault();
  action();
}

function isTyping(target) {
  const cluster = target.closest?.(".cluster");
  if (!cluster || !target.matches("input")) return false;
  const committed =
    target.className === "name" ? shownName(clusterLabel(Number(cluster.dataset.k))) : "";
  return target.value !== committed;
}

function onLeave(event) {
  commitTyped();
  if (isSaved) return;
  event.preventDefault();
  event.returnValue = true;
}

// About the height that a cluster will need, so that the scroll bar is right before it is built.
function reserveHeights() {
  const isNarrow = innerWidth < 832;
  const perRow = Math.max(1, Math.floor((document.body.clientWidth - (isNarrow ? 32 : 372)) / 76));
  clusters.forEach(({size, nearest}, k) => {
    if (builtClusters.has(k)) return;
    const about = 128 + 44 * nearest.length;
    const rows = 76 * Math.ceil(Math.min(size, MOST_TILES) / perRow);
    section(k).style.minHeight = 32 + (isNarrow ? about + rows : Math.max(about, rows)) + "px";
  });
  document.documentElement.style.setProperty("--bar", element("tools").offsetHeight + "px");
}

function makeSection(k) {
  const node = make("section", "cluster");
  node.dataset.k = k;
  node.setAttribute("aria-label", `Cluster ${clusterNumber(k)}`);
  return node;
}

function buildWhenNear() {
  const observer = new IntersectionObserver(
    entries => {
      for (const {isIntersecting, target} of entries) {
        if (!isIntersecting) continue;
        build(Number(target.dataset.k));
        observer.unobserve(target);
      }
    },
    {rootMargin: "1200px"},
  );
  clusters.forEach((_, k) => observer.observe(section(k)));
}

function begin() {
  element("clusters").append(...clusters.map((_, k) => makeSection(k)));
  for (const name of ["all", "open", "done"]) element(name).onclick = () => chooseFilter(name);
  element("undo").onclick = undo;
  element("save").onclick = save;
  element("load").onclick = () => element("file").click();
  element("file").onchange = event => {
    if (event.target.files[0]) load(event.target.files[0]);
    event.target.value = "";
  };
  document.onkeydown = onShortcut;
  onbeforeunload = onLeave;
  restore();
  showProgress();
  chooseFilter("all");
  reserveHeights();
  addEventListener("resize", reserveHeights);
  addEventListener("scroll", placeChoices, {passive: true});
  buildWhenNear();
  if (!keep()) announce("This browser keeps nothing of the page: save the CSV before you close it");
}

begin();
