#!/usr/bin/env python3
"""Is the identification chain as good as a plain recipe of pytorch-metric-learning? A comparison of accuracy, not of speed.

The recipe is that of the library's own documentation: its front page's loop (TripletMarginLoss with MultiSimilarityMiner; here MultiSimilarityLoss,
too), with a linear layer behind the network, MPerClassSampler, four of a class, and Adam, as in its example MetricLossOnly. It trains the network of a
run of ours from the same random weights, on the images that the refit embedder learned from and for as many image views as that was shown (epochs x
passes x two views), in batches of as many: once without augmentation, once with ours, made by torchvision. Only the rate is not the example's, whose
1e-5 is for published weights: it is Adam's own. Each names the test images by the nearest of the gallery (cosine), and says by how near that is whether
a class is known; by what the layer gives, as the example does, and by what the network gives to it.

Ours is asked twice: by the way that the run chose, and by the nearest, as the others are. Beside them stand pixels and the same network untrained. A
difference has an interval over classes and groups, the wider. A training that is in the folder is not done again.
"""
import argparse
import csv
import hashlib
import json
import sys
import time
from pathlib import Path

import numpy as np

from measuring import ROOT

sys.path.insert(0, str(ROOT / "bin"))
OF_A_CLASS, DIMENSIONS, RATE, WEIGHT_DECAY = 4, 64, 1e-3, 1e-4
TAUGHT_BY = ("backbone", "image_size", "specimens_per_batch", "max_epochs", "mirror", "rotation", "seed")
LOSSES = ("TripletMarginLoss", "MultiSimilarityLoss")
FIGURES = {"top1": "named right", "macro_top1": "mean of the classes", "recall_at_1": "unseen: nearest is of the class", "unknown_auroc": "unseen: AUROC"}


def main(argv):
    args = parser().parse_args(argv)
    args.folder.mkdir(parents=True, exist_ok=True)
    facts = json.loads((args.results / "identification/embedder/model.json").read_text())
    sets, names = specimens(args.results)
    own = gallery_vectors(args.results, names)
    judge = Judge(sets, facts["provenance"]["seed"])
    ours = {"entoflow, chosen way": judge.by_calibration(own, facts["calibration"]), "entoflow, nearest": judge.by_nearest(own)}
    trained = peers(args, sets, names, facts)
    theirs = {name: judge.by_nearest(vectors) for name, (vectors, _) in trained.items()}
    figures = {name: judge.figures(answer) for name, answer in {**ours, **theirs}.items()}
    less = {(a, b): judge.figures(ours[a], theirs[b]) for a in ours for b in theirs}
    seconds = {**dict.fromkeys(ours, trace(args.results)), **{name: f"{spent:.0f} s" if spent else "" for name, (_, spent) in trained.items()}}
    written = {**figures, **{" less ".join(pair): row for pair, row in less.items()}}
    (args.folder / "metric_learning.json").write_text(json.dumps(written, indent=1))
    print(markdown(figures, less, seconds))
    print(f"\n{told(sets, facts)}")


def parser():
    p = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    p.add_argument("--results", type=Path, required=True, help="results folder of a run with --specimens and --weights none")
    p.add_argument("--images", type=Path, default=Path(), help="folder that the images of its split.csv are named from (default: where you are)")
    p.add_argument("--folder", type=Path, default=Path("metric_learning"), help="folder for all that is made (default %(default)s)")
    return p


def specimens(results):
    """Return (the specimens of a run by part, their names), in the order of its split.csv."""
    from evaluate_identification import Sets

    with (results / "identification/split.csv").open(newline="", encoding="utf-8") as handle:
        images = [{**row, "id": number} for number, row in enumerate(csv.DictReader(handle))]
    sets = Sets({"images": images}, np.arange(len(images)))
    if not len(sets.rows["test"]) or not len(sets.rows["unseen"]):
        sys.exit(f"error: {results}: has no test or no unseen images; wanted a run with both.")
    return sets, [image["image"] for image in images]


def gallery_vectors(results, names):
    """Return the run's own vectors of the images: its gallery holds those of all specimens."""
    from entoflow.identification import gallery

    held = gallery.read(results / "identification/gallery")
    place = {image: row for row, image in enumerate(held.images)}
    return held.embeddings()[[place[name] for name in names]]


