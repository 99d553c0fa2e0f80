import json
from datetime import datetime

import pytest

from entoflow.task import InputError
from entoflow.wingbeat import clip_set, partitions
from entoflow.wingbeat.clip_set import Clip, ClipSet
from entoflow.wingbeat.partitions import TRAIN_ONLY, Kind, Partition

GROUPED = Partition(Kind.GROUPED, 2, 1, number=1)
SENSOR = Partition(Kind.SENSOR, 3, 1)


def clip(number, **values):
    return Clip(
        number,
        f"{number}.wav",
        0.25,
        0.75,
        "Grüne Wanze",
        f"g{number}",
        "f" * 64,
        8000,
        4000 * number,
        4000,
        **values,
    )


def test_a_set_that_is_written_and_read_is_the_same(tmp_path):
    heard = datetime(2021, 5, 21, 19, 0, 11, 520_000)
    first = clip(
        0,
        time=heard,
        temperature=21.5,
        flags=("hum", "silence"),
        source="a",
        signals="a.npy",
        folds={GROUPED: 0, SENSOR: 2},
    )
    second = clip(
        1,
        named_group=True,
        fold="x",
        sensor="s1",
        source="b",
        signals="b.npy",
        folds={GROUPED: TRAIN_ONLY, SENSOR: 1},
    )
    written = ClipSet([first, second], 8000, [GROUPED, SENSOR])
    clip_set.write(tmp_path / "clips.json", written)
    assert clip_set.read(tmp_path / "clips.json") == written


def test_clips_of_one_import_have_its_source_and_its_file_of_samples(tmp_path):
    written = ClipSet([clip(0)], 8000, [], "recordings", "table", "nights.csv", "recordings_1.npy")
    clip_set.write(tmp_path / "clips.json", written)
    content = clip_set.read(tmp_path / "clips.json")
    assert (content.role, content.format, content.source) == ("recordings", "table", "nights.csv")
    assert (content.clips[0].source, content.clips[0].signals) == ("nights.csv", "recordings_1.npy")


def test_partitions_are_read_in_their_order_with_their_folds_and_seeds(tmp_path):
    info = {
        "sample_rate": 8000,
        "partitions": {"grouped_3": {"folds": 4, "seed": 3}, "share_50_2": {"folds": 1, "seed": 3}},
    }
    entry = {**vars(clip(0)), "folds": {"grouped_3": 1, "share_50_2": partitions.UNUSED}}
    (tmp_path / "clips.json").write_text(json.dumps({"info": info, "clips": [entry]}))
    content = clip_set.read(tmp_path / "clips.json")
    assert content.partitions == [
        Partition(Kind.GROUPED, 4, 3, number=3),
        Partition(Kind.SHARE, 1, 3, number=2, share=50),
    ]
    assert [content.clips[0].folds[partition] for partition in content.partitions] == [
        1,
        partitions.UNUSED,
    ]


@pytest.mark.parametrize(
    "text",
    ["[]", "{}", '{"info": {}, "clips": [{}]}', '{"info": {"sample_rate": 8000}, "clips": []}'],
)
def test_a_file_that_holds_no_events_is_refused(tmp_path, text):
    (tmp_path / "clips.json").write_text(text)
    with pytest.raises(InputError, match="clips.json: holds no events; wanted a data set"):
        clip_set.read(tmp_path / "clips.json")
