"""Tables as a person leaves them."""

import pytest

from entoflow.identification import cluster_review
from entoflow.task import InputError

HEADER = "cluster,image,label,nearest_known,distance,verdict,id\n"


@pytest.fixture
def read_labels(tmp_path):
    """Return a function that reads a table of some text: {image: label}."""

    def _read_labels(text, encoding="utf-8"):
        path = tmp_path / "review.csv"
        path.write_bytes(text.encode(encoding))
        return {row.image: row.label for row in cluster_review.read(path, {})}

    return _read_labels


def test_the_name_of_a_cluster_is_that_of_its_images_unless_they_have_their_own(read_labels):
    text = (
        HEADER
        + "1,,bee,,,,\n1,a.jpg,,ant,0.2,unknown,7\n1,b.jpg,wasp,ant,0.2,unknown,8\n"
        + "1,c.jpg,?,ant,0.2,known,9\n2,,,,,,\n2,d.jpg,,,,,10\n2,e.jpg,reject,,,,11\n"
    )
    assert read_labels(text) == {"a.jpg": "bee", "b.jpg": "wasp", "c.jpg": "?", "e.jpg": "reject"}


def test_what_spreadsheets_do_to_a_table_changes_nothing(read_labels):
    plain = HEADER + "1,,Halyomorpha  halys ,,,,\n1,a.jpg,,,,,7\n"
    upper_header = HEADER.upper() + plain.removeprefix(HEADER)
    semicolons = plain.replace(",", ";").replace("\n", "\r\n")
    tabs = plain.replace(",", "\t")
    for text, encoding in (
        (plain, "utf-8"),
        (semicolons, "utf-8-sig"),
        (tabs, "utf-16"),
        (upper_header, "utf-8"),
    ):
        assert read_labels(text, encoding) == {"a.jpg": "Halyomorpha halys"}


@pytest.mark.parametrize(
    "cell, label",
    [
        ("'=x", "=x"),
        ("'-2 spots", "-2 spots"),
        ("a;'=1", "a;=1"),
        ("d'Orbigny", "d'Orbigny"),
        ("'s-Gravenhage", "'s-Gravenhage"),
        ("u\u0308ber", "über"),
        ("  reject ", "reject"),
    ],
)
def test_an_apostrophe_that_keeps_a_spreadsheet_from_running_a_cell_is_no_part_of_the_name(
    read_labels, cell, label
):
    assert read_labels(HEADER + f'1,a.jpg,"{cell}",,,,7\n') == {"a.jpg": label}


def test_the_same_name_twice_for_a_cluster_is_one(read_labels):
    text = HEADER + "1,,bee,,,,\n1,, bee,,,,\n1,a.jpg,,,,,7\n"
    assert read_labels(text) == {"a.jpg": "bee"}


@pytest.mark.parametrize(
    "text, sentence",
    [
        (
            HEADER + "1,,bee,,,,\n1,,wasp,,,,\n",
            "row 3: names cluster 1 'wasp', an earlier row 'bee'; wanted one name for a cluster",
        ),
        ("cluster,image\n1,a.jpg\n", "has no label, id; wanted a review.csv"),
        ("image,label\na.jpg,bee\n", "has columns image, label; wanted cluster"),
        (HEADER, "has no rows; wanted a review.csv"),
        (HEADER + ",a.jpg,bee,,,,7\n", "row 2: cluster is empty"),
    ],
)
def test_a_table_of_another_kind_is_an_error(read_labels, text, sentence):
    with pytest.raises(InputError, match=sentence):
        read_labels(text)


def test_an_image_is_identified_by_its_id_or_by_a_name_that_no_other_has(tmp_path):
    names = {7: "a.jpg", 8: "a.jpg", 4500000000000001: "b.jpg", 9: "-c.jpg"}
    table = (
        "1,a.jpg,ant,,,,7\n1,a.jpg,bee,,,,8\n1,a.jpg,fly,,,,99\n1,b.jpg,wasp,,,,4.5E+15\n"
        "1,'-c.jpg,moth,,,,9\n1,d.jpg,bug,,,,7\n"
    )
    path = tmp_path / "review.csv"
    path.write_text(HEADER + table)
    reviewed = cluster_review.read(path, names)
    assert {row.label: row.id for row in reviewed} == {
        "ant": 7,
        "bee": 8,
        "fly": None,
        "wasp": 4500000000000001,
        "moth": 9,
        "bug": 7,
    }
    assert [row.where for row in reviewed] == [f"review.csv, row {n}" for n in range(2, 8)]