def peers(args, sets, names, facts):
    """Return {name: (vectors of all images, seconds of its training)}."""
    from embed_images import pixels as described

    from entoflow import images
    from entoflow.identification import embedder

    given = {**facts["provenance"]["parameters"], **facts["input"]}
    if given["weights"] != "none":
        sys.exit(f"error: {args.results}: began with the weights of a file; wanted a run with --weights none, so that all begin alike.")
    squares = np.stack([embedder.squared(images.read_image(args.images / name), given["image_size"]) for name in names])
    found = {"pixels": (embedder.normalised(described(squares)), 0),
             "random weights": (embedder.embed(embedder.new(given["backbone"], given["image_size"], None, given["seed"]), squares), 0)}
    of = hashlib.sha256(repr(([given[name] for name in TAUGHT_BY], names, sets.labels["gallery"], sets.rows["gallery"].tolist())).encode()).hexdigest()
    for loss in LOSSES:
        for augmented in (False, True):
            name = f"{loss}, augmented" if augmented else loss
            path = args.folder / f"{name.replace(', ', '_')}.npz"
            *vectors, seconds = once(path, of, lambda: trained(loss, augmented, squares, sets, given))  # noqa: B023
            found |= {name: (vectors[0], seconds), f"{name}, before its layer": (vectors[1], 0)}
    return found


def once(path, of, make):
    """Return (vectors, those before the layer, seconds), made unless the file has them of the same (a hash)."""
    if path.exists():
        with np.load(path) as file:
            if file["of"] == of:
                return file["vectors"], file["before"], float(file["seconds"])
    vectors, before, seconds = make()
    np.savez(path, vectors=vectors, before=before, seconds=seconds, of=of)
    return vectors, before, seconds


def trained(loss, augmented, squares, sets, given):
    """Train the network by the recipe on what the gallery holds, and return (vectors of all images, those before the layer, seconds)."""
    import torch
    from pytorch_metric_learning import losses

    from entoflow.identification import embedder

    bare = embedder.new(given["backbone"], given["image_size"], None, given["seed"])
    torch.manual_seed(given["seed"])
    layer = torch.nn.Linear(embedder.dimension(bare["network"]), DIMENSIONS).to(bare["device"])
    made = {**bare, "network": torch.nn.Sequential(bare["network"], layer)}
    np.random.seed(given["seed"])  # the sampler draws from it
    shown = Shown(squares[sets.rows["gallery"]], sets.labels["gallery"], transform(given, augmented))
    start = time.monotonic()
    train(made, shown, getattr(losses, loss)(), given)
    seconds = time.monotonic() - start
    print(f"{loss}{', augmented' if augmented else ''}: {seconds:.0f} s", file=sys.stderr, flush=True)
    return embedder.embed(made, squares), embedder.embed(bare, squares), seconds


class Shown:
    """The images that are learned from, as torch's loader takes them."""

    def __init__(self, squares, labels, change):
        self.squares, self.kinds, self.change = squares, np.unique(labels, return_inverse=True)[1], change

    def __len__(self):
        return len(self.squares)

    def __getitem__(self, row):
        return self.change(self.squares[row]), self.kinds[row]


def train(made, shown, loss_of, given):
    """The loop of the library's front page, with the sampler and the optimizer of its example."""
    import torch
    from pytorch_metric_learning.miners import MultiSimilarityMiner
    from pytorch_metric_learning.samplers import MPerClassSampler

    sampler = MPerClassSampler(shown.kinds, OF_A_CLASS, length_before_new_iter=views(len(shown)))
    loader = torch.utils.data.DataLoader(shown, 2 * given["specimens_per_batch"], sampler=sampler)
    network, miner = made["network"].train(), MultiSimilarityMiner()
    optimizer = torch.optim.Adam(network.parameters(), RATE, weight_decay=WEIGHT_DECAY)
    for _ in range(given["max_epochs"]):
        for x, y in loader:
            optimizer.zero_grad()
            vectors = network(x.to(made["device"]))
            loss_of(vectors, y, miner(vectors, y)).backward()
            optimizer.step()
    network.eval()


