import pytest

from entoflow import taxonomy
from entoflow.task import InputError


def image(name, label, genus="", family=""):
    return {"image": name, "label": label, "genus": genus, "family": family}


def test_taxa_are_those_of_the_images_without_what_is_lacking():
    given = [image("1", "wasp", "Vespa", "Vespidae"), image("2", "ant", "", "Formicidae"), image("3", "bee", "Apis"), image("4", "moth"),
             image("5", "wasp", "Vespa", "Vespidae"), {"image": "6", "label": "fly", "genus": None}]
    assert taxonomy.of(given, "x.csv") == {"ant": {"family": "Formicidae"}, "bee": {"genus": "Apis"}, "wasp": {"genus": "Vespa", "family": "Vespidae"}}


@pytest.mark.parametrize("given, sentence", [
    ([image("1", "wasp", "Vespa"), image("2", "wasp", "Apis")], "x.csv: 1 and 2 are both wasp, of genus 'Vespa' and 'Apis'; wanted one genus for a class."),
    ([image("1", "wasp", "Vespa"), image("2", "wasp")], "x.csv: 1 and 2 are both wasp, of genus 'Vespa' and ''; wanted one genus for a class."),
    ([image("1", "wasp", "Vespa", "A"), image("2", "wasp", "Vespa", "B")], "x.csv: 1 and 2 are both wasp, of family 'A' and 'B'; wanted one family"),
    ([image("1", "wasp", "Vespa", "A"), image("2", "hornet", "Vespa", "B")],
     r"x.csv: genus 'Vespa' is of family 'B' \(hornet\) and 'A' \(wasp\); wanted one family for a genus."),
])
def test_a_contradiction_is_told_with_both_names(given, sentence):
    with pytest.raises(InputError, match=sentence):
        taxonomy.of(given, "x.csv")


def test_what_is_joined_adds_classes_and_ranks_and_leaves_what_was_given():
    old = {"wasp": {"genus": "Vespa"}, "bee": {"genus": "Apis", "family": "Apidae"}}
    assert taxonomy.joined(old, {"wasp": {"family": "Vespidae"}, "ant": {"genus": "Lasius"}, "fly": {}}, "x") == {
        "wasp": {"genus": "Vespa", "family": "Vespidae"}, "bee": {"genus": "Apis", "family": "Apidae"}, "ant": {"genus": "Lasius"}}
    assert old == {"wasp": {"genus": "Vespa"}, "bee": {"genus": "Apis", "family": "Apidae"}}


@pytest.mark.parametrize("more, sentence", [
    ({"wasp": {"genus": "Apis"}}, "x: class 'wasp' is of genus 'Vespa' and 'Apis'; wanted one genus for a class."),
    ({"hornet": {"genus": "Vespa", "family": "Apidae"}}, r"x: genus 'Vespa' is of family 'Vespidae' \(wasp\) and 'Apidae' \(hornet\); wanted one family"),
])
def test_what_is_joined_may_not_contradict(more, sentence):
    with pytest.raises(InputError, match=sentence):
        taxonomy.joined({"wasp": {"genus": "Vespa", "family": "Vespidae"}}, more, "x")


@pytest.mark.parametrize("confidence", [-1, 0.49, 1.01, 90, float("nan")])
def test_a_confidence_that_is_no_chance_above_a_half_is_told(confidence):
    taxonomy.check_confidence(0.5)
    with pytest.raises(InputError, match=f"--confidence is {confidence}; wanted a chance from 0.5 to 1"):
        taxonomy.check_confidence(confidence)
