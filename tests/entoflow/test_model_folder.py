import hashlib
import json

import pytest

from entoflow import model_folder
from entoflow.metric import Metric
from entoflow.model_folder import ModelFacts
from entoflow.task import InputError

METRICS = {
    "ap": Metric(0.5, 0.25, 0.75, 40, 8, "share"),
    "recall": Metric(None, None, None, 0, 0, "share"),
}
FACTS = ModelFacts(
    name="insects",
    kind="detector",
    classes=["insect"],
    input={"architecture": "yolo", "image_size": 640},
    threshold=0.25,
    metrics=METRICS,
    metrics_of="validation",
    licence="Apache-2.0",
    data={"images": 12},
    parameters={"max_epochs": 3},
    seed=1,
    more={"calibration": [1, 2]},
)


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "weights.safetensors").write_bytes(b"numbers")
    return tmp_path


def test_what_is_written_is_read_with_the_hash_of_the_weights(folder):
    model_folder.write(folder, FACTS)
    again = model_folder.read(folder)
    assert again.weights_sha256 == hashlib.sha256(b"numbers").hexdigest()
    assert {**vars(again), "weights_sha256": ""} == vars(FACTS)


def test_the_file_names_its_format_and_how_the_model_came_to_be(folder):
    model_folder.write(folder, FACTS)
    content = json.loads((folder / "model.json").read_text())
    assert content["format"] == 1
    assert content["metrics"]["ap"] == {
        "value": 0.5,
        "low": 0.25,
        "high": 0.75,
        "n": 40,
        "groups": 8,
        "unit": "share",
    }
    provenance = content["provenance"]
    assert (provenance["data"], provenance["parameters"], provenance["seed"]) == (
        {"images": 12},
        {"max_epochs": 3},
        1,
    )
    assert provenance["packages"].keys() >= {"python", "numpy"}
    assert len(provenance["code"]["sha256"]) == 64


def test_the_card_has_every_metric_with_its_interval(folder):
    model_folder.write(folder, FACTS)
    card = (folder / "README.md").read_text()
    assert "| ap | 0.500 | 0.250 to 0.750 | 40 |" in card
    assert "| recall | not measured | too few groups | 0 |" in card
    assert "Apache-2.0" in card


@pytest.mark.parametrize(
    "change, sentence",
    [
        ({"format": 2}, "model.json: is of format 2; wanted 1, which entoflow .* reads"),
        ({"format": "x"}, "model.json: is of format x; wanted 1"),
        ({"kind": None}, "model.json: has no kind; wanted a model folder that entoflow wrote"),
    ],
)
def test_a_model_that_this_version_cannot_read_is_refused_in_one_sentence(folder, change, sentence):
    model_folder.write(folder, FACTS)
    content = json.loads((folder / "model.json").read_text()) | change
    kept = {name: value for name, value in content.items() if value is not None}
    (folder / "model.json").write_text(json.dumps(kept))
    with pytest.raises(InputError, match=sentence):
        model_folder.read(folder)


def test_a_folder_without_weights_or_without_facts_holds_no_model(folder):
    with pytest.raises(InputError, match="holds no model; wanted a model folder"):
        model_folder.read(folder)
    model_folder.write(folder, FACTS)
    (folder / "weights.safetensors").unlink()
    with pytest.raises(InputError, match="holds no model; wanted a model folder"):
        model_folder.read(folder)


def test_facts_that_are_no_json_are_refused(folder):
    (folder / "model.json").write_text("{")
    with pytest.raises(InputError, match="model.json, row 1: is not JSON"):
        model_folder.read(folder)
