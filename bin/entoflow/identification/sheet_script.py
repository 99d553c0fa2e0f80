"""The script of a cluster sheet's page: it shows the clusters, keeps what a person says of them, and sends nothing anywhere."""

SCRIPT = r"""
const OUT = "?", REJECT = "reject";  // labels that are no names: left open; no insect, or not to be used
const HEADER = ["cluster", "image", "label", "nearest_known", "distance", "verdict", "id"];
const MANY = 160, ENDS = 72, CHOICES = 8;  // images of a cluster shown at once; of a larger one at either end; names suggested
const {clusters, images, ids, verdicts, typical} = data, n = images.length;
const first = clusters.map(() => 0), of = new Uint32Array(n);  // a cluster's images are those from first[k] on, most typical first
const known = new Set(data.labels), built = new Set(), whole = new Set(), likely = new Map();
const said = {cluster: clusters.map(() => ""), image: images.map(() => "")};
const past = [];
let saved = true, filter = "all", field = null, active = -1, anchor = null;

clusters.forEach((cluster, k) => {
  first[k] = k ? first[k - 1] + clusters[k - 1].size : 0;
  of.fill(k, first[k], first[k] + cluster.size);
});

const members = k => Array.from({length: clusters[k].size}, (_, j) => first[k] + j);
const section = k => element("clusters").children[k];
const part = (k, selector) => section(k).querySelector(selector);
const isName = label => label !== "" && label !== OUT && label !== REJECT;
const shownName = label => label === REJECT ? "" : label;
const isDone = k => said.cluster[k] !== "" || members(k).every(i => said.image[i] && said.image[i] !== OUT);

function plain(text) {
  const label = text.normalize("NFC").replace(/\s+/g, " ").trim();
  return label.toLowerCase() === REJECT ? REJECT : label;
}

// What a person says: moves are [kind, index, label]; each act can be taken back as a whole
function change(words, moves) {
  const before = moves.filter(([kind, index, label]) => said[kind][index] !== label).map(([kind, index]) => [kind, index, said[kind][index]]);
  if (!before.length) return false;
  past.push({words, moves: before});
  apply(moves);
  tell(words);
  return true;
}

function apply(moves) {
  moves.forEach(([kind, index, label]) => said[kind][index] = label);
  saved = said.cluster.concat(said.image).every(label => !label);
  new Set(moves.map(([kind, index]) => kind === "cluster" ? index : of[index])).forEach(refresh);
  keep();
  progress();
}

function undo() {
  const last = past.pop();
  if (!last) return;
  apply(last.moves);
  tell("Undone: " + last.words[0].toLowerCase() + last.words.slice(1));
  const [kind, index] = last.moves[0], k = kind === "cluster" ? index : of[index];
  section(k).hidden = false;
  section(k).scrollIntoView({block: "nearest"});
}

function keep() {
  const some = list => Object.fromEntries(list.map((label, index) => [index, label]).filter(([, label]) => label));
  try {
    localStorage.setItem(data.key, JSON.stringify({cluster: some(said.cluster), image: some(said.image), saved}));
    return true;
  } catch {
    return false;
  }
}

function restore() {
  try {
    const before = JSON.parse(localStorage.getItem(data.key));
    for (const kind of ["cluster", "image"]) {
      for (const [index, label] of Object.entries(before[kind])) if (index in said[kind] && typeof label === "string") said[kind][index] = label;
    }
    saved = before.saved === true;
  } catch {
    return;  // nothing kept, or nothing that can be read: begin anew
  }
}

const tell = words => element("told").textContent = words;

function progress() {
  const labels = said.image.map((label, i) => label || said.cluster[of[i]]), named = labels.filter(isName).length;
  const left = labels.filter(label => label === REJECT).length, done = clusters.filter((_, k) => isDone(k)).length, all = clusters.length;
  const number = k => k.toLocaleString("en");
  element("progress").textContent = `${number(done)} of ${amount(all, "cluster")}, ${number(named)} of ${amount(n)} named`
    + (left ? `, ${number(left)} left out` : "");
  element("bar").style.width = 100 * (named + left) / Math.max(n, 1) + "%";
  element("all").textContent = `All ${number(all)}`;
  element("open").textContent = `Open ${number(all - done)}`;
  element("done").textContent = `Done ${number(done)}`;
  element("undo").disabled = !past.length;
  element("undo").title = past.length ? `Take back: ${past.at(-1).words} (Ctrl+Z)` : "Nothing to take back";
}

// A cluster that is done stays in sight until the filter is chosen again: nothing moves away under the hand
function choose(name) {
  filter = name;
  clusters.forEach((_, k) => section(k).hidden = filter !== "all" && isDone(k) !== (filter === "done"));
  for (const one of ["all", "open", "done"]) element(one).setAttribute("aria-pressed", one === filter);
  const none = clusters.every((_, k) => section(k).hidden);
  element("empty").hidden = !none;
  element("empty").textContent = !clusters.length ? "There are no clusters to name."
    : filter === "open" ? "No cluster is open: save the CSV and hand it back to the pipeline." : "No cluster is done yet.";
  scrollTo(0, 0);
}

// The contents of a cluster are made when it comes near the window
function build(k) {
  if (built.has(k)) return;
  built.add(k);
  const {cluster, nearest} = clusters[k], about = make("div", "about");
  about.append(make("h2", "", `Cluster ${cluster} `, make("span", "state")), summary(k), naming(k), make("p", "hint"));
  if (nearest.length) about.append(make("div", "nearest", "", ...nearest.map(one => likeness(k, one))));
  about.append(taken(k), make("div", "splits"));
  section(k).append(about, grid(k));
  section(k).style.minHeight = "";
  refresh(k);
}

function summary(k) {
  const counts = {};
  members(k).forEach(i => counts[verdicts[i]] = (counts[verdicts[i]] || 0) + 1);
  const kinds = Object.entries(counts).sort((a, b) => b[1] - a[1]).map(([kind, count]) => `${count === clusters[k].size ? "all" : count} ${kind}`);
  const made = make("p", "soft", `${amount(clusters[k].size)}, ${kinds.join(", ")}`);
  made.title = `Expected images labelled per click: ${clusters[k].gain.toLocaleString("en", {maximumFractionDigits: 1})}`;
  return made;
}

function nameField(label, placeholder, k, commit) {
  const input = make("input");
  Object.assign(input, {type: "text", autocomplete: "off", spellcheck: false, placeholder});
  for (const [name, value] of Object.entries({role: "combobox", "aria-label": label, "aria-autocomplete": "list", "aria-expanded": "false",
    "aria-controls": "choices", autocapitalize: "off"})) input.setAttribute(name, value);
  input.oninput = () => offer({input, k, commit});
  input.onkeydown = event => fieldKey(event, {input, k, commit});
  input.onblur = () => {
    close();
    commit();
  };
  return input;
}

function naming(k) {
  const input = nameField(`Name of cluster ${clusters[k].cluster}`, "", k, () => nameCluster(k, input.value));
  input.className = "name";
  const reject = button("No insect", "reject", () => change(
    said.cluster[k] === REJECT ? `Cluster ${clusters[k].cluster} is open again` : `Left out cluster ${clusters[k].cluster}`,
    [["cluster", k, said.cluster[k] === REJECT ? "" : REJECT]]));
  reject.title = "No insect, or not to be used";
  return make("div", "naming", "", input, reject);
}

function nameCluster(k, text) {
  const label = plain(text), {cluster} = clusters[k];
  if (label === shownName(said.cluster[k])) return refresh(k);
  change(!label ? `Took the name of cluster ${cluster} away` : label === REJECT ? `Left out cluster ${cluster}`
    : label === OUT ? `Left cluster ${cluster} open` : `Named cluster ${cluster} ${label}`, [["cluster", k, label]]);
}

function likeness(k, {label, likeness, pictures}) {
  const made = button("", "", () => nameCluster(k, said.cluster[k] === label ? "" : label));
  const name = breakable(label);
  name.className = "wrapped";
  made.append(make("span", "pictures", "", ...pictures.map(line => thumbnail(line, ""))), name, make("span", "figure", likeness.toFixed(2)));
  made.title = `${label}, likeness ${likeness.toFixed(2)}: click to name the cluster so`;
  made.dataset.label = label;
  return made;
}

const takenOut = k => members(k).filter(i => said.image[i] === OUT);

// What is done with the images that were taken out
function taken(k) {
  const input = nameField(`Name of the images taken out of cluster ${clusters[k].cluster}`, "Another name for these, if any", k, () => {
    const label = plain(input.value);
    input.value = "";
    if (label && label !== OUT) nameTaken(k, label);
  });
  const reject = button("No insect", "", () => nameTaken(k, REJECT)), back = button("Put back", "", () => nameTaken(k, ""));
  input.className = "other";
  reject.title = "No insects, or not to be used";
  return make("div", "taken", "", make("p", "soft"), reject, back, input);
}

function nameTaken(k, label) {
  const which = takenOut(k), own = label === said.cluster[k] ? "" : label;
  change(!own ? `Put ${amount(which.length)} back` : own === REJECT ? `Left out ${amount(which.length)}` : `Named ${amount(which.length)} ${own}`,
    which.map(i => ["image", i, own]));
}

// Images of the cluster with a name of their own; a press takes them out again, to be named anew
function splits(k) {
  const groups = new Map();
  members(k).filter(i => said.image[i] && said.image[i] !== OUT).forEach(i => groups.set(said.image[i], [...groups.get(said.image[i]) || [], i]));
  return [...groups].map(([label, which]) => {
    const made = button("", "", () => {
      change(`Took ${amount(which.length)} out`, which.map(i => ["image", i, OUT]));
      part(k, ".other").focus();
    });
    made.append(make("span", "label", label === REJECT ? "No insect" : label), make("span", "figure", String(which.length)));
    made.title = "Name these anew";
    return made;
  });
}

// A known class whose name differs from a new one by a slip of the pen: a wrong letter would make a class of its own
function meant(label) {
  if (!isName(label) || known.has(label)) return null;
  if (!likely.has(label)) {
    const digits = text => text.replace(/\D/g, ""), least = label.length < 6 ? 1 : 2;
    const close = data.labels.filter(other => digits(other) === digits(label) && Math.abs(other.length - label.length) <= least)
      .map(other => [edits(fold(label), fold(other)), other]).filter(([far]) => far <= least);
    likely.set(label, close.length ? close.sort((a, b) => a[0] - b[0])[0][1] : null);
  }
  return likely.get(label);
}

function edits(a, b) {
  let row = Array.from({length: b.length + 1}, (_, j) => j);
  for (let i = 1; i <= a.length; i++) {
    const next = [i];
    for (let j = 1; j <= b.length; j++) next.push(Math.min(row[j] + 1, next[j - 1] + 1, row[j - 1] + (a[i - 1] !== b[j - 1])));
    row = next;
  }
  return row[b.length];
}

const fold = text => text.normalize("NFD").replace(/\p{M}/gu, "").replace(/[\s_-]+/g, " ").toLowerCase();

function hints(k) {
  const labels = new Set([said.cluster[k], ...members(k).map(i => said.image[i])]);
  return [...labels].filter(meant).map(label => {
    const known = meant(label), made = button(known, "link", () => change(`Named ${known} what was ${label}`, [
      ...said.cluster[k] === label ? [["cluster", k, known]] : [], ...members(k).filter(i => said.image[i] === label).map(i => ["image", i, known])]));
    return make("span", "", "", `${label} is new. Do you mean `, made, "? ");
  });
}

function grid(k) {
  const made = make("div", "grid");
  made.setAttribute("role", "group");
  made.setAttribute("aria-label", `Images of cluster ${clusters[k].cluster}, the most typical first; arrow keys move, Space takes out`);
  made.onclick = event => {
    const tile = event.target.closest(".tile");
    if (tile) press(k, Number(tile.dataset.i), event.shiftKey);
  };
  made.onkeydown = event => gridKey(k, event);
  made.addEventListener("focusin", event => event.target.matches(".tile") && rove(made, event.target));
  fill(k, made);
  return made;
}

function fill(k, made) {
  const all = members(k), cut = all.length > MANY && !whole.has(k);
  made.replaceChildren(...(cut ? [...all.slice(0, ENDS), ...all.slice(-ENDS)] : all).map(tile));
  made.querySelector(".tile").tabIndex = 0;
  if (cut) made.children[ENDS].before(button(`${amount(all.length - 2 * ENDS)} between these: show all`, "more", () => {
    whole.add(k);
    fill(k, made);
    refresh(k);
    made.children[ENDS].focus();
  }));
}

function tile(i) {
  const made = button("", "tile");
  made.append(thumbnail(i, "no picture"), make("span", "tag"));
  made.dataset.i = i;
  made.tabIndex = -1;
  return made;
}

function rove(made, to) {
  made.querySelectorAll(".tile[tabindex='0']").forEach(tile => tile.tabIndex = -1);
  to.tabIndex = 0;
}

function press(k, i, range) {
  if (range && anchor !== null && of[anchor] === k) return pressTo(k, i);
  anchor = i;
  const out = said.image[i] !== OUT;
  change(out ? "Took 1 image out" : "Put 1 image back", [["image", i, out ? OUT : ""]]);
}

// All in sight from the one pressed last to this one become as that one is; those with a name of their own stay
function pressTo(k, i) {
  const label = said.image[anchor] === OUT ? OUT : "", [low, high] = [Math.min(i, anchor), Math.max(i, anchor)];
  const which = tiles(k).map(tile => Number(tile.dataset.i)).filter(j => j >= low && j <= high && !isName(said.image[j]) && said.image[j] !== REJECT
    && said.image[j] !== label);
  change(label ? `Took ${amount(which.length)} out` : `Put ${amount(which.length)} back`, which.map(j => ["image", j, label]));
}

const tiles = k => [...section(k).querySelectorAll(".tile")];

function gridKey(k, event) {
  const all = tiles(k), here = all.indexOf(event.target);
  if (here < 0 || event.ctrlKey || event.metaKey || event.altKey) return;
  if (event.key === "Escape") return part(k, ".name").focus();
  const wide = all.filter(tile => tile.offsetTop === all[0].offsetTop).length;
  const step = {ArrowLeft: -1, ArrowRight: 1, ArrowUp: -wide, ArrowDown: wide, Home: -here, End: all.length - 1 - here}[event.key];
  if (step === undefined) return;
  event.preventDefault();
  const to = all[here + step];
  if (!to) return;
  if (event.shiftKey && (anchor === null || of[anchor] !== k)) press(k, Number(event.target.dataset.i), false);
  to.focus();
  if (event.shiftKey) pressTo(k, Number(to.dataset.i));
}

function refresh(k) {
  if (!built.has(k)) return;
  const label = said.cluster[k], out = takenOut(k).length, name = part(k, ".name");
  section(k).dataset.said = label === REJECT ? "reject" : isName(label) ? "name" : "";
  part(k, ".state").textContent = label === REJECT ? "left out" : label === OUT ? "left open" : !label ? "" : known.has(label) ? "named" : "new name";
  name.value = shownName(label);
  name.placeholder = label === REJECT ? "No insect, or not to be used" : "Name";
  part(k, ".reject").setAttribute("aria-pressed", label === REJECT);
  part(k, ".hint").replaceChildren(...hints(k));
  section(k).querySelectorAll(".nearest button").forEach(made => made.setAttribute("aria-pressed", made.dataset.label === label));
  part(k, ".taken").hidden = !out;
  part(k, ".taken p").textContent = `${amount(out)} taken out`;
  part(k, ".splits").replaceChildren(...splits(k));
  tiles(k).forEach(refreshTile);
}

function refreshTile(tile) {
  const i = Number(tile.dataset.i), own = said.image[i], words = own === OUT ? "out" : own === REJECT ? "no insect" : own;
  if (tile.title && tile.dataset.own === own) return;
  tile.dataset.own = own;
  tile.dataset.said = own === OUT ? "out" : own === REJECT ? "reject" : own ? "name" : "";
  tile.lastChild.textContent = words;
  tile.setAttribute("aria-pressed", own !== "");
  tile.setAttribute("aria-label", [images[i], verdicts[i], words].filter(Boolean).join(", "));
  tile.title = `${images[i]}\n${verdicts[i]}, likeness to the cluster's middle ${typical[i].toFixed(2)}${words && "\n" + words}`;
}

// Names that fit what is typed, of which each word begins a word: those most like the cluster, then those given here, then known ones
function choices(typed, k) {
  const words = fold(typed).split(" ").filter(Boolean), likely = clusters[k].nearest.map(one => one.label);
  const given = [...past].reverse().flatMap(act => act.moves.map(([kind, index]) => said[kind][index])).concat(said.cluster, said.image).filter(isName);
  const fits = label => words.every(word => (" " + fold(label)).includes(" " + word));
  return [...new Set([...likely, ...given, ...(words.length ? data.labels : [])])].filter(fits).slice(0, CHOICES);
}

function offer(of) {
  const found = choices(of.input.value, of.k);
  close();
  if (!found.length) return;
  field = of;
  const likely = new Map(clusters[of.k].nearest.map(one => [one.label, one.likeness.toFixed(2)]));
  element("choices").replaceChildren(...found.map((label, j) => {
    const made = make("li", "", "", make("span", "label", label), make("span", "figure", likely.get(label) || (known.has(label) ? "" : "new")));
    made.id = `choice${j}`;
    made.setAttribute("role", "option");
    made.dataset.label = label;
    made.onmousedown = event => event.preventDefault();  // the field keeps the focus
    made.onclick = () => take(label);
    return made;
  }));
  element("choices").hidden = false;
  of.input.setAttribute("aria-expanded", "true");
  place();
}

function place() {
  if (!field) return;
  const box = field.input.getBoundingClientRect(), list = element("choices"), below = box.bottom + 4 + list.offsetHeight <= innerHeight;
  list.style.left = box.left + "px";
  list.style.width = Math.max(box.width, 240) + "px";
  list.style.top = (below ? box.bottom + 4 : box.top - 4 - list.offsetHeight) + "px";
}

function close() {
  if (field) {
    field.input.setAttribute("aria-expanded", "false");
    field.input.removeAttribute("aria-activedescendant");
  }
  element("choices").hidden = true;
  element("choices").replaceChildren();
  [field, active] = [null, -1];
}

function point(step) {
  const all = [...element("choices").children];
  active = active < 0 && step < 0 ? all.length - 1 : (active + step + all.length) % all.length;
  all.forEach((one, j) => one.setAttribute("aria-selected", j === active));
  field.input.setAttribute("aria-activedescendant", `choice${active}`);
}

function take(label) {
  const {input, commit} = field;
  input.value = label;
  close();
  commit();
}

function fieldKey(event, of) {
  const {input, k, commit} = of;
  if (event.isComposing || event.ctrlKey || event.metaKey || event.altKey) return;
  if (event.key === "ArrowDown" || event.key === "ArrowUp") {
    event.preventDefault();
    if (!field) offer(of);
    if (field) point(event.key === "ArrowDown" ? 1 : -1);
  } else if (event.key === "Enter") {
    event.preventDefault();
    if (field && active >= 0) take(element("choices").children[active].dataset.label); else commit();
    close();
    if (input.className === "name") next(k); else part(k, ".tile[tabindex='0']").focus();
  } else if (event.key === "Escape") {
    if (!field) input.value = input.className === "name" ? shownName(said.cluster[k]) : "";
    close();
  }
}

function next(k) {
  const to = clusters.findIndex((_, j) => j > k && !section(j).hidden && !isDone(j));
  if (to < 0) return tell("No open cluster follows");
  build(to);
  section(to).scrollIntoView();
  part(to, ".name").focus({preventScroll: true});
}

function table() {
  const rows = clusters.flatMap(({cluster, nearest, distance}, k) => {
    const row = (image, label, verdict, id) => [String(cluster), image, label, nearest.length ? nearest[0].label : "", distance, verdict, id];
    return [row("", said.cluster[k], "", ""), ...members(k).map(i => row(images[i], said.image[i], verdicts[i], ids[i]))];
  });
  return [HEADER, ...rows];
}

// As Python's csv module writes it
const cell = text => /[",\n\r]/.test(text) ? '"' + text.replaceAll('"', '""') + '"' : text;
const csv = () => table().map(row => row.map(text => cell(safeCell(text))).join(",") + "\n").join("");

function settle() {
  const field = document.activeElement;
  if (field?.matches("input")) {
    field.blur();  // what is typed counts
    field.focus({preventScroll: true});
  }
}

function save() {
  settle();
  download("review.csv", csv());
  saved = true;
  keep();
  tell("Saved review.csv");
}

// Cells of a table as any spreadsheet saves it: commas, semicolons or tabs, any line ends
function parse(text) {
  const head = text.split(/[\r\n]+/).find(line => line.trim()) || "", times = mark => head.split(mark).length;
  const mark = [",", ";", "\t"].reduce((best, one) => times(one) > times(best) ? one : best), rows = [[]];
  const one = new RegExp(`(?: *"([^"]*(?:""[^"]*)*)" *|([^${mark}\r\n]*))(${mark}|\r\n|\r|\n|$)`, "y");
  while (one.lastIndex < text.length || rows.at(-1).length) {
    const found = one.exec(text);
    if (!found || found[2]?.trimStart().startsWith('"')) throw new Error(`row ${rows.length} has a quote that is not closed`);
    rows.at(-1).push(typedCell((found[1]?.replaceAll('""', '"') ?? found[2]).trim()));
    if (found[3] !== mark) rows.push([]);
    if (found[3] === "" ) break;
  }
  return rows.filter(row => row.some(Boolean));
}

function records(text) {
  const [head = [], ...rows] = parse(text), names = head.map(name => name.toLowerCase());
  const missing = ["cluster", "image", "label"].filter(name => !names.includes(name));
  if (missing.length) throw new Error(`it has columns ${names.join(", ") || "none"}; wanted cluster, image, label`);
  return rows.map(row => Object.fromEntries(names.map((name, j) => [name, row[j] || ""])));
}

// What a table of this kind says here, as moves, and how many of its images are not in this sheet. A name belongs to the images that stood
// under it: where a cluster of the table has other images than here, each of them has the name as its own.
function read(text) {
  const plainNumber = text => text.replace(/\.0$/, ""), labels = new Map(), listed = new Map(), moves = new Map();
  const number = new Map(clusters.map(({cluster}, k) => [String(cluster), k])), find = finder();
  let strange = 0;
  for (const {cluster, image, label, id = ""} of records(text)) {
    const group = plainNumber(cluster), i = find(image, plainNumber(id));
    if (!listed.has(group)) listed.set(group, []);
    if (!image && !id) labels.set(group, plain(label));
    else if (i === undefined) strange++;
    else listed.get(group).push([i, plain(label)]);
  }
  for (const [group, pairs] of listed) {
    const k = number.get(group), label = labels.get(group) || "";
    const same = k !== undefined && (!pairs.length || new Set(pairs.map(([i]) => i)).size === clusters[k].size && pairs.every(([i]) => of[i] === k));
    if (same) moves.set(`cluster ${k}`, ["cluster", k, label]);
    pairs.forEach(([i, own]) => moves.set(`image ${i}`, ["image", i, own || (same ? "" : label)]));
  }
  return {moves, strange};
}

// An image by its number, where its name agrees; else by its name, where no other has it
function finder() {
  const byId = new Map(ids.map((id, i) => [id, i])), byName = new Map();
  images.forEach((image, i) => byName.set(image.trim(), byName.has(image.trim()) ? undefined : i));
  return (image, id) => byId.has(id) && (!image || images[byId.get(id)].trim() === image) ? byId.get(id) : byName.get(image);
}

async function load(file) {
  settle();
  try {
    const {moves, strange} = read(decoded(await file.arrayBuffer()));
    if (!moves.size) throw new Error("none of its images is in this sheet; wanted a table that was saved from it");
    const all = [...clusters.map((_, k) => ["cluster", k]), ...images.map((_, i) => ["image", i])];
    change(`Loaded ${file.name}`, all.map(([kind, index]) => moves.get(`${kind} ${index}`) || [kind, index, ""]));
    saved = !strange;
    keep();
    tell(`Loaded ${file.name}` + (strange ? `: ${amount(strange)} of it not in this sheet` : ""));
    choose(filter);
  } catch (error) {
    tell(`${file.name}: ${error.message}.`);
  }
}

function decoded(bytes) {
  const start = [...new Uint8Array(bytes.slice(0, 2))].join(" ");
  try {
    return new TextDecoder({"255 254": "utf-16le", "254 255": "utf-16be"}[start] || "utf-8", {fatal: true}).decode(bytes);
  } catch {
    throw new Error("it is not UTF-8; save it as CSV UTF-8");
  }
}

const KEYS = {z: undo, s: save};

document.onkeydown = event => {
  const act = KEYS[event.key.toLowerCase()], {target} = event;
  if (!act || !(event.ctrlKey || event.metaKey) || event.shiftKey || event.altKey) return;
  const held = target.closest?.(".cluster"), typing = held && target.matches("input")
    && target.value !== (target.className === "name" ? shownName(said.cluster[Number(held.dataset.k)]) : "");
  if (act === undo && typing) return;  // the field takes back its own letters first
  event.preventDefault();
  act();
};

onbeforeunload = event => {
  settle();
  if (saved) return;
  event.preventDefault();
  event.returnValue = true;
};

// About what a cluster will need, so that the scroll bar tells the truth before it is made
function measure() {
  const narrow = innerWidth < 832, wide = Math.max(1, Math.floor((document.body.clientWidth - (narrow ? 32 : 372)) / 76));
  clusters.forEach(({size, nearest}, k) => {
    const about = 128 + 44 * nearest.length, rows = 76 * Math.ceil(Math.min(size, MANY) / wide);
    if (!built.has(k)) section(k).style.minHeight = 32 + (narrow ? about + rows : Math.max(about, rows)) + "px";
  });
  document.documentElement.style.setProperty("--bar", element("tools").offsetHeight + "px");
}

function begin() {
  element("clusters").append(...clusters.map(({cluster}, k) => {
    const made = make("section", "cluster");
    made.dataset.k = k;
    made.setAttribute("aria-label", `Cluster ${cluster}`);
    return made;
  }));
  for (const name of ["all", "open", "done"]) element(name).onclick = () => choose(name);
  element("undo").onclick = undo;
  element("save").onclick = save;
  element("load").onclick = () => element("file").click();
  element("file").onchange = event => {
    if (event.target.files[0]) load(event.target.files[0]);
    event.target.value = "";
  };
  restore();
  progress();
  choose("all");
  measure();
  addEventListener("resize", measure);
  addEventListener("scroll", place, {passive: true});
  const watch = new IntersectionObserver(entries => entries.filter(entry => entry.isIntersecting).forEach(({target}) => {
    build(Number(target.dataset.k));
    watch.unobserve(target);
  }), {rootMargin: "1200px"});
  clusters.forEach((_, k) => watch.observe(section(k)));
  if (!keep()) tell("This browser keeps nothing of the page: save the CSV before you close it");
}

begin();
"""
