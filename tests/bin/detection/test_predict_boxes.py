import predict_boxes
import pytest

from entoflow.task import InputError


def test_views_are_scales_flipped_or_not():
    assert predict_boxes.read_views("1, 1f,0.75") == [(1, False), (1, True), (0.75, False)]


@pytest.mark.parametrize(
    "views, sentence",
    [
        ("1,x", "--views: 'x' is no view; wanted scales such as 1,1f,1.5"),
        ("", "--views: '' is no view"),
        ("nan", "--views: scale nan is outside 0.1 to 4"),
        ("9f", "--views: scale 9 is outside 0.1 to 4"),
    ],
)
def test_what_is_no_view_is_an_error(views, sentence):
    with pytest.raises(InputError, match=sentence):
        predict_boxes.read_views(views)


def test_the_images_named_are_taken_and_all_where_none_are(tmp_path):
    (tmp_path / "ids").write_text("3\n1\n99\n")
    assert predict_boxes.select_images([1, 2, 3], tmp_path / "ids") == [1, 3]
    assert predict_boxes.select_images([1, 2, 3], None) == [1, 2, 3]


def test_a_file_that_lists_no_ids_is_an_error(tmp_path):
    (tmp_path / "ids").write_text("a.jpg\n")
    with pytest.raises(InputError, match="ids: is no list of image ids; wanted one that split_im"):
        predict_boxes.select_images([1], tmp_path / "ids")
