"""Which code and which packages a task runs with."""

import hashlib
import sys
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

# Those that results depend on; which of them a task has depends on its environment.
PACKAGES = (
    "torch",
    "torchvision",
    "ultralytics",
    "ultralytics-opencv-headless",
    "timm",
    "pytorch-metric-learning",
    "scikit-learn",
    "numpy",
    "pillow",
    "opencv-python-headless",
)


def package_versions() -> dict[str, str]:
    """Return {name: version} of Python and of the packages that are here."""
    versions = {"python": ".".join(map(str, sys.version_info[:3]))}
    for name in PACKAGES:
        try:
            versions[name] = version(name)
        except PackageNotFoundError:
            continue
    return versions


def code_sha256() -> str:
    """Return the SHA-256 of this task's code.

    The script, and the files of the package that were handed to it.
    """
    package = Path(__file__).parent
    script = Path(getattr(sys.modules["__main__"], "__file__", None) or package / "__init__.py")
    paths = [script, *sorted(package.rglob("*.py"))]
    return hashlib.sha256(b"".join(path.read_bytes() for path in paths)).hexdigest()
