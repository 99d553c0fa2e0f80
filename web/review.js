// What a person says of clusters of images: labels, the history of changes, and the table
// review.csv.

export const OPEN = "?"; // labels that are no names: left open, and no insect or not to be used
export const REJECT = "reject";
export const REVIEW_COLUMNS = [
  "cluster",
  "image",
  "label",
  "nearest_known",
  "distance",
  "verdict",
  "id",
];

export const isName = label => label !== "" && label !== OPEN && label !== REJECT;

// A label as it is meant: one form of Unicode, single spaces.
export function plainLabel(text) {
  const label = text.normalize("NFC").replace(/\s+/g, " ").trim();
  return label.toLowerCase() === REJECT ? REJECT : label;
}

// Labels of clusters and of images. An image without a label of its own has that of its cluster. A
// change is a list of moves {kind: "cluster" or "image", index, label}, which is undone as a whole.
export class Review {
  // clusterSizes: number of images of each cluster; the images of all clusters are numbered one
  // after the other.
  constructor(clusterSizes) {
    this.clusterSizes = clusterSizes;
    this.firstImage = [];
    this.clusterOf = [];
    clusterSizes.forEach((size, cluster) => {
      this.firstImage.push(this.clusterOf.length);
      for (let j = 0; j < size; j++) this.clusterOf.push(cluster);
    });
    this.labels = {cluster: clusterSizes.map(() => ""), image: this.clusterOf.map(() => "")};
    this.history = [];
  }

  imagesOf(cluster) {
    return Array.from({length: this.clusterSizes[cluster]}, (_, j) => this.firstImage[cluster] + j);
  }

  imagesLabelled(cluster, label) {
    return this.imagesOf(cluster).filter(image => this.labels.image[image] === label);
  }

  labelOf(image) {
    return this.labels.image[image] || this.labels.cluster[this.clusterOf[image]];
  }

  clusterOfMove({kind, index}) {
    return kind === "cluster" ? index : this.clusterOf[index];
  }

  isDone(cluster) {
    if (this.labels.cluster[cluster] !== "") return true;
    return this.imagesOf(cluster).every(
      image => this.labels.image[image] && this.labels.image[image] !== OPEN,
    );
  }

  isEmpty() {
    return !this.labels.cluster.some(Boolean) && !this.labels.image.some(Boolean);
  }

  // Numbers of clusters that are done, and of images that have a name and that are rejected.
  counts() {
    const labels = this.clusterOf.map((_, image) => this.labelOf(image));
    return {
      done: this.clusterSizes.filter((_, cluster) => this.isDone(cluster)).length,
      named: labels.filter(isName).length,
      rejected: labels.filter(label => label === REJECT).length,
    };
  }

  // The names given so far: those of the latest changes first.
  namesGiven() {
    const latest = [...this.history]
      .reverse()
      .flatMap(change => change.moves.map(({kind, index}) => this.labels[kind][index]));
    return [...latest, ...this.labels.cluster, ...this.labels.image].filter(isName);
  }

  apply(moves) {
    for (const {kind, index, label} of moves) this.labels[kind][index] = label;
  }

  // Applies those moves that change something, and remembers them. Returns them, none where nothing
  // changes.
  change(description, moves) {
    const changing = moves.filter(({kind, index, label}) => this.labels[kind][index] !== label);
    if (!changing.length) return [];
    const before = changing.map(({kind, index}) => ({
      kind,
      index,
      label: this.labels[kind][index],
    }));
    this.history.push({description, moves: before});
    this.apply(changing);
    return changing;
  }

  // Takes the last change back. Returns it, or null where there is none.
  undo() {
    const change = this.history.pop();
    if (!change) return null;
    this.apply(change.moves);
    return change;
  }

  // What to keep between visits, as an object for JSON.
  snapshot() {
    const present = labels =>
      Object.fromEntries([...labels.entries()].filter(([, label]) => label));
    return {cluster: present(this.labels.cluster), image: present(this.labels.image)};
  }

  restore(snapshot) {
    for (const kind of ["cluster", "image"]) {
      for (const [index, label] of Object.entries(snapshot[kind])) {
        if (index in this.labels[kind] && typeof label === "string")
          this.labels[kind][index] = label;
      }
    }
  }
}

// The rows of review.csv with its header. sheet: clusters {cluster, nearest, distance}, and images,
// verdicts and ids.
export function reviewRows(review, sheet) {
  const rows = [REVIEW_COLUMNS];
  sheet.clusters.forEach(({cluster, nearest, distance}, k) => {
    const nearestKnown = nearest.length ? nearest[0].label : "";
    rows.push([String(cluster), "", review.labels.cluster[k], nearestKnown, distance, "", ""]);
    for (const i of review.imagesOf(k)) {
      const label = review.labels.image[i];
      rows.push([
        String(cluster),
        sheet.images[i],
        label,
        nearestKnown,
        distance,
        sheet.verdicts[i],
        sheet.ids[i],
      ]);
    }
  });
  return rows;
}

// What the records of a review.csv say here: moves, and the number of images that are not in this
// sheet. A name belongs to the images that stood under it: where a cluster of the table has other
// images than here, each gets the name as its own.
export function reviewMoves(records, review, sheet) {
  const clusterLabels = new Map();
  const members = new Map();
  const find = imageFinder(sheet);
  let unknown = 0;
  for (const {cluster, image, label, id = ""} of records) {
    const number = wholeNumber(cluster);
    if (!members.has(number)) members.set(number, []);
    const i = find(image, wholeNumber(id));
    if (!image && !id) clusterLabels.set(number, plainLabel(label));
    else if (i === undefined) unknown++;
    else members.get(number).push({i, label: plainLabel(label)});
  }
  const moves = [];
  for (const [number, images] of members) {
    const label = clusterLabels.get(number) || "";
    const k = sheet.clusters.findIndex(each => String(each.cluster) === number);
    const isSame =
      k >= 0 &&
      hasSameImages(
        review,
        k,
        images.map(({i}) => i),
      );
    if (isSame) moves.push({kind: "cluster", index: k, label});
    for (const each of images)
      moves.push({kind: "image", index: each.i, label: each.label || (isSame ? "" : label)});
  }
  return {moves, unknown};
}

// Moves that leave nothing but what the given moves say.
export function replacingMoves(review, moves) {
  const wanted = new Map(moves.map(move => [`${move.kind} ${move.index}`, move]));
  const all = [];
  for (const kind of ["cluster", "image"]) {
    review.labels[kind].forEach((_, index) =>
      all.push(wanted.get(`${kind} ${index}`) || {kind, index, label: ""}),
    );
  }
  return all;
}

// A spreadsheet may have saved 12 as 12.0.
const wholeNumber = text => text.replace(/\.0$/, "");

function hasSameImages(review, cluster, images) {
  if (!images.length) return true;
  if (new Set(images).size !== review.clusterSizes[cluster]) return false;
  return images.every(image => review.clusterOf[image] === cluster);
}

// An image by its id, where its name agrees; else by its name, where no other has it.
function imageFinder({ids, images}) {
  const byId = new Map(ids.map((id, i) => [id, i]));
  const byName = new Map();
  images.forEach((image, i) => {
    const name = image.trim();
    byName.set(name, byName.has(name) ? undefined : i);
  });
  return (image, id) => {
    const i = byId.get(id);
    return i !== undefined && (!image || images[i].trim() === image) ? i : byName.get(image);
  };
}
