import pytest

from entoflow.wingbeat import partitions
from entoflow.wingbeat.partitions import Kind, Partition

EXAMPLES = {
    "grouped_1": Partition(Kind.GROUPED, 5, 1, number=1),
    "random_12": Partition(Kind.RANDOM, 2, 7, number=12),
    "sensor": Partition(Kind.SENSOR, 3, 1),
    "without_2": Partition(Kind.LEFT_OUT, 1, 1, number=2),
    "share_25_3": Partition(Kind.SHARE, 1, 1, number=3, share=25),
}


@pytest.mark.parametrize("name", EXAMPLES)
def test_a_partition_and_its_name_say_the_same(name):
    partition = EXAMPLES[name]
    assert partition.name == name
    assert partitions.parse(name, partition.n_folds, partition.seed) == partition


@pytest.mark.parametrize(
    "name", ["", "grouped", "grouped_x", "sensor_1", "share_25", "share_25_1_2", "another_1"]
)
def test_a_name_that_no_partition_has_is_an_error(name):
    with pytest.raises(ValueError, match="."):
        partitions.parse(name, 5, 1)


def test_partitions_of_one_kind_keep_their_order():
    listed = list(EXAMPLES.values())
    second = Partition(Kind.GROUPED, 5, 2, number=2)
    assert partitions.of_kind([*listed, second], Kind.GROUPED) == [listed[0], second]
    assert partitions.of_kind([], Kind.GROUPED) == []
