from dataclasses import replace

import numpy as np
import pytest

from entoflow.identification import embeddings
from entoflow.task import InputError
from small_gallery import FACTS


def vectors_of(ids):
    """Return the vectors of two embedders for images by id."""
    frozen = np.array([[image_id, image_id + 0.5] for image_id in ids], np.float32)
    colours = np.array([[-image_id] for image_id in ids], np.float32)
    return {"frozen": frozen, "colours": colours}


@pytest.fixture
def write(tmp_path):
    """Return a function that writes the vectors of ids to a file and returns its path."""

    def _write(name, ids, vectors=None):
        embeddings.write(tmp_path / name, ids, vectors_of(ids) if vectors is None else vectors)
        return tmp_path / name

    return _write


def test_what_was_written_is_read_with_ids_that_need_all_52_bits(write):
    ids = [3, 2**52 - 1]
    read_ids, vectors = embeddings.read([write("a.npz", ids)])
    assert read_ids.tolist() == ids
    assert list(vectors) == ["frozen", "colours"]
    for name, expected in vectors_of(ids).items():
        assert vectors[name].dtype == np.float32
        assert (vectors[name] == expected).all()


def test_several_files_are_one_sorted_by_id_and_an_image_in_two_is_taken_once(write):
    ids, vectors = embeddings.read([write("b.npz", [9, 2]), write("a.npz", [5, 2, 1])])
    assert ids.tolist() == [1, 2, 5, 9]
    for name, expected in vectors_of([1, 2, 5, 9]).items():
        assert vectors[name].tolist() == expected.tolist()


def test_the_order_of_files_changes_nothing(write):
    paths = [write("a.npz", [4, 1]), write("b.npz", [3]), write("c.npz", [2, 0])]
    ids, vectors = embeddings.read(paths)
    turned_ids, turned = embeddings.read(paths[::-1])
    assert ids.tolist() == turned_ids.tolist()
    assert all((vectors[name] == turned[name]).all() for name in vectors)


def test_equal_vectors_give_equal_bytes(write):
    assert write("a.npz", [4, 1]).read_bytes() == write("b.npz", [4, 1]).read_bytes()


def test_no_file_and_a_file_of_no_image_hold_none(write):
    ids, vectors = embeddings.read([])
    assert (len(ids), vectors) == (0, {})
    ids, vectors = embeddings.read([write("a.npz", [], {"frozen": np.empty((0, 2), np.float32)})])
    assert len(ids) == 0
    assert vectors["frozen"].shape == (0, 2)


def test_files_of_other_embedders_are_refused_with_both(write):
    paths = [write("a.npz", [1]), write("b.npz", [2], {"colours": np.zeros((1, 1), np.float32)})]
    sentence = "b.npz: holds vectors of colours; wanted colours, frozen as in .*a.npz"
    with pytest.raises(InputError, match=sentence):
        embeddings.read(paths)


def test_files_of_vectors_of_another_length_are_refused(write):
    longer = {"frozen": np.zeros((1, 7), np.float32), "colours": np.zeros((1, 1), np.float32)}
    paths = [write("a.npz", [1]), write("b.npz", [2], longer)]
    sentence = "b.npz: holds vectors of other lengths than .*a.npz; wanted those of the same"
    with pytest.raises(InputError, match=sentence):
        embeddings.read(paths)


def text(path):
    path.write_text("image,label\n")


def absent(path):
    path.unlink(missing_ok=True)


def without_ids(path):
    np.savez(path, frozen=np.zeros((2, 3)))


def of_two_lengths(path):
    np.savez(path, image_id=np.arange(3), frozen=np.zeros((2, 3)))


def pickled(path):
    np.savez(path, image_id=np.array([{}], object))


def truncated(path):
    embeddings.write(path, [1, 2], vectors_of([1, 2]))
    path.write_bytes(path.read_bytes()[:-30])


def damaged(path):
    embeddings.write(path, [1, 2], vectors_of([1, 2]))
    data = bytearray(path.read_bytes())
    data[150] ^= 255
    path.write_bytes(data)


def empty(path):
    path.write_bytes(b"")


def bare_array(path):
    with path.open("wb") as file:
        np.save(file, np.zeros((2, 3)))


def of_a_number(path):
    np.savez(path, image_id=np.arange(2), frozen=np.float32(1))


@pytest.mark.parametrize(
    "make",
    [
        text,
        absent,
        without_ids,
        of_two_lengths,
        pickled,
        truncated,
        damaged,
        empty,
        bare_array,
        of_a_number,
    ],
)
def test_a_file_of_another_kind_is_refused(tmp_path, make):
    path = tmp_path / "e.npz"
    make(path)
    sentence = "e.npz: holds no embeddings .*; wanted a file that embed_images.py wrote"
    with pytest.raises(InputError, match=sentence):
        embeddings.read([path])


def test_rows_of_ids_are_in_the_order_of_the_wanted_ones():
    ids = np.array([1, 5, 7, 20])
    assert embeddings.rows(ids, [20, 1, 7, 1]).tolist() == [3, 0, 2, 0]
    assert embeddings.rows(ids, []).tolist() == []


@pytest.mark.parametrize(
    "ids, wanted, missing",
    [([1, 5], [5, 3], 3), ([1, 5], [1, 9], 9), ([1, 5], [0], 0), ([], [4], 4)],
)
def test_an_image_without_embeddings_is_an_error(ids, wanted, missing):
    sentence = f"embeddings: image {missing} has none; wanted those of all images of the data set"
    with pytest.raises(InputError, match=sentence):
        embeddings.rows(np.array(ids, np.int64), wanted)


def test_the_vectors_of_an_embedder_have_the_name_of_its_choice_or_its_own():
    vectors = {"refit": np.zeros(1), "embedder": np.ones(1)}
    paths = ["a.npz", "b.npz"]
    frozen = replace(FACTS, more={"vectors": "frozen"})
    refit = replace(FACTS, more={"vectors": "refit"})
    assert embeddings.select(vectors, refit, "embedder", paths) is vectors["refit"]
    assert embeddings.select(vectors, frozen, "embedder", paths) is vectors["embedder"]
    assert embeddings.select(vectors, FACTS, "embedder", paths) is vectors["embedder"]
    sentence = "a.npz, b.npz: holds vectors of embedder, refit; wanted frozen"
    with pytest.raises(InputError, match=sentence):
        embeddings.select(vectors, frozen, "other", paths)
