"""A wheel, installed where no checkout is, serves from an empty folder."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import httpx

from ..conftest import over_http
from ..support import servers

LEFT_OUT = shutil.ignore_patterns(".*", "build", "dist", "*.egg-info", "__pycache__", "tests", "benchmarks", "instance")


def test_an_installed_wheel_serves_from_an_empty_folder(tmp_path: Path) -> None:
    source, site_packages, empty = tmp_path / "source", tmp_path / "site", tmp_path / "empty"
    shutil.copytree(servers.ROOT, source, ignore=LEFT_OUT)
    empty.mkdir()
    _pip("wheel", "--no-deps", "--no-build-isolation", "--wheel-dir", str(tmp_path), str(source))
    (wheel,) = tmp_path.glob("jobs_server-*.whl")
    with zipfile.ZipFile(wheel) as files:
        names = files.namelist()
        (metadata,) = (files.read(name).decode() for name in names if name.endswith(".dist-info/METADATA"))
    assert "\nLicense: MIT\n" in metadata
    assert {"LICENSE", "NOTICE"} <= {name.rpartition("/")[2] for name in names if "/licenses/" in name}
    assert "jobs_server/observatory/sky_objects.txt" in names
    _pip("install", "--no-deps", "--target", str(site_packages), str(wheel))

    port = servers.free_port()
    environment = {name: value for name, value in os.environ.items() if not name.startswith("JOBS_")}
    environment |= {"PYTHONPATH": str(site_packages), "JOBS_INSTANCE": str(empty / "instance")}
    command = [sys.executable, "-m", "flask", "--app", "jobs_server", "run", "--port", str(port)]
    server = servers.launch(command, port, empty, environment, tmp_path / "log")
    with servers.stopped_at_the_end(server), httpx.Client(trust_env=False, timeout=60) as client:
        job = over_http(server.url, client).sends()
        assert over_http(server.url, client).polls() == [job]
        german = client.get(f"{server.url}/?site=wmd", headers={"Accept-Language": "de"}).text
        assert "Warteschlange" in german
    assert (empty / "instance" / "jobs.db").exists()
    assert str(servers.ROOT) not in _where(environment, empty)


def _where(environment: dict[str, str], folder: Path) -> str:
    """Return from where the installed package is imported."""
    script = "import jobs_server; print(jobs_server.__file__)"
    run = [sys.executable, "-c", script]
    return subprocess.run(run, cwd=folder, env=environment, check=True, capture_output=True, text=True).stdout


def _pip(*arguments: str) -> None:
    command = [sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check", *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
