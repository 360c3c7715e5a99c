"""The environment that KServe's server runs in: made once, beside this file, and kept.

    python tests/liftwing/kserve_environment.py

makes it and says where its Python is. KServe cannot live beside asyncload, because it wants a
psutil below 6. What is installed is the dependency group ``kserve`` of ``pyproject.toml``, with the
versions of ``kserve-constraints.txt``.
"""

from __future__ import annotations

import fcntl
import hashlib
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

HERE = Path(__file__).resolve().parent
CONSTRAINTS = HERE / "kserve-constraints.txt"
ENVIRONMENTS = HERE / ".kserve"


def requirements() -> list[str]:
    """What ``pyproject.toml`` asks for."""
    project = tomllib.loads((HERE.parent.parent / "pyproject.toml").read_text())
    return list(project["dependency-groups"]["kserve"])


def kserve_python() -> Path:
    """Give the Python that has KServe; half a minute when it must be installed first.

    An environment belongs to a set of versions: others get another one. Processes wait for
    each other. Raises RuntimeError with one sentence when it cannot be installed.
    """
    wanted = [*requirements(), CONSTRAINTS.read_text(), sys.version, sys.base_prefix]
    folder = ENVIRONMENTS / hashlib.sha256("\n".join(wanted).encode()).hexdigest()[:12]
    ready, python = folder / "ready", folder / "bin" / "python"
    ENVIRONMENTS.mkdir(exist_ok=True)
    with (ENVIRONMENTS / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not ready.exists():
            shutil.rmtree(folder, ignore_errors=True)
            _install(folder, python)
            ready.touch()
    return python


def _install(folder: Path, python: Path) -> None:
    what = ["--quiet", "-c", str(CONSTRAINTS), *requirements()]
    if uv := shutil.which("uv"):
        commands = [
            [uv, "venv", "--quiet", "--python", sys.executable, str(folder)],
            [uv, "pip", "install", "--python", str(python), *what],
        ]
    else:
        pip = [str(python), "-m", "pip", "install", "--disable-pip-version-check", "--no-compile"]
        commands = [[sys.executable, "-m", "venv", str(folder)], [*pip, *what]]
    for command in commands:
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            said = " ".join((done.stderr or done.stdout).split())
            raise RuntimeError(
                f"{', '.join(requirements())} could not be installed into {folder}, which its "
                f"tests need a package index for, once: {said[-300:]}"
            )


if __name__ == "__main__":
    try:
        print(kserve_python())
    except RuntimeError as problem:
        sys.exit(f"kserve_environment: {problem}")
