"""The host pipeline of examples/, in a folder of its own: what it gets from the chain is what a direct run gives."""

import re
from pathlib import Path

import pytest

from conftest import ROOT, Flow, same_resources

PUBLISHED = {
    "metrics": "evaluation",
    "predictions": "evaluation",
    "weak_boxes": "weak_boxes",
    "target_detector": "target_detector",
}


@pytest.fixture(scope="module", params=["v1", "v2"])
def hosted(request, own_data, tmp_path_factory):
    """Return {(emit, file name): path} of a host that sees neither our bin/ nor our configuration, on the direct run's data."""
    data, _ = own_data
    here = tmp_path_factory.mktemp("host")
    text = (ROOT / "examples/host/main.nf").read_text()
    (here / "main.nf").write_text(text.replace("'../../subworkflows/", f"'{data}/subworkflows/"))
    same_resources(here, data)
    said, _ = Flow(here, pipeline=here / "main.nf").run(
        "--boxes",
        data / "insects/annotations.json",
        "--labelled_images",
        data / "photos.csv",
        "--test_boxes",
        data / "test/annotations.json",
        "--target",
        "halyomorpha_halys",
        parser=request.param,
    )
    found = [(emit, Path(path)) for emit, path in re.findall(r"^(\w+): (/.*)$", said, re.MULTILINE)]
    return {(emit, path.name): path for emit, path in found}


def test_a_host_gets_the_same_bytes_as_a_direct_run(hosted, own_data):
    assert {emit for emit, _ in hosted} == set(PUBLISHED)
    assert {name for emit, name in hosted if emit == "target_detector"} == {
        "model.json",
        "weights.safetensors",
        "README.md",
    }
    for (emit, name), path in hosted.items():
        assert (
            path.read_bytes()
            == (own_data[0] / "results/detection" / PUBLISHED[emit] / name).read_bytes()
        ), (emit, name)


@pytest.mark.parametrize(
    "path",
    [
        path
        for path in sorted((ROOT / "subworkflows").glob("*/*.nf"))
        if path.stem in ("main", "use")
    ],
    ids=str,
)
def test_the_page_on_nesting_states_every_take_and_emit(path):
    source = path.read_text()
    name = re.search(r"^workflow (\w+)", source, re.MULTILINE)[1]
    takes = re.findall(
        r"^    (\w+) +//", re.search(r"take:\n(.*?)\n\n", source, re.DOTALL)[1], re.MULTILINE
    )
    emits = re.findall(
        r"^    (\w+) +//", re.search(r"emit:\n(.*?)\n}", source, re.DOTALL)[1], re.MULTILINE
    )
    page = re.search(
        rf"^## {name}\n(.*?)(?=^## |\Z)",
        (ROOT / "docs/nesting.md").read_text(),
        re.MULTILINE | re.DOTALL,
    )[1]
    taken, emitted = page.split("| emit | |")
    assert (
        re.findall(r"`(\w+)`", "".join(re.findall(r"^\| (`.*?) \|", taken, re.MULTILINE))) == takes
    )
    assert sorted(
        re.findall(r"`(\w+)`", "".join(re.findall(r"^\| (`.*?) \|", emitted, re.MULTILINE)))
    ) == sorted(emits)


def test_the_page_on_nesting_shows_the_host_that_runs_here():
    shown = re.search(r"```nextflow\n(.*?)```", (ROOT / "docs/nesting.md").read_text(), re.DOTALL)[
        1
    ]
    host = (ROOT / "examples/host/main.nf").read_text()
    assert [line for line in shown.splitlines() if line not in host.splitlines()] == []
