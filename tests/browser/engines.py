"""Browsers of the three engines behind one small interface: Chromium, Firefox and WebKit, each with its own driver."""

from __future__ import annotations

import base64
import os
import socket
import subprocess
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Protocol

from playwright.sync_api import Browser, Page
from selenium import webdriver
from selenium.webdriver.common.by import By
from selenium.webdriver.webkitgtk.options import Options
from selenium.webdriver.webkitgtk.service import Service

from tests.support.programs import missing, needs
from tests.support.servers import free_port
from tests.support.waiting import until

from . import stage

with warnings.catch_warnings():
    warnings.simplefilter("ignore", DeprecationWarning)  # of a package that the driver's packages import
    from marionette_driver.marionette import Marionette

ENGINES = ("chromium", "firefox", "webkit")
_FIREFOX_SETTINGS = (
    *('"browser.shell.checkDefaultBrowser", false', '"datareporting.policy.dataSubmissionEnabled", false'),
    *('"app.update.disabledForTesting", true', '"network.captive-portal-service.enabled", false'),
    *('"browser.startup.page", 0', '"network.connectivity-service.enabled", false'),
)


class Window(Protocol):
    """A window of a browser."""

    def open(self, url: str) -> None:
        """Go to an address, and wait until the page has loaded."""

    def back(self) -> None:
        """Go back, as the browser's own button does."""

    def run(self, script: str) -> Any:
        """Run the body of a function in the page; what it returns comes back."""

    def press(self, selector: str) -> None:
        """Click on the middle of an element."""

    def write(self, selector: str, text: str) -> None:
        """Put a text into a field, key by key."""

    def picture(self) -> bytes:
        """Return what the window shows, as PNG."""

    def resize(self, width: int, height: int) -> None:
        """Give the page a size in pixels."""

    def choose(self, url: str, name: str, value: str) -> None:
        """Set a cookie of an address."""


class ChromiumWindow:
    """A window of Chromium, by Playwright."""

    def __init__(self, page: Page) -> None:
        self.page = page

    def open(self, url: str) -> None:
        self.page.goto(url)

    def back(self) -> None:
        self.page.go_back(wait_until="commit")  # of a page that comes out of the memory no loading is heard

    def run(self, script: str) -> Any:
        return self.page.evaluate(f"() => {{ {script} }}")

    def press(self, selector: str) -> None:
        self.page.locator(selector).first.click()

    def write(self, selector: str, text: str) -> None:
        field = self.page.locator(selector).first
        field.fill("")
        field.press_sequentially(text)

    def picture(self) -> bytes:
        return self.page.screenshot()

    def resize(self, width: int, height: int) -> None:
        self.page.set_viewport_size({"width": width, "height": height})

    def choose(self, url: str, name: str, value: str) -> None:
        self.page.context.add_cookies([{"name": name, "value": value, "url": url}])


class FirefoxWindow:
    """A window of Firefox, by Marionette, which is what Firefox itself speaks."""

    def __init__(self, firefox: Any) -> None:
        self.firefox = firefox

    def open(self, url: str) -> None:
        self.firefox.navigate(url)

    def back(self) -> None:
        self.firefox.go_back()

    def run(self, script: str) -> Any:
        return self.firefox.execute_script(script)

    def press(self, selector: str) -> None:
        self.firefox.find_element(By.CSS_SELECTOR, selector).click()

    def write(self, selector: str, text: str) -> None:
        field = self.firefox.find_element(By.CSS_SELECTOR, selector)
        field.clear()
        if text:
            field.send_keys(text)

    def picture(self) -> bytes:
        return base64.b64decode(self.firefox.screenshot(full=False))

    def resize(self, width: int, height: int) -> None:
        # The window has a frame around the page, and a narrowest width: the page is as wide as the window lets it.
        rect = self.firefox.window_rect
        inner = self.run("return [innerWidth, innerHeight]")
        wide, tall = width + rect["width"] - inner[0], height + rect["height"] - inner[1]
        self.firefox.set_window_rect(width=wide, height=tall)

    def choose(self, url: str, name: str, value: str) -> None:
        self.open(f"{url}/healthz")
        self.firefox.add_cookie({"name": name, "value": value, "path": "/"})


