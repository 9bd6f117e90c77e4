"""The pages in a real browser, where there is one (`apt-get install chromium`)."""

import json
import re
import shutil
import subprocess
from html import escape, unescape
from pathlib import Path

import pytest

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "google-chrome", "chromium-browser"))), None)

NOBODY = "not an origin"

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="no chromium on the path (apt-get install chromium)")


def opened(html: str, folder: Path) -> tuple[str, list[str], list[str]]:
    """The page as the browser made it, what its console said, and addresses that it asked for."""
    (folder / "page.html").write_text(html, encoding="utf-8")
    log = folder / "net.json"
    command = [
        str(CHROMIUM),
        *("--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-dev-shm-usage"),
        *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
        "--host-resolver-rules=MAP * ~NOTFOUND",
        f"--user-data-dir={folder / 'profile'}",
        f"--log-net-log={log}",
        *("--enable-logging=stderr", "--v=0", "--dump-dom"),
        (folder / "page.html").as_uri(),
    ]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    events = [event.get("params", {}) for event in json.loads(log.read_text(encoding="utf-8"))["events"]]
    # What the browser asks for by itself, of its maker say, has no origin for an initiator.
    asked = [event["url"] for event in events if event.get("initiator", NOBODY) != NOBODY and "url" in event]
    console = [line for line in done.stderr.splitlines() if "CONSOLE" in line]
    return done.stdout, console, asked


@pytest.mark.parametrize("page", ["model_html", "study_html"])
def test_it_renders_without_a_word_on_the_console_or_a_request(page, request, tmp_path):
    html = request.getfixturevalue(page)
    dom, console, asked = opened(html, tmp_path)
    assert dom.count("<svg") == html.count("<svg") > 0
    assert dom.count("<h2") == html.count("<h2")
    assert not console
    away = [address for address in asked if not address.startswith(("file:", "data:", "chrome", "about:"))]
    assert not away


def test_a_page_that_calls_out_would_be_caught(tmp_path):
    _, console, asked = opened(
        "<img src='http://127.0.0.1:9/x.png'><script>console.error('!')</script>", tmp_path
    )
    assert console
    assert "http://127.0.0.1:9/x.png" in asked


@pytest.mark.parametrize("page", ["model_html", "study_html"])
def test_on_a_phone_only_tables_and_wide_figures_scroll_sideways(page, request, tmp_path):
    frame = (
        f'<iframe width="360" height="700" style="border:0" srcdoc="{escape(request.getfixturevalue(page))}"></iframe>'
        "<script>onload = () => { const d = document.querySelector('iframe').contentDocument.documentElement;"
        "document.body.textContent = `width ${d.scrollWidth} of ${d.clientWidth}`; }</script>"
    )
    dom, _, _ = opened(frame, tmp_path)
    found = re.search(r"width (\d+) of (\d+)", unescape(dom))
    assert found
    assert int(found[1]) <= int(found[2]) <= 360
