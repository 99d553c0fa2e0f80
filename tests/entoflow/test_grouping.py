"""Several sources as one: against an oracle that follows every pair of images by hand."""

import base64
import itertools
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from entoflow import dataset, grouping
from entoflow.dataset import Box, Dataset, Image, Photo
from entoflow.task import InputError

BITS = 6


def look(seed):
    """Return (phash, phash of the mirror image, thumbnail) of an image that resembles no other of
    another seed.
    """
    rng = np.random.default_rng(seed)
    phash, mirrored = rng.integers(0, 1 << 63, 2).tolist()
    pixels = rng.integers(0, 256, 256, dtype=np.uint8)
    return f"{phash:016x}", f"{mirrored:016x}", base64.b64encode(pixels.tobytes()).decode()


def image(content, name=None, seed=None, **more):
    """Return an image with the id `content`; images of one seed are near-duplicates."""
    name = name or f"{content}.jpg"
    phash, mirrored, thumbnail = look(content if seed is None else seed)
    more = {"group": name, **more}
    return Image(content, name, phash=phash, mirrored=mirrored, thumbnail=thumbnail, **more)


def source(role, name, *images, **more):
    return Dataset(list(images), role=role, source=name, **more)


def test_an_image_of_two_sources_is_kept_once_with_its_boxes(tmp_path):
    first = replace(
        source("boxes", "a", image(1)), boxes=[Box(1, "bee", (0, 0, 5, 5))], labels=["bee"]
    )
    second = replace(
        source("boxes", "b", image(1, "other.jpg"), image(2)),
        boxes=[Box(1, "ant", (1, 1, 2, 2))],
        labels=["ant"],
    )
    audit = []
    merged = grouping.merge([first, second], ["boxes"], "split", audit)["boxes"]
    assert [(each.id, each.file_name, each.source) for each in merged.images] == [
        (1, "1.jpg", "a"),
        (2, "2.jpg", "b"),
    ]
    assert merged.boxes == [Box(1, "bee", (0, 0, 5, 5))]
    assert merged.labels == ["bee", "ant"]
    [row] = audit
    assert (row.image, row.source, row.action, row.reason) == (
        "other.jpg",
        "b",
        "left out",
        "the same bytes as an image of another source",
    )


def test_an_image_that_two_sources_label_differently_is_not_kept():
    sources = [
        source("labelled", "a", image(1, label="bee")),
        source("labelled", "b", image(1, label="ant"), image(2, label="ant")),
    ]
    audit = []
    merged = grouping.merge(sources, ["labelled"], "split", audit)["labelled"]
    assert [each.id for each in merged.images] == [2]
    assert [(row.source, row.reason) for row in audit] == [
        ("a", "labelled ant and bee by two sources"),
        ("b", "labelled ant and bee by two sources"),
    ]


def test_a_file_name_is_a_group_of_its_source_and_a_given_group_is_one_in_all_sources():
    first = source("boxes", "a", image(1, "1.jpg"), image(2, "2.jpg", group="night 1"))
    second = source("boxes", "b", image(3, "1.jpg"), image(4, "2.jpg", group="night 1"))
    merged = grouping.merge([first, second], ["boxes"], "split", [])
    groups, _ = grouping.group(merged, BITS, "split", [])
    assert groups[1] != groups[3]
    assert groups[2] == groups[4]


def test_near_duplicates_of_two_roles_share_a_group_with_a_row_each():
    merged = {
        "boxes": source("boxes", "a", image(1)),
        "test": source("test", "b", image(2, seed=1), image(3)),
    }
    audit = []
    groups, _ = grouping.group(merged, BITS, "split", audit)
    assert groups[1] == groups[2] != groups[3]
    assert [(row.image, row.action) for row in audit] == [("2.jpg", "joined")]


def test_crops_are_near_duplicates_where_the_photos_that_they_come_from_are():
    photo = look(99)
    crops = []
    for content in (1, 2):
        whole = Photo(100, 100, *photo, box=[0, 0, 10, 10], score=0.9, crop=[0, 0, 12, 12])
        crops.append(replace(image(content), photo=whole))
    groups, _ = grouping.group(
        {"specimens": source("specimens", "a", *crops, image(3))}, BITS, "split", []
    )
    assert groups[1] == groups[2] != groups[3]


def test_images_of_which_the_hashes_alone_agree_are_no_near_duplicates_but_are_returned():
    first = image(1)
    second = replace(image(2), phash=first.phash)
    groups, alike = grouping.group(
        {"boxes": source("boxes", "a", first, second)}, BITS, "split", []
    )
    assert groups[1] != groups[2]
    assert alike.tolist() == [[1, 2]]


@st.composite
def drawn_roles(draw):
    """Draw {role: images} of few contents, groups and looks, so that they meet often.

    Of each role a content once.
    """
    roles = {}
    for role in ("boxes", "test"):
        images = []
        for content in draw(st.lists(st.integers(1, 8), max_size=6, unique=True)):
            night = draw(st.sampled_from(["", "night 1", "night 2"]))
            seed = content % 4  # contents 1 and 5 look alike, as do 2 and 6 ...
            name = f"{role} {content}.jpg"
            images.append(image(content, name, seed, group=night or name, given=bool(night)))
        roles[role] = images
    return roles


def connected_groups(roles):
    """Return the sets of ids that belong together, by following every pair of images until nothing
    is added.
    """
    members = [(role, each) for role, images in roles.items() for each in images]
    together = {each.id: {each.id} for _, each in members}
    for _ in members:
        for (_, a), (_, b) in itertools.product(members, members):
            same_night = a.given and b.given and a.group == b.group
            if same_night or a.phash == b.phash or together[a.id] & together[b.id]:
                union = together[a.id] | together[b.id]
                for each in union:
                    together[each] = union
    return {frozenset(ids) for ids in together.values()}


@settings(max_examples=60, deadline=None)
@given(roles=drawn_roles())
def test_groups_are_the_chains_of_given_groups_near_duplicates_and_equal_contents(roles):
    if not any(roles.values()):
        return
    merged = {role: source(role, "a", *images) for role, images in roles.items()}
    groups, _ = grouping.group(merged, BITS, "split", [])
    ids_of = {}
    for image_id, group in groups.items():
        ids_of.setdefault(group, set()).add(image_id)
    assert {frozenset(ids) for ids in ids_of.values()} == connected_groups(roles)


def test_sources_that_are_cropped_by_two_detectors_are_refused():
    sources = [
        source("specimens", "a", image(1), cropped_by="x"),
        source("specimens", "b", image(2)),
    ]
    with pytest.raises(InputError, match="some are cropped and others not, or by another detector"):
        grouping.merge(sources, ["specimens"], "split", [])


def test_a_data_set_of_another_role_is_refused(tmp_path):
    dataset.write(tmp_path / "0.json", source("predict", "a", image(1)))
    with pytest.raises(InputError, match="0.json: says no role of its images"):
        grouping.read(tmp_path / "0.json", ["boxes", "test"])
    assert grouping.read(tmp_path / "0.json", ["predict"]).role == "predict"
