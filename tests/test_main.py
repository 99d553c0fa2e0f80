"""What the entry says to a person."""
import pytest


@pytest.mark.parametrize("parser", ["v1", "v2"])
def test_help_names_every_chain(flow, parser):
    said, _ = flow.run("--help", parser=parser)
    assert "--labelled_images" in said and "--predict" in said and "--demo_boxes" not in said


def test_help_of_one_parameter_is_all_about_it(flow):
    said, _ = flow.run("--help", "--image_size")
    assert "default  640" in said and "at least 64" in said and "--outdir" not in said


def test_every_fault_of_the_parameters_is_told_at_once_and_the_nearest_name_given(flow):
    said, tasks = flow.run("--max_epoch", "5", "--image_size", "big", "--boxes", "absent.json", "--weights", "gone.pt", ok=False)
    assert "--max_epoch is unknown; the nearest is --max_epochs" in said
    assert "--image_size wants a whole number, got 'big'" in said
    assert "absent.json, which does not exist" in said
    assert "--weights names gone.pt" in said
    assert tasks == {}


def test_nothing_to_do_is_said(flow):
    said, _ = flow.run(ok=False)
    assert "nothing to do: give --boxes" in said


def test_a_persons_mistake_inside_a_task_is_the_last_line(flow):
    (flow.here / "photos.csv").write_text("image,label\na.jpg\n")
    (flow.here / "boxes.json").write_text("{}")
    said, _ = flow.run("--boxes", "boxes.json", "--labelled_images", "photos.csv", "--target", "bug", "--weights", "none", ok=False)
    assert said.strip().splitlines()[-1].startswith("error: ")
