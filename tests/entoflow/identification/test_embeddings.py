import numpy as np
import pytest

from entoflow.identification import embeddings
from entoflow.task import InputError


def vectors(*rows):
    return {"frozen": np.array([[row, row + 0.5] for row in rows], np.float32), "colours": np.array([[-row] for row in rows], np.float32)}


@pytest.fixture
def file(tmp_path):
    """Return a function that writes the vectors of ids to a file and returns its path."""
    def _file(name, ids, found=None):
        embeddings.write(tmp_path / name, ids, vectors(*ids) if found is None else found)
        return tmp_path / name
    return _file


def test_what_was_written_is_read_with_ids_that_need_all_52_bits(file):
    ids, found = embeddings.read([file("a.npz", [3, 2**52 - 1])])
    assert ids.tolist() == [3, 2**52 - 1] and list(found) == ["frozen", "colours"]
    for name, expected in vectors(3, 2**52 - 1).items():
        assert found[name].dtype == np.float32 and (found[name] == expected).all()


def test_several_files_are_one_sorted_by_id_and_an_image_in_two_is_taken_once(file):
    ids, found = embeddings.read([file("b.npz", [9, 2]), file("a.npz", [5, 2, 1])])
    assert ids.tolist() == [1, 2, 5, 9]
    assert found["frozen"].tolist() == [[row, row + 0.5] for row in (1, 2, 5, 9)] and found["colours"].ravel().tolist() == [-1, -2, -5, -9]


def test_the_order_of_files_changes_nothing(file):
    paths = [file("a.npz", [4, 1]), file("b.npz", [3]), file("c.npz", [2, 0])]
    (ids, found), (other, turned) = embeddings.read(paths), embeddings.read(paths[::-1])
    assert ids.tolist() == other.tolist() and all((found[name] == turned[name]).all() for name in found)


def test_equal_vectors_give_equal_bytes(file):
    assert file("a.npz", [4, 1]).read_bytes() == file("b.npz", [4, 1]).read_bytes()


def test_no_file_and_a_file_of_no_image_hold_none(file):
    ids, found = embeddings.read([])
    assert len(ids) == 0 and found == {}
    ids, found = embeddings.read([file("a.npz", [], {"frozen": np.empty((0, 2), np.float32)})])
    assert len(ids) == 0 and found["frozen"].shape == (0, 2)


def test_files_of_other_embedders_are_told_with_both(file):
    with pytest.raises(InputError, match="b.npz: holds vectors of colours; wanted colours, frozen as in .*a.npz"):
        embeddings.read([file("a.npz", [1]), file("b.npz", [2], {"colours": np.zeros((1, 1), np.float32)})])


def test_files_of_vectors_of_another_length_are_told(file):
    longer = {"frozen": np.zeros((1, 7), np.float32), "colours": np.zeros((1, 1), np.float32)}
    with pytest.raises(InputError, match="b.npz: "):
        embeddings.read([file("a.npz", [1]), file("b.npz", [2], longer)])


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
    embeddings.write(path, [1, 2], vectors(1, 2))
    path.write_bytes(path.read_bytes()[:-30])


def damaged(path):
    embeddings.write(path, [1, 2], vectors(1, 2))
    data = bytearray(path.read_bytes())
    data[150] ^= 255
    path.write_bytes(data)


def empty(path):
    path.write_bytes(b"")


def bare(path):
    with path.open("wb") as handle:
        np.save(handle, np.zeros((2, 3)))


def of_a_number(path):
    np.savez(path, image_id=np.arange(2), frozen=np.float32(1))


@pytest.mark.parametrize("make", [
    text, absent, without_ids, of_two_lengths, pickled,
    truncated,
    damaged,
    empty,
    bare,
    of_a_number,
])
def test_a_file_of_another_kind_is_told(tmp_path, make):
    path = tmp_path / "e.npz"
    make(path)
    with pytest.raises(InputError, match="e.npz: holds no embeddings .*; wanted a file that embed_images.py wrote"):
        embeddings.read([path])


def test_rows_of_ids_are_found_in_the_order_asked_for():
    ids = np.array([1, 5, 7, 20])
    assert embeddings.rows(ids, [20, 1, 7, 1]).tolist() == [3, 0, 2, 0] and embeddings.rows(ids, []).tolist() == []


@pytest.mark.parametrize("ids, wanted, missing", [([1, 5], [5, 3], 3), ([1, 5], [1, 9], 9), ([1, 5], [0], 0), ([], [4], 4)])
def test_an_image_without_embeddings_is_told(ids, wanted, missing):
    with pytest.raises(InputError, match=f"embeddings: image {missing} has none; wanted those of all images of the data set"):
        embeddings.rows(np.array(ids, np.int64), wanted)


def test_the_vectors_of_an_embedder_are_those_it_was_chosen_by_or_its_own():
    found = {"refit": 1, "embedder": 2}
    assert embeddings.of(found, {"vectors": "refit"}, "embedder", ["a.npz"]) == 1
    assert embeddings.of(found, {"vectors": "frozen"}, "embedder", ["a.npz"]) == embeddings.of(found, {}, "embedder", ["a.npz"]) == 2
    with pytest.raises(InputError, match="a.npz, b.npz: holds vectors of embedder, refit; wanted frozen"):
        embeddings.of(found, {"vectors": "frozen"}, "other", ["a.npz", "b.npz"])
