import pytest

from entoflow.tables import read_json, read_rows
from entoflow.task import InputError


@pytest.fixture
def table(tmp_path):
    def _table(content):
        path = tmp_path / "labels.csv"
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return path

    return _table


@pytest.mark.parametrize(
    "content",
    [
        "image,label\nein Käfer, grün.jpg,bug\n".replace(
            "ein Käfer, grün.jpg", '"ein Käfer, grün.jpg"'
        ),
        'image,label\r\n"ein Käfer, grün.jpg",bug\r\n',
        'image;label\n"ein Käfer, grün.jpg";bug',
        "image;label\nein Käfer, grün.jpg;bug\n",
        "image\tlabel\n\nein Käfer, grün.jpg\tbug\n\n",
        "\ufeffFile, Label \n" + '"ein Käfer, grün.jpg", bug\n',
        ("path;label\nein Käfer, grün.jpg;bug\n").encode("utf-16"),
    ],
)
def test_any_usual_table_reads_the_same(table, content):
    (row,) = read_rows(table(content), required=["image", "label"])
    assert (row["image"], row["label"]) == ("ein Käfer, grün.jpg", "bug")


def test_a_row_has_the_number_of_its_line_and_whole_numbers_or_none(table):
    rows = read_rows(
        table('image,label,count\na.jpg,"two\nlines",3\n\nb.jpg,bug,\n'),
        ["image", "label"],
        ["count"],
    )
    assert [(row["row"], row["label"], row["count"]) for row in rows] == [
        (2, "two\nlines", 3),
        (5, "bug", None),
    ]


def test_a_whole_number_written_as_pandas_does_is_one(table):
    assert (
        read_rows(table("image,count\na.jpg,2.0\nb.jpg,\n"), ["image"], ["count"])[0]["count"] == 2
    )


def test_a_column_that_is_not_there_is_none_for_each_row(table):
    assert (
        read_rows(table("image,label\na.jpg,bug\n"), ["image", "label"], ["count"])[0]["count"]
        is None
    )


@pytest.mark.parametrize(
    "content, sentence",
    [
        (
            "image,label,count\na.jpg,bug,two\n",
            "labels.csv, row 2: count is 'two'; wanted a whole number above 0, or nothing",
        ),
        ("image,label,count\na.jpg,bug,0\n", "row 2: count is '0'; wanted a whole number above 0"),
        (
            "image,label,count\na.jpg,bug,2.5\n",
            "row 2: count is '2.5'; wanted a whole number above 0",
        ),
        (
            f"image,label,count\na.jpg,bug,{'9' * 5000}\n",
            "row 2: count is '9+'; wanted a whole number above 0",
        ),
        (b"PK\x03\x04\x14\0\x06\0", "labels.csv: is no text .an archive, a spreadsheet"),
        (
            "image,label,count\na.jpg,bug,-1\n",
            "row 2: count is '-1'; wanted a whole number above 0",
        ),
        ("image,label\na.jpg,bug\nb.jpg,\n", "row 3: label is empty; wanted a value"),
        ("image,label\na, b.jpg,bug\n", "row 2: has 3 cells; wanted 2"),
        ("image,species\na.jpg,bug\n", "has columns image, species; wanted image, label"),
        ("image,label,label\na.jpg,bug,bug\n", "has column label twice; wanted each column once"),
        ("", "has columns none; wanted image, label"),
        ('image,label\n"a.jpg,bug\n', "row 2: is no table row"),
        (
            "image,label\na.jpg,K\u00e4fer\n".encode("cp1252"),
            "row 2: has a byte that is not UTF-8; wanted text saved as UTF-8",
        ),
    ],
)
def test_a_wrong_table_is_told_with_its_row(table, content, sentence):
    with pytest.raises(InputError, match=sentence):
        read_rows(table(content), ["image", "label"], ["count"])


def test_a_table_that_is_not_there_is_told(tmp_path):
    with pytest.raises(
        InputError,
        match=r"none.csv: cannot be read \(No such file or directory\); wanted a text file",
    ):
        read_rows(tmp_path / "none.csv", ["image"])


@pytest.mark.parametrize(
    "content, sentence",
    [
        ('{"a": 1,\n "b"', "row 2: is not JSON"),
        ("[" * 200_000, "is nested too deeply"),
        ("1" * 5000, "holds a number too long to read"),
    ],
)
def test_broken_json_is_told(table, content, sentence):
    with pytest.raises(InputError, match=sentence):
        read_json(table(content))


@pytest.mark.parametrize(
    "content",
    [
        "file,label,recording\na.wav,x,night 1\n",
        "Path,label\na.wav,x\n",
        "label,recording,file\nx,a.wav,b\n",
        "label,file\nx,a.wav\n",
    ],
)
def test_the_first_column_may_name_recordings_as_files_whatever_another_is_called(table, content):
    (row,) = read_rows(table(content), required=["recording", "label"])
    assert (row["recording"], row["label"]) == ("a.wav", "x")
