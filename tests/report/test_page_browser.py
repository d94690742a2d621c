"""The report page in a real browser: nothing overflows, the switch and the cell panels work, the policy is kept."""

from __future__ import annotations

import json
import shutil
import socket
import subprocess
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import report_pages
from danlu.report.page import render

PAGES = report_pages.all_pages()
ENTER, ESCAPE, RIGHT = "\ue007", "\ue00c", "\ue014"
FLAGS = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-background-networking", "--hide-scrollbars"]
WIDE = """
return [...document.querySelectorAll('body *')].filter(e => {
  const box = e.getBoundingClientRect();
  return box.width && box.right > innerWidth + 1 && !e.closest('.scroll') && getComputedStyle(e).position !== 'fixed';
}).map(e => e.tagName + '.' + e.className.toString());
"""


class Browser:
    """A session of chromedriver (W3C WebDriver), spoken to directly."""

    def __init__(self, port: int) -> None:
        self.base = f"http://127.0.0.1:{port}"
        options = {"args": FLAGS}
        wanted = {"browserName": "chrome", "goog:chromeOptions": options, "goog:loggingPrefs": {"browser": "ALL"}}
        self.session = ""
        self.session = "/session/" + self.ask("/session", {"capabilities": {"alwaysMatch": wanted}})["sessionId"]

    def ask(self, path: str, body: dict[str, Any], method: str = "POST") -> Any:
        headers = {"Content-Type": "application/json"}
        request = urllib.request.Request(
            self.base + self.session + path, json.dumps(body).encode(), headers, method=method
        )
        return json.loads(urllib.request.urlopen(request, timeout=60).read())["value"]

    def run(self, script: str) -> Any:
        return self.ask("/execute/sync", {"script": script, "args": []})

    def press(self, key: str) -> None:
        keys = [{"type": "keyDown", "value": key}, {"type": "keyUp", "value": key}]
        self.ask("/actions", {"actions": [{"type": "key", "id": "keyboard", "actions": keys}]})

    def wide(self, pixels: int) -> None:
        metrics = {"width": pixels, "height": 900, "deviceScaleFactor": 1, "mobile": False}
        self.ask("/goog/cdp/execute", {"cmd": "Emulation.setDeviceMetricsOverride", "params": metrics})

    def open(self, page: str, folder: Path) -> None:
        file = folder / f"{page}.html"
        file.write_text(render(PAGES[page]), "utf-8")
        self.ask("/url", {"url": file.as_uri()})


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    driver = shutil.which("chromedriver")
    if not driver:
        pytest.skip("no chromedriver: install the packages chromium and chromium-driver")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    process = subprocess.Popen([driver, f"--port={port}"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        for _ in range(100):
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", port)) == 0:
                    break
            time.sleep(0.1)
        made = Browser(port)
        yield made
        made.ask("", {}, "DELETE")
    finally:
        process.terminate()
        process.wait(20)


@pytest.mark.parametrize("pixels", [1280, 400])
@pytest.mark.parametrize("page", ["ten", "many", "heads", "hostile", "empty"])
def test_nothing_overflows_and_nothing_is_blocked_or_loaded(
    browser: Browser, page: str, pixels: int, tmp_path: Path
) -> None:
    browser.wide(pixels)
    browser.open(page, tmp_path)
    assert browser.run("return document.documentElement.scrollWidth") == pixels
    assert browser.run(WIDE) == []
    assert (
        browser.run("return performance.getEntriesByType('resource').filter(r => !r.name.startsWith('data:')).length")
        == 0
    )
    assert browser.ask("/se/log", {"type": "browser"}) == []


def test_the_switch_changes_every_text_tooltip_and_label_and_back(browser: Browser, tmp_path: Path) -> None:
    browser.wide(1280)
    browser.open("ten", tmp_path)
    state = """return [document.documentElement.lang, document.querySelector('h2').innerText, document.title,
        document.querySelector('nav').getAttribute('aria-label'),
        document.querySelector('.hit title').textContent.split(' ')[0]]"""
    chinese = ["zh-CN", "结论", "水果照片：正确率 93.1 %", "本页目录", "训练,"]
    assert browser.run(state) == chinese
    browser.run("document.querySelector('.switch [value=en]').click()")
    assert browser.run(state) == ["en", "Verdict", "Fruit photos: 93.1 % right", "On this page", "training,"]
    browser.run("document.querySelector('.switch [value=zh-CN]').click()")
    assert browser.run(state) == chinese


def test_a_cell_opens_and_closes_by_keyboard_and_the_page_stays_where_it_was(browser: Browser, tmp_path: Path) -> None:
    browser.wide(1280)
    browser.open("ten", tmp_path)
    browser.run("document.getElementById('at-0-0-0').focus()")
    browser.press(RIGHT)
    at = browser.run("return document.activeElement.id")
    assert at.startswith("at-0-0-") and at != "at-0-0-0"
    place = browser.run("return scrollY")
    browser.press(ENTER)
    here = "const p = document.querySelector('.panel:target'); return [p && p.id, document.activeElement.id, scrollY]"
    panel = at.replace("at-", "cell-")
    until(lambda: browser.run(here) == [panel, panel, place])
    browser.press(ESCAPE)
    until(lambda: browser.run(here) == [None, at, place])


def until(reached: Any) -> None:
    """Waits for what follows an event of the browser."""
    for _ in range(100):
        if reached():
            return
        time.sleep(0.1)
    raise AssertionError("it did not come")
