"""A database whose file is deleted or replaced under the server: no job is acknowledged that is then lost."""

from __future__ import annotations

import logging
import shutil
from datetime import datetime
from pathlib import Path

import pytest
from flask import Flask

from jobs_server import create_app
from jobs_server.service import service_of
from jobs_server.upkeep import backups, checks, startup
from jobs_server.upkeep.alerts import Watch
from jobs_server.upkeep.maintenance import DailyWork, FileWatch

from ..conftest import inside
from ..web.test_pages import text_of
from . import ledger

pytestmark = pytest.mark.sqlite("its file")

FAULT = "its file was deleted or replaced under this server: put the file back, or restart the server"
REFUSAL = f"Error: the database cannot be used now: {FAULT}. Nothing was changed; try again in a moment."


@pytest.fixture
def another(tmp_path: Path) -> Path:
    """The file of another database of this service, with a job."""
    app = create_app({"TESTING": True, "INSTANCE": str(tmp_path / "another")})
    startup.prepare(app)
    inside(app).sends(required_params={"mark": "another"})
    service_of(app).database.close()
    return tmp_path / "another" / "jobs.db"


class Served:
    """A served database with a job in it, whose file can be taken away and put back."""

    def __init__(self, app: Flask, another: Path, how: str) -> None:
        self.app, self.site, self.service = app, inside(app), service_of(app)
        self.file = Path(str(self.service.database.engine.url.database))
        self._another, self._how = another, how
        self._aside = self.file.with_name("aside")
        self.site.sends(required_params={"mark": "kept"})

    def take_away(self) -> None:
        self.file.rename(self._aside)
        if self._how == "replaced":
            shutil.copy(self._another, self.file)

    def put_back(self) -> None:
        self._aside.replace(self.file)


@pytest.fixture(params=["deleted", "replaced"])
def served(request: pytest.FixtureRequest, file_app: Flask, another: Path) -> Served:
    return Served(file_app, another, request.param)


def test_nothing_is_acknowledged_while_the_file_is_another_and_all_is_whole_when_it_is_back(served: Served) -> None:
    served.take_away()
    for _ in range(3):
        refused = served.site.asks(required_params={"mark": "lost"})
        assert (refused.status, refused.text) == (503, REFUSAL)
    assert served.site.asks(device="all", instance="all", action="cancel_all_commands").text == REFUSAL
    served.put_back()
    served.site.sends(required_params={"mark": "after"})
    served.service.database.close()
    assert [job.mark for job in ledger.read(served.file)] == ["kept", "after"]


def test_a_connection_that_is_made_meanwhile_does_not_open_the_other_file(served: Served, another: Path) -> None:
    """It would take the log of the first file for one of the other; and where there is none, make an empty one."""
    before = another.read_bytes()
    served.take_away()
    served.service.database.close()
    refused = served.app.test_client().get("/")
    assert (refused.status_code, refused.headers["Retry-After"]) == (503, "2")
    assert FAULT in text_of(refused)
    assert served.file.read_bytes() == before if served.file.exists() else served._how == "deleted"


def test_readiness_pages_and_alerts_say_so_and_the_log_once(served: Served, caplog: pytest.LogCaptureFixture) -> None:
    browser = served.app.test_client()
    watch, alerts = FileWatch(served.service.database), Watch(served.service, lambda _: None)
    assert (watch.is_well(), list(checks.file(served.service)), list(alerts.found())) == (True, [], [])
    served.take_away()
    with caplog.at_level(logging.INFO):
        assert (watch.is_well(), watch.is_well()) == (False, False)
    ours = [record for record in caplog.records if not record.name.startswith("jobs_server.client")]
    assert [record.getMessage() for record in ours] == [f"the database: {FAULT}"]
    ready = browser.get("/readyz")
    assert (ready.status_code, ready.text) == (503, f"the database cannot be used: {FAULT}\n")
    assert [alert.sentence for alert in alerts.found()] == [f"The database cannot be used: {FAULT}."]
    shown = text_of(browser.get("/?site=wmd"))
    assert f"Nothing that is sent now is kept, stops neither. The database cannot be used: {FAULT}." in shown
    served.put_back()
    assert (watch.is_well(), list(alerts.found())) == (True, [])
    assert "stops neither" not in text_of(browser.get("/?site=wmd"))


def test_no_backup_is_made_of_the_other_file(served: Served, tmp_path: Path) -> None:
    served.take_away()
    work = DailyWork(served.service.settings, served.service.database)
    work.look(datetime.now().astimezone())
    assert work.backup_failure == f"no backup was made of the database: {FAULT}"
    assert backups.listed(served.service.settings.backups) == []
    assert not list(tmp_path.rglob("*.gz"))
