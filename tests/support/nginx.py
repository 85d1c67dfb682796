"""A real nginx with the site of `deploy/` before a server."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from .programs import needs
from .servers import ROOT, STOP_SECONDS, free_port, until_it_answers

SITE = ROOT / "deploy" / "nginx.conf"
UNDER_A_PATH = ROOT / "deploy" / "nginx-under-a-path.conf"

# What Debian's /etc/nginx/nginx.conf has around a site, in a folder of the test's own.
AROUND = """
user root;
pid {folder}/nginx.pid;
error_log {folder}/error.log;
worker_processes 1;
events {{ worker_connections 1024; }}
http {{
    access_log {folder}/access.log;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    sendfile on;
    tcp_nopush on;
    gzip on;
    gzip_proxied any;
    gzip_types *;
    include {folder}/site.conf;
}}
"""


@contextmanager
def before(port: int | Sequence[int], folder: Path, shipped_site: Path = SITE) -> Iterator[str]:
    """Run nginx before a server on a port, or before several; gives nginx's address."""
    program, own_port = needs("nginx"), free_port()
    folder.mkdir()
    site = shipped_site.read_text(encoding="utf-8")
    ports = [port] if isinstance(port, int) else port
    behind = "; server ".join(f"127.0.0.1:{each}" for each in ports)
    for shipped, here in {"listen 80;": f"listen 127.0.0.1:{own_port};", "127.0.0.1:5000": behind}.items():
        assert f"    {shipped}" in site or shipped in site
        site = site.replace(shipped, here, 1)
    (folder / "site.conf").write_text(site, encoding="utf-8")
    (folder / "nginx.conf").write_text(AROUND.format(folder=folder), encoding="utf-8")
    command = [program, "-p", str(folder), "-c", str(folder / "nginx.conf"), "-e", str(folder / "start.log")]
    process = subprocess.Popen([*command, "-g", "daemon off;"])
    try:
        until_it_answers(f"http://127.0.0.1:{own_port}", process, folder / "start.log")
        yield f"http://127.0.0.1:{own_port}"
    finally:
        process.terminate()
        process.wait(STOP_SECONDS)
