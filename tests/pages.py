"""What tests of the pages that work offline share: pictures, a text that would become markup, and the blocks of a page."""
import io
from html.parser import HTMLParser

from PIL import Image

EVIL = "</script><img src=x onerror=alert(1)> & <!--\u2028\u2029"


def jpeg(colour="red", size=48):
    stream = io.BytesIO()
    Image.new("RGB", (size, size), colour).save(stream, "JPEG")
    return stream.getvalue()


class Blocks(HTMLParser):
    """Collects what stands in each script element, as a browser would find it, and all tags."""

    def __init__(self, html):
        super().__init__()
        self.tags, self.blocks, self.inside = [], [], False
        self.feed(html)

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.inside = tag == "script"
        self.blocks += [""] if self.inside else []

    def handle_endtag(self, tag):
        self.inside = False

    def handle_data(self, words):
        if self.inside:
            self.blocks[-1] += words