def views(n):
    """Return how many views of n images an epoch of ours shows."""
    from entoflow.identification.embedder_trainer import VIEWS_AN_EPOCH

    return 2 * n * -(-VIEWS_AN_EPOCH // (2 * n))


def transform(given, augmented):
    """Return what turns a square into the network's input, by torchvision; augmented: as embedder_trainer.view does, which repeats the edge, too."""
    from torchvision import transforms as t

    from entoflow.identification.embedder_trainer import LIGHT, SHIFT, ZOOM

    side = given["image_size"]
    edge = side // 4
    shift = SHIFT * side / (side + 2 * edge)  # a share of what is padded
    changes = [t.Pad(edge, padding_mode="edge"), t.RandomAffine(given["rotation"], (shift, shift), ZOOM, interpolation=t.InterpolationMode.BILINEAR),
               t.CenterCrop(side), t.RandomHorizontalFlip(0.5 if given["mirror"] else 0), t.ColorJitter(LIGHT / 2, LIGHT)]
    return t.Compose([t.ToPILImage(), *(changes if augmented else []), t.ToTensor(), t.Normalize(given["mean"], given["std"])])


class Judge:
    """Asks all systems the same. An answer is {"right": test, "nearest": unseen that have another group's like, "known": test and unseen}."""

    def __init__(self, sets, seed):
        from entoflow.statistics import Intervals

        labels, groups = ({part: np.array(held[part], str) for part in ("gallery", "test", "unseen")} for held in (sets.labels, sets.groups))
        self.sets, self.labels = sets, labels
        self.others = groups["unseen"][:, None] != groups["unseen"]
        self.like = (labels["unseen"][:, None] == labels["unseen"]) & self.others
        self.asked = self.like.any(axis=1)
        kinds = np.unique(labels["test"], return_inverse=True)[1]
        self.of_class = 1 / np.bincount(kinds)[kinds]
        test, unseen = ([held[part] for held in (labels, groups)] for part in ("test", "unseen"))
        self.known = np.arange(len(test[0]) + len(unseen[0])) < len(test[0])
        over = {"top1": test, "macro_top1": test, "recall_at_1": [units[self.asked] for units in unseen],
                "unknown_auroc": [np.concatenate(units) for units in zip(test, unseen)]}
        self.intervals = {name: (Intervals(*units, seed), len(units[0])) for name, units in over.items()}

    def by_nearest(self, vectors):
        test, unseen, held = (vectors[self.sets.rows[part]] for part in ("test", "unseen", "gallery"))
        likeness = [asked @ held.T for asked in (test, unseen)]
        right = self.labels["gallery"][likeness[0].argmax(axis=1)] == self.labels["test"]
        return {"right": right, "nearest": self.nearest(unseen), "known": np.concatenate([rows.max(axis=1) for rows in likeness])}

    def by_calibration(self, vectors, calibration):
        identifier = self.sets.identifier(vectors, calibration)
        (probability, of_test, _), (_, of_unseen, _) = (identifier.judge(vectors[self.sets.rows[part]]) for part in ("test", "unseen"))
        right = np.array(identifier.classes)[probability.argmax(axis=1)] == self.labels["test"]
        return {"right": right, "nearest": self.nearest(vectors[self.sets.rows["unseen"]]), "known": np.concatenate([of_test, of_unseen])}

    def nearest(self, unseen):
        likeness = np.where(self.others, unseen @ unseen.T, -np.inf)
        return self.like[np.arange(len(unseen)), likeness.argmax(axis=1)][self.asked]

    def figures(self, answer, other=None):
        """Return the figures of an answer, or of how much higher they are than those of another, with a verdict."""
        from entoflow.statistics import verdict

        found = {}
        for name, (intervals, n) in self.intervals.items():
            a, b = self.statistic(name, answer), other and self.statistic(name, other)
            found[name] = intervals.figure(lambda weights: a(weights) - b(weights) if b else a(weights), n, "difference" if b else "share")  # noqa: B023
            found[name] |= {"verdict": verdict(found[name]["low"], found[name]["high"])} if b else {}
        return found

    def statistic(self, name, answer):
        from entoflow.statistics import auroc, divide

        if name == "unknown_auroc":
            return lambda weights: auroc(answer["known"], self.known, weights)
        values = answer["nearest" if name == "recall_at_1" else "right"].astype(float)
        counting = self.of_class if name == "macro_top1" else np.ones(len(values))
        return lambda weights: divide(weights @ (values * counting), weights @ counting)


def trace(results):
    """Return how long the run's TRAIN_EMBEDDER took, which trains twice: on the part train to choose, then on all that it may."""
    path = results / "pipeline_info/trace.txt"
    rows = list(csv.DictReader(path.open(), delimiter="\t")) if path.exists() else []
    return next((f"{row['realtime']} (two trainings)" for row in rows if "TRAIN_EMBEDDER" in row["name"]), "")


def markdown(figures, less, seconds):
    head = " | ".join(FIGURES.values())
    lines = [f"| | {head} | training |", "|---" * (len(FIGURES) + 2) + "|"]
    lines += [f"| {name} | {' | '.join(span(row[key]) for key in FIGURES)} | {seconds[name]} |" for name, row in figures.items()]
    lines += ["", f"| difference | {head} |", "|---" * (len(FIGURES) + 1) + "|"]
    return "\n".join(lines + [f"| {a} less {b} | {' | '.join(span(row[key], '+') + ', ' + row[key]['verdict'] for key in FIGURES)} |"
                              for (a, b), row in less.items()])


def span(entry, sign=""):
    bounds = "" if entry["low"] is None else f" ({entry['low']:{sign}.3f} to {entry['high']:{sign}.3f})"
    return f"{entry['value']:{sign}.3f}{bounds}"


def told(sets, facts):
    n, given = {part: len(rows) for part, rows in sets.rows.items()}, facts["provenance"]["parameters"]
    return (f"{n['gallery']} images of {len(set(sets.labels['gallery']))} classes to learn from, {n['test']} to test on, {n['unseen']} of "
            f"{len(set(sets.labels['unseen']))} unseen classes; {given['backbone']}, {given['embedder_size']} pixels, random weights, {given['max_epochs']} "
            f"epochs of {views(n['gallery']):,} views in batches of {2 * given['specimens_per_batch']}, seed {given['seed']}.")


if __name__ == "__main__":
    main(sys.argv[1:])
