"""Training an embedder: supervised contrast (Khosla et al. 2020) between two views of each image, so that a class of one image teaches too."""
import numpy as np

from entoflow.identification import embedder as embedders

RATE, WEIGHT_DECAY, TEMPERATURE = 2e-3, 0.05, 0.1
PROJECTED = 128  # dimensions that the loss sees; the vectors in front of it serve classes that it never saw better
PER_CLASS = 2  # images of a class together in a batch, where it has them
NEIGHBOURS = 6  # classes that look alike, together in a batch of every second pass: apart from those others teach little
VIEWS_AN_EPOCH = 4000  # at least: a few hundred images are shown more than once before they are validated on
SHIFT, ZOOM, LIGHT = 0.06, (0.85, 1.15), 0.2  # of the side; factors; of contrast and, half of it, brightness


def train(embedder, images, labels, validate, settings, on_epoch):
    """Train an embedder in place; keep the weights of its best validation epoch, the last one where there is nothing to validate on.

    images: n x s x s x 3 uint8. labels: n. validate(embedder): a figure, higher is better, or None. settings: specimens_per_batch, max_epochs, patience,
    seed, mirror, rotation. on_epoch(row): called after each epoch with {"epoch", "loss", "validation", "best_epoch"}.
    """
    import torch
    from pytorch_metric_learning.losses import SupConLoss

    torch.manual_seed(settings["seed"])
    rng, network = np.random.default_rng(settings["seed"]), embedder["network"]
    _, kinds = np.unique(labels, return_inverse=True)
    head = torch.nn.Linear(embedders.dimension(network), PROJECTED).to(embedder["device"])
    parameters = [*network.parameters(), *head.parameters()]
    optimizer = torch.optim.AdamW(parameters, RATE, weight_decay=WEIGHT_DECAY)
    passes = -(-VIEWS_AN_EPOCH // (2 * len(kinds)))
    steps = settings["max_epochs"] * passes * len(batches(kinds, settings["specimens_per_batch"], rng))
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, RATE, total_steps=steps)
    loss_of, best, best_epoch, kept, risen = SupConLoss(TEMPERATURE), -np.inf, 0, None, 0
    seen = np.zeros((len(kinds), embedders.dimension(network)), np.float32)  # what the network last made of each image
    for epoch in range(1, settings["max_epochs"] + 1):
        network.train()
        losses = []
        for rows in (rows for turn in range((epoch - 1) * passes, epoch * passes)
                     for rows in batches(kinds, settings["specimens_per_batch"], rng, seen if turn % 2 else None)):
            x = embedders.as_input(embedder, images[rows])
            views = torch.cat([view(x, rng, settings["mirror"], settings["rotation"]) for _ in range(2)])
            features = network(views.contiguous(memory_format=torch.channels_last))
            seen[rows] = features.detach().view(2, len(rows), -1).mean(dim=0).cpu().numpy()
            loss = loss_of(head(features), torch.from_numpy(np.tile(kinds[rows], 2)).to(x.device))
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            if schedule.last_epoch < steps:  # how many batches a pass has depends on the order of classes of one image
                schedule.step()
            losses.append(loss.item())
        network.eval()
        found = validate(embedder)
        risen = epoch if found is None or found > best else risen
        if found is None or found >= best:  # of equals the later: it has learned more
            best, best_epoch, kept = found, epoch, {name: value.clone() for name, value in network.state_dict().items()}
        on_epoch({"epoch": epoch, "loss": round(float(np.mean(losses)), 5), "validation": None if found is None else round(float(found), 5),
                  "best_epoch": best_epoch})
        if epoch - risen >= settings["patience"]:
            break
    network.load_state_dict(kept)


def batches(kinds, size, rng, vectors=None):
    """Return batches of about size rows, every row once: up to PER_CLASS of a class in one of them. A last row alone stays out.

    In random order, or, where vectors (n x d) are given, with NEIGHBOURS classes that are like each other by their means side by side.
    """
    pieces = {}
    for kind in np.unique(kinds):
        rows = rng.permutation(np.flatnonzero(kinds == kind))
        pieces[kind] = [rows[start:start + PER_CLASS].tolist() for start in range(0, len(rows), PER_CLASS)]
    mixed = sum(pieces.values(), [])
    ordered = ([mixed[place] for place in rng.permutation(len(mixed))] if vectors is None
               else [piece for kind in side_by_side(kinds, vectors, rng) for piece in pieces[kind]])
    found = [[]]
    for piece in ordered:
        if len(found[-1]) + len(piece) > size and len(found[-1]) > 1:
            found.append([])
        found[-1] += piece
    return [np.array(batch) for batch in found if len(batch) > 1]


def side_by_side(kinds, vectors, rng):
    """Return the classes in random order, but NEIGHBOURS of them together: one, and those left whose means are most like its own (cosine)."""
    classes, places = np.unique(kinds, return_inverse=True)
    means = np.zeros((len(classes), vectors.shape[1]), np.float32)
    np.add.at(means, places, vectors)
    means = embedders.normalised(means)
    left, found = np.ones(len(classes), bool), []
    for one in rng.permutation(len(classes)):
        if left[one]:
            others = np.flatnonzero(left & (np.arange(len(classes)) != one))
            near = np.append(one, others[np.argsort(-means[others] @ means[one], kind="stable")[:NEIGHBOURS - 1]])
            left[near] = False
            found.append(classes[near])
    return np.concatenate([found[place] for place in rng.permutation(len(found))])


def view(x, rng, mirror, rotation):
    """Return a batch (n x 3 x s x s) with each image turned by up to `rotation` degrees, moved, zoomed, lit and, if mirror, at times mirrored."""
    import torch

    n = len(x)
    angle, zoom = np.deg2rad(rng.uniform(-rotation, rotation, n)), 1 / rng.uniform(*ZOOM, n)
    flip = np.where(rng.random(n) < 0.5, -1, 1) if mirror else np.ones(n)
    shift = rng.uniform(-2 * SHIFT, 2 * SHIFT, (n, 2))
    across = np.stack([zoom * np.cos(angle) * flip, -zoom * np.sin(angle), shift[:, 0]], axis=1)
    down = np.stack([zoom * np.sin(angle) * flip, zoom * np.cos(angle), shift[:, 1]], axis=1)
    turn = torch.from_numpy(np.stack([across, down], axis=1).astype(np.float32)).to(x.device)
    grid = torch.nn.functional.affine_grid(turn, list(x.shape), align_corners=False)
    x = torch.nn.functional.grid_sample(x, grid, padding_mode="border", align_corners=False)
    contrast, light = (torch.from_numpy(rng.uniform(-LIGHT, LIGHT, (n, 1, 1, 1)).astype(np.float32)).to(x.device) for _ in range(2))
    return x * (1 + contrast) + light / 2
