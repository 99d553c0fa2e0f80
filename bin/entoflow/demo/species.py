"""Synthetic families, genera and look-alike species of insects, and what each looks like.

A family is a body plan, a genus its proportions and colours, a species a pattern: sisters differ in
a few traits that a person sees at 64 pixels. No real species is behind them.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace

import numpy as np

from entoflow.demo.body_plans import PLANS
from entoflow.demo.colours import BLACK, BROWN, CREAM, EYES, INKS, RUST, YELLOW
from entoflow.demo.insects import vary
from entoflow.demo.pen import Colour

# A species is one choice of each of these. Sisters' choices lie at least APART from each other, by
# WEIGHTS.
CHOICES = {"motif": 2, "count": 3, "place": 3, "size": 2, "second": 4, "collar": 4, "limbs": 2}
WEIGHTS = {"motif": 2, "count": 2, "place": 1, "size": 1, "second": 2, "collar": 2, "limbs": 1}
APART = 3
FAMILY_SIZE = 13  # species, at least on average
LARGEST_FAMILY = 64
GENUS_SIZE = 4.5  # species, on average
MOST_GENERA = 8  # of a family
LIMBS = [
    (BLACK, RUST),
    (BROWN, YELLOW),
    (BLACK, CREAM),
]  # colours of legs, of which a species has one

ONSETS = ["b", "c", "d", "f", "g", "l", "m", "n", "p", "r", "s", "t", "v", "z"]
CLUSTERS = ["br", "cl", "cr", "dr", "gr", "pl", "pr", "st", "th", "tr", "ph", "ch"]
FAMILY_ENDINGS = ["idae"]
GENUS_ENDINGS = ["us", "a", "ops", "is", "ella", "oma", "ites"]
SPECIES_ENDINGS = ["ata", "osa", "ensis", "alis", "icola", "ina", "ula"]


@dataclass(frozen=True)
class GenusTraits:
    """What the species of a genus share."""

    plan: str  # of PLANS
    shape: dict[str, float]  # proportions, by name of body_plans.Shape
    base: Colour
    ink: Colour  # of the motif
    trim: Colour  # of edges, bands and rings
    limb: Sequence[Colour]  # two colours of legs
    eye: Colour
    motifs: Sequence[str]  # two of body_plans.MOTIFS
    wave: float  # how much a band bends
    lines: int  # on each wing case
    ringed: bool  # antennae
    sheen: bool


@dataclass(frozen=True)
class Code:
    """What sets a species apart from its sisters: a choice of each of CHOICES, from 0."""

    motif: int
    count: int
    place: int
    size: int
    second: int  # second marking, which each plan has in its own place; 0 for none
    collar: int
    limbs: int


@dataclass(frozen=True)
class Species:
    """A synthetic species."""

    label: str  # genus_epithet
    genus: str
    family: str
    traits: GenusTraits
    code: Code


def taxonomy(n_species: int, seed: int) -> list[Species]:
    """Return species, family by family and genus by genus. Equal arguments give equal species."""
    rng = np.random.default_rng([seed, 0])
    fewest_families = -(-n_species // LARGEST_FAMILY)
    n_families = max(1, min(n_species // FAMILY_SIZE, len(PLANS)), fewest_families)
    plans = np.resize(
        rng.permutation(list(PLANS)), n_families
    )  # of many families some share a plan
    taken: set[str] = set()
    species = []
    for plan, n_in_family in zip(plans, split_evenly(n_species, len(plans), rng)):
        family = make_name(taken, rng, FAMILY_ENDINGS)
        n_genera = min(MOST_GENERA, max(1, round(n_in_family / GENUS_SIZE)))
        for n_in_genus in split_evenly(n_in_family, n_genera, rng):
            genus = make_name(taken, rng, GENUS_ENDINGS)
            traits = draw_genus(str(plan), rng)
            for code in draw_codes(n_in_genus, rng):
                epithet = make_name(taken, rng, SPECIES_ENDINGS)
                species.append(Species(f"{genus}_{epithet}", genus, family, traits, code))
    return species


def split_evenly(total: int, count: int, rng: np.random.Generator) -> list[int]:
    """Return `count` numbers of sum `total`, even but for a few moved from one to another."""
    sizes = [total // count + (k < total % count) for k in range(count)]
    for source, target in rng.integers(count, size=(count, 2)):
        if sizes[source] > 3 and sizes[target] < 8:
            sizes[source] -= 1
            sizes[target] += 1
    return sizes


def make_name(taken: set[str], rng: np.random.Generator, endings: Sequence[str]) -> str:
    """Return a made-up Latin name that is not taken yet, with one of the endings, and take it."""
    while True:
        word = make_stem(rng) + str(rng.choice(endings))
        if word not in taken:
            taken.add(word)
            return word


def make_stem(rng: np.random.Generator) -> str:
    """Return two syllables and a consonant, as in velmor-."""
    vowels = list("aeiou")
    syllables = (
        ONSETS + CLUSTERS,
        vowels,
        ["", "l", "m", "n", "r", "s"],
        ONSETS,
        vowels,
        list("bcdlmnrstv"),
    )
    return "".join(str(rng.choice(choices)) for choices in syllables)


def draw_genus(plan_name: str, rng: np.random.Generator) -> GenusTraits:
    """Return the traits of a random genus of a body plan."""
    plan = PLANS[plan_name]
    base = plan.colours[int(rng.integers(len(plan.colours)))]
    contrasting = [ink for ink in INKS if np.abs(np.subtract(ink, base)).sum() > 190]
    ink, trim = (contrasting[k] for k in rng.permutation(len(contrasting))[:2])
    return GenusTraits(
        plan=plan_name,
        shape={name: rng.uniform(*span) for name, span in plan.spans.items()},
        base=vary(base, rng, 30),
        ink=ink,
        trim=trim,
        limb=LIMBS[rng.integers(3)],
        eye=EYES[rng.integers(4)],
        motifs=rng.permutation(plan.motifs)[:2].tolist(),
        wave=float(rng.choice([0, 0, 0.05, -0.08])),
        lines=int(rng.choice([0, 3, 5])),
        ringed=bool(rng.random() < 0.4),
        sheen=bool(rng.random() < 0.4),
    )


def draw_codes(count: int, rng: np.random.Generator) -> list[Code]:
    """Return the codes of a genus's species.

    They are the first one with two or three choices changed, and all lie APART.
    """
    first = Code(**{name: int(rng.integers(n_choices)) for name, n_choices in CHOICES.items()})
    codes = [first]
    while len(codes) < count:
        shuffled = rng.permutation(list(CHOICES))
        code = first
        for name in shuffled[: rng.integers(2, 4)].tolist():
            code = replace(code, **{name: int(rng.integers(CHOICES[name]))})
        if all(distance(code, other) >= APART for other in codes):
            codes.append(code)
    return codes


def distance(a: Code, b: Code) -> int:
    """Return the sum of the weights of the choices in which two codes differ."""
    choices_b = asdict(b)
    return sum(WEIGHTS[name] for name, choice in asdict(a).items() if choice != choices_b[name])
