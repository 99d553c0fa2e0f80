import pytest

from entoflow import taxonomy
from entoflow.dataset import Image
from entoflow.task import InputError


def image(name, label, genus=None, family=None):
    return Image(id=0, file_name=name, label=label, genus=genus, family=family)


def test_taxa_are_those_of_the_images_without_what_is_lacking():
    images = [
        image("1", "wasp", "Vespa", "Vespidae"),
        image("2", "ant", "", "Formicidae"),
        image("3", "bee", "Apis"),
        image("4", "moth"),
        image("5", "wasp", "Vespa", "Vespidae"),
    ]
    assert taxonomy.taxa_of_images(images, "x.csv") == {
        "ant": {"family": "Formicidae"},
        "bee": {"genus": "Apis"},
        "wasp": {"genus": "Vespa", "family": "Vespidae"},
    }


@pytest.mark.parametrize(
    "images, sentence",
    [
        (
            [image("1", "wasp", "Vespa"), image("2", "wasp", "Apis")],
            "x.csv: 1 and 2 are both wasp, of genus 'Vespa' and 'Apis'; "
            "wanted one genus for a class.",
        ),
        (
            [image("1", "wasp", "Vespa"), image("2", "wasp")],
            "x.csv: 1 and 2 are both wasp, of genus 'Vespa' and ''; wanted one genus for a class.",
        ),
        (
            [image("1", "wasp", "Vespa", "A"), image("2", "wasp", "Vespa", "B")],
            "x.csv: 1 and 2 are both wasp, of family 'A' and 'B'; wanted one family",
        ),
        (
            [image("1", "wasp", "Vespa", "A"), image("2", "hornet", "Vespa", "B")],
            r"x.csv: genus 'Vespa' is of family 'B' \(hornet\) and 'A' \(wasp\); "
            "wanted one family for a genus.",
        ),
    ],
)
def test_a_contradiction_is_an_error_with_both_names(images, sentence):
    with pytest.raises(InputError, match=sentence):
        taxonomy.taxa_of_images(images, "x.csv")


def test_joining_adds_classes_and_ranks_and_changes_nothing_that_was_given():
    old = {"wasp": {"genus": "Vespa"}, "bee": {"genus": "Apis", "family": "Apidae"}}
    more = {"wasp": {"family": "Vespidae"}, "ant": {"genus": "Lasius"}, "fly": {}}
    assert taxonomy.join(old, more, "x") == {
        "wasp": {"genus": "Vespa", "family": "Vespidae"},
        "bee": {"genus": "Apis", "family": "Apidae"},
        "ant": {"genus": "Lasius"},
    }
    assert old == {"wasp": {"genus": "Vespa"}, "bee": {"genus": "Apis", "family": "Apidae"}}


@pytest.mark.parametrize(
    "more, sentence",
    [
        (
            {"wasp": {"genus": "Apis"}},
            "x: class 'wasp' is of genus 'Vespa' and 'Apis'; wanted one genus for a class.",
        ),
        (
            {"hornet": {"genus": "Vespa", "family": "Apidae"}},
            r"x: genus 'Vespa' is of family 'Vespidae' \(wasp\) and 'Apidae' \(hornet\); "
            "wanted one family",
        ),
    ],
)
def test_what_is_joined_may_not_contradict(more, sentence):
    taxa = {"wasp": {"genus": "Vespa", "family": "Vespidae"}}
    with pytest.raises(InputError, match=sentence):
        taxonomy.join(taxa, more, "x")


@pytest.mark.parametrize("confidence", [-1, 0.49, 1.01, 90, float("nan")])
def test_a_confidence_that_is_no_chance_from_a_half_up_is_an_error(confidence):
    taxonomy.check_confidence(0.5)
    taxonomy.check_confidence(1)
    sentence = f"--confidence is {confidence}; wanted a chance from 0.5 to 1"
    with pytest.raises(InputError, match=sentence):
        taxonomy.check_confidence(confidence)
