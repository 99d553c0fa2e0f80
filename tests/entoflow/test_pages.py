"""Pages of templates, style sheets and scripts."""

import json
import re

import jinja2
import pytest

from entoflow import pages
from pages import EVIL


@pytest.fixture
def staged(tmp_path, monkeypatch):
    """A folder of page files as a task has it; returns a function that writes one."""
    folder = tmp_path / "page_files"
    folder.mkdir()
    monkeypatch.setattr(pages, "STAGED", folder)
    pages.environment.cache_clear()
    yield lambda name, text: (folder / name).write_text(text)
    pages.environment.cache_clear()


SHELL = "<style>{{ shell.style }}</style><script>{{ shell.script }}</script>"


def test_text_is_escaped_and_style_and_script_are_not(staged):
    staged("a.html.j2", SHELL + "<p title='{{ text }}'>{{ text }}</p>")
    staged("a.css", "a > b { color: red }")
    staged("a.js", 'const a = 1 < 2 && "x";\n')
    html = pages.render("a.html.j2", ["a.css"], {"text": EVIL + "'\""}, "a.js")
    assert "a > b { color: red }" in html and 'const a = 1 < 2 && "x";' in html
    assert html.count("<b>") == 0 and html.count("<script>") == html.count("</script>") == 1
    assert "&lt;/script&gt;&lt;b&gt;x" in html and "&#39;&#34;" in html


def test_a_name_that_the_content_lacks_is_an_error(staged):
    staged("a.html.j2", "{{ absent }}")
    with pytest.raises(jinja2.UndefinedError, match="'absent' is undefined"):
        pages.render("a.html.j2", [], {})


def test_a_file_that_was_not_staged_is_an_error_that_names_it(staged):
    with pytest.raises(FileNotFoundError, match="b.css is in none of .*page_files"):
        pages.read("b.css")


def test_a_bundle_has_each_module_once_and_after_those_that_it_imports(staged):
    staged("c.js", "export const c = 1;\n")
    staged("b.js", 'import {c} from "./c.js";\nexport function b() { return c; }\n')
    staged(
        "a.js",
        'import {b} from "./b.js";\nimport {c} from "./c.js";\n'
        "export class A {}\nexport async function a() { b(c); }\n",
    )
    assert pages.bundle("a.js") == (
        '"use strict";\nconst c = 1;\nfunction b() { return c; }\n'
        "class A {}\nasync function a() { b(c); }\n"
    )


def test_the_policy_allows_the_page_its_own_style_and_script_and_nothing_else():
    import base64
    import hashlib

    def digest(text):
        return "sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()

    policy = dict(part.split(" ", 1) for part in pages.security_policy("p {}", "go()").split("; "))
    assert policy == {
        "default-src": "'none'",
        "img-src": "data:",
        "script-src": f"'{digest('go()')}'",
        "style-src": f"'{digest('p {}')}'",
        "base-uri": "'none'",
        "form-action": "'none'",
    }
    assert "script-src" not in pages.security_policy("p {}", "")


def test_embedded_json_holds_anything_and_cannot_end_its_element():
    text = pages.embedded_json({EVIL: [EVIL, 1, None]})
    assert not set("<>&\u2028\u2029") & set(text)
    assert json.loads(text) == {EVIL: [EVIL, 1, None]}


def test_pictures_are_a_line_each_and_an_empty_one_for_none():
    assert pages.embedded_lines([b"a", None, b"bc"]) == "YQ==\n\nYmM="


def test_every_template_of_the_repository_compiles():
    pages.environment.cache_clear()
    environment = pages.environment()
    environment.filters.update(
        {
            name: str
            for name in (
                "percent",
                "number",
                "signed",
                "precise",
                "interval",
                "without_interval",
                "only_interval",
                "in_order",
            )
        }
    )
    names = environment.list_templates(filter_func=lambda name: name.endswith(".html.j2"))
    assert len(names) >= 12
    for name in names:
        environment.get_template(name)
        assert not re.search(r"\|\s*safe\b|autoescape false", pages.read(name)), name
    pages.environment.cache_clear()