class WebKitWindow:
    """A window of WebKit, by Selenium."""

    def __init__(self, driver: webdriver.WebKitGTK) -> None:
        self.driver = driver

    def open(self, url: str) -> None:
        self.driver.get(url)

    def back(self) -> None:
        self.driver.back()

    def run(self, script: str) -> Any:
        return self.driver.execute_script(script)

    def press(self, selector: str) -> None:
        self.driver.find_element(By.CSS_SELECTOR, selector).click()

    def write(self, selector: str, text: str) -> None:
        field = self.driver.find_element(By.CSS_SELECTOR, selector)
        field.clear()
        if text:
            field.send_keys(text)

    def picture(self) -> bytes:
        return self.driver.get_screenshot_as_png()

    def resize(self, width: int, height: int) -> None:
        self.driver.set_window_rect(0, 0, width, height)

    def choose(self, url: str, name: str, value: str) -> None:
        self.open(f"{url}/healthz")
        self.driver.add_cookie({"name": name, "value": value, "path": "/"})


@contextmanager
def window(engine: str, folder: Path, chromium: Callable[[], Browser], *, scripts: bool = True) -> Iterator[Window]:
    """Open a window of an engine; what the browser keeps lies in a folder that is empty."""
    if engine == "chromium":
        with _chromium(chromium(), scripts=scripts) as opened:
            yield opened
    else:
        with {"firefox": _firefox, "webkit": _webkit}[engine](folder, scripts=scripts) as opened:
            yield opened


@contextmanager
def _chromium(browser: Browser, *, scripts: bool) -> Iterator[Window]:
    """Start one more Chromium, which keeps pages in memory for Back: Playwright's own keeps none."""
    kept = browser.browser_type.launch(
        executable_path=needs("chromium"),
        args=list(stage.FLAGS),
        ignore_default_args=["--disable-back-forward-cache"],
    )
    try:
        with kept.new_context(java_script_enabled=scripts) as context:
            yield ChromiumWindow(context.new_page())
    finally:
        kept.close()


@contextmanager
def _firefox(folder: Path, *, scripts: bool) -> Iterator[Window]:
    program, port = needs("firefox-esr"), free_port()
    settings = (*_FIREFOX_SETTINGS, f'"marionette.port", {port}', f'"javascript.enabled", {str(scripts).lower()}')
    (folder / "user.js").write_text("".join(f"user_pref({each});\n" for each in settings))
    command = [program, "--marionette", "--headless", "--no-remote", "--profile", str(folder)]
    with (folder / "firefox.log").open("wb") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log, env=os.environ | {"HOME": str(folder)})
    firefox = Marionette(host="127.0.0.1", port=port)
    try:
        until(lambda: _listens(port))  # the driver waits by itself, and leaves each socket open that came too early
        firefox.start_session()
        yield FirefoxWindow(firefox)
        firefox.delete_session()
    finally:
        process.terminate()
        process.wait(30)


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


@contextmanager
def _webkit(folder: Path, *, scripts: bool) -> Iterator[Window]:
    driver, port = needs("WebKitWebDriver"), free_port()
    options = Options()
    options.binary_location = _mini_browser()
    for argument in ("--automation", "--full-screen", f"--enable-javascript={str(scripts).lower()}"):
        options.add_argument(argument)
    with _display() as display:
        environment = os.environ | {"DISPLAY": display, "HOME": str(folder)}
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)  # of what Selenium's own driver of WebKit calls
            opened = webdriver.WebKitGTK(options=options, service=Service(driver, port=port, env=environment))
        try:
            yield WebKitWindow(opened)
        finally:
            opened.quit()


def _mini_browser() -> str:
    """Return the path of the browser that comes with WebKit, beside its library."""
    found = sorted(Path("/usr").glob("lib*/**/webkit*gtk-*/MiniBrowser"))
    return (
        str(found[-1])
        if found
        else missing("WebKit's MiniBrowser is not installed (Debian: apt install webkit2gtk-driver)")
    )


@contextmanager
def _display() -> Iterator[str]:
    """Start a screen that nobody sees, of a number that is free."""
    command = [needs("Xvfb"), "-displayfd", "1", "-screen", "0", "1600x1100x24", "-nolisten", "tcp"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as screen:
        assert screen.stdout is not None
        try:
            yield f":{int(screen.stdout.readline())}"
        finally:
            screen.terminate()
