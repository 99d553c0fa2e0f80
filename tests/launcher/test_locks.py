"""What is pinned can be had: every lock resolves, nothing installed, on every machine that the launcher accepts."""

import os
import re
import subprocess

import pytest

from conftest import ROOT

PLATFORMS = {
    "x86_64-manylinux_2_28": range(10, 15),
    "aarch64-manylinux_2_28": range(10, 15),
    "aarch64-apple-darwin": range(10, 15),
    "x86_64-apple-darwin": range(10, 13),
}
CASES = [
    (platform, f"3.{minor}")
    for platform, minors in PLATFORMS.items()
    for minor in (minors[0], minors[-1])
]


@pytest.fixture(scope="session")
def uv():
    shell = 'root=$1; . "$root/envs/setup.sh"; tools; echo "$tools/bin/python"'
    return [
        subprocess.check_output(["bash", "-euc", shell, "-", ROOT], text=True).strip(),
        "-m",
        "uv",
    ]


def resolve(uv, lock, platform, python, folder):
    command = [
        *uv,
        "pip",
        "sync",
        "--dry-run",
        "--require-hashes",
        "--only-binary",
        ":all:",
        "--target",
        folder / "none",
        "--python-platform",
        platform,
        "--python-version",
        python,
        lock,
    ]
    done = subprocess.run(
        command,
        capture_output=True,
        text=True,
        timeout=300,
        env={**os.environ, "MACOSX_DEPLOYMENT_TARGET": "14.0"},
    )
    if re.search("Failed to fetch|error sending request|dns error|Connect", done.stderr):
        pytest.skip(f"the package index cannot be reached: {done.stderr.splitlines()[0]}")
    assert not list(folder.glob("none/*.dist-info"))
    return done


@pytest.mark.parametrize("platform, python", CASES)
@pytest.mark.parametrize("name", ["base", "test", "launcher", "java"])
def test_the_lock_resolves(uv, name, platform, python, tmp_path):
    done = resolve(uv, ROOT / f"envs/{name}.lock", platform, python, tmp_path)
    assert done.returncode == 0, done.stderr


def test_a_lock_without_a_wheel_for_the_machine_does_not_resolve(uv, tmp_path):
    (tmp_path / "lock").write_text((ROOT / "envs/base.lock").read_text())
    assert (
        "no usable wheels"
        in resolve(uv, tmp_path / "lock", "x86_64-apple-darwin", "3.13", tmp_path).stderr
    )


def test_every_file_that_a_conda_directive_names_exists():
    named = [
        (path, name)
        for path in ROOT.glob("modules/**/*.nf")
        for name in re.findall(r'^\s*conda "\$\{moduleDir\}/(.+)"', path.read_text(), re.M)
    ]
    processes = sum(
        len(re.findall(r"^process ", path.read_text(), re.M))
        for path in ROOT.glob("modules/**/*.nf")
    )
    assert len(named) == processes > 0
    assert [name for path, name in named if not (path.parent / name).is_file()] == []


def test_conda_gets_the_pins_of_base_lock_and_notices_when_they_change():
    text = (ROOT / "envs/base.yml").read_text()
    assert re.search(r"^  - pip:\n      - -r base\.lock$", text, re.M)
    assert (
        f"lock it is: {subprocess.check_output('cksum < base.lock', shell=True, cwd=ROOT / 'envs', text=True)}"
        in text
    )


def test_base_lock_is_closed_so_that_plain_pip_takes_it():
    """pip wants every dependency pinned in a file with hashes; ultralytics itself would ask for opencv-python."""
    pinned = set(re.findall(r"^([a-z0-9-]+)==", (ROOT / "envs/base.lock").read_text(), re.M))
    assert "ultralytics-opencv-headless" in pinned and not pinned & {"ultralytics", "opencv-python"}
