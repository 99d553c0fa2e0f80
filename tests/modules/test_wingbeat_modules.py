"""Each process of the wingbeat chain by itself in a pipeline that has nothing else of ours but suite(), on files that the chain made."""

import pytest

from conftest import in_chain, run_alone

FILES = {
    "MAKE_RECORDINGS": ["demo_recordings/recordings.csv", "demo_recordings/truth.csv"],
    "IMPORT_RECORDINGS": ["recordings_1.json", "recordings_1.npy", "recordings_1_audit.json"],
    "SPLIT_RECORDINGS": ["clips.json", "split.csv", "folds.csv", "split_audit.json"],
    "EXTRACT_FEATURES": ["samples.npy", "features.csv"],
    "TRAIN_FAMILY": ["models/features/classifier.npz"],
    "COMPARE_FAMILIES": ["comparison.json", "metrics.json"],
}


def calls(here):
    def made(pattern):
        return [
            path for path in sorted((here / "work").glob(f"*/*/{pattern}")) if not path.is_symlink()
        ]

    def file(*names):
        return ", ".join(f"file('{made(name)[0]}')" for name in names)

    def files(paths):
        return "[" + ", ".join(f"file('{path}')" for path in paths) + "]"

    features = f"{file('clips.json')}, [{file('samples.npy', 'features.npz')}]"
    return {
        "MAKE_RECORDINGS": "suite('make_recordings', [:], [events: 72])",
        "IMPORT_RECORDINGS": f"['recordings', 'recordings_1', file('{here}/nights/recordings.csv'), 'any text'], "
        "suite('import_recordings', [import_recordings: [date_order: 'ymd']])",
        "SPLIT_RECORDINGS": f"[{file('recordings_1.json')}], [{file('recordings_1.npy')}], suite('split_recordings', [split_recordings: [folds: 3]])",
        "EXTRACT_FEATURES": f"{file('clips.json')}, [{file('recordings_1.npy')}], suite('extract_features', [:])",
        "TRAIN_FAMILY": f"['features', '', ''] + suite('train_features', [:]), {features}",
        "COMPARE_FAMILIES": f"{features}, {files(made('*_[0-9].npz'))}, [{file('models/features', 'models/random_convolutions')}], suite('compare_families', [:])",
        "NAME_EVENTS": f"[{file('recordings_1.json')}], [{file('recordings_1.npy')}], "
        f"{files((here / 'results/wingbeat/best').iterdir())}, suite('name_events', [:])",
    }


@pytest.fixture(scope="module")
def alone(heard, tmp_path_factory):
    """Return ({process: the folder it ran in}, the folder of the chain)."""
    chain, here = heard[0].here, tmp_path_factory.mktemp("alone")
    table = calls(chain)
    return run_alone(here, chain, table, (("process_medium", "train_features"),)), chain


def test_events_are_named_alone(alone):
    assert len((alone[0]["NAME_EVENTS"] / "predictions.csv").read_text().splitlines()) == 73


@pytest.mark.parametrize("process", sorted(FILES))
def test_a_process_runs_alone_and_gives_what_it_gives_in_the_chain(alone, process):
    folders, chain = alone
    for name in FILES[process]:
        assert (folders[process] / name).read_bytes() in in_chain(chain, name), name
