"""What tests of pages share: pictures, text that would be markup, what a browser would read."""

import io
from html.parser import HTMLParser

from PIL import Image

EVIL = "</script><b>x</b><img src=x onerror=alert(1)> & <!--\u2028\u2029"
VOID = ("meta", "img")  # elements without an end
INLINE = ("a", "code", "span", "strong")  # elements that do not part words


def jpeg(colour="red", size=48):
    stream = io.BytesIO()
    Image.new("RGB", (size, size), colour).save(stream, "JPEG")
    return stream.getvalue()


class Blocks(HTMLParser):
    """Collects what stands in each script element, as a browser would find it, and all tags."""

    def __init__(self, html):
        super().__init__()
        self.tags = []
        self.blocks = []
        self.is_inside = False
        self.feed(html)

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.is_inside = tag == "script"
        if self.is_inside:
            self.blocks.append("")

    def handle_endtag(self, tag):
        self.is_inside = False

    def handle_data(self, data):
        if self.is_inside:
            self.blocks[-1] += data


class Reader(HTMLParser):
    """Collects what a browser would show; elements must be closed in order."""

    def __init__(self, html):
        super().__init__()
        self.tags = []
        self.open = []
        self.words = []
        self.feed(html)
        assert not self.open

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)
        self.part_words(tag)

    def handle_startendtag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag):
        assert self.open.pop() == tag
        self.part_words(tag)

    def part_words(self, tag):
        if tag not in INLINE:
            self.words.append(" ")

    def handle_data(self, data):
        if self.open and self.open[-1] not in ("style", "title"):
            self.words.append(data)

    def named(self, tag):
        """Return the attributes of each element of a tag."""
        return [attrs for name, attrs in self.tags if name == tag]

    @property
    def text(self):
        return " ".join("".join(self.words).split())

    @property
    def sources(self):
        """Return what the page would load."""
        return [value for _, attrs in self.tags for name, value in attrs.items() if name == "src"]
