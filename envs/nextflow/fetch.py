"""Download the jars that jgo.lock.toml names into a new folder, and check each one's sha256.

`jgo sync` would resolve all POM files again (half a minute) and compares no checksums.
"""

import hashlib
import shutil
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from jgo.env import LockFile
from jgo.maven import MavenContext


def main(lock, folder):
    maven = MavenContext(repo_cache=folder / "download")
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda jar: fetch(maven, jar, folder), LockFile.load(lock).dependencies))
    shutil.rmtree(folder / "download")


def fetch(maven, jar, folder):
    path = maven.project(jar.groupId, jar.artifactId).at_version(jar.version).artifact().resolve()
    found = hashlib.sha256(path.read_bytes()).hexdigest()
    if found != jar.sha256:
        raise ValueError(f"{path.name}: sha256 is {found}; wanted {jar.sha256}")
    path.rename(folder / path.name)


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:]))
