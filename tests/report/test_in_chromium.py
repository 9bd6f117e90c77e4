"""The pages in a browser. Skipped if chromium is not installed (`apt-get install chromium`)."""

import json
import re
import shutil
import subprocess
from html import escape, unescape
from pathlib import Path

import pytest

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "google-chrome", "chromium-browser"))), None)

NO_INITIATOR = "not an origin"

pytestmark = [
    pytest.mark.skipif(CHROMIUM is None, reason="no chromium on the path (apt-get install chromium)"),
    pytest.mark.xdist_group("report"),
]  # its fixtures are built once


def open_in_browser(html: str, folder: Path) -> tuple[str, list[str], list[str]]:
    """Return the page as the browser rendered it, console messages, and requested addresses."""
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
    # Requests of the browser itself, to its vendor for example, have no page as initiator.
    requested = [
        event["url"]
        for event in events
        if event.get("initiator", NO_INITIATOR) != NO_INITIATOR and "url" in event
    ]
    console = [line for line in done.stderr.splitlines() if "CONSOLE" in line]
    return done.stdout, console, requested


@pytest.mark.parametrize("page", ["model_html", "study_html"])
def test_it_renders_without_console_messages_and_requests(page, request, tmp_path):
    html = request.getfixturevalue(page)
    dom, console, requested = open_in_browser(html, tmp_path)
    assert dom.count("<svg") == html.count("<svg") > 0
    assert dom.count("<h2") == html.count("<h2")
    assert not console
    external = [
        address for address in requested if not address.startswith(("file:", "data:", "chrome", "about:"))
    ]
    assert not external


def test_a_page_with_requests_is_detected(tmp_path):
    _, console, requested = open_in_browser(
        "<img src='http://127.0.0.1:9/x.png'><script>console.error('!')</script>", tmp_path
    )
    assert console
    assert "http://127.0.0.1:9/x.png" in requested


@pytest.mark.parametrize("page", ["model_html", "study_html"])
def test_on_a_phone_the_page_does_not_scroll_sideways(page, request, tmp_path):
    frame = (
        f'<iframe width="360" height="700" style="border:0" srcdoc="{escape(request.getfixturevalue(page))}"></iframe>'
        "<script>onload = () => { const d = document.querySelector('iframe').contentDocument.documentElement;"
        "document.body.textContent = `width ${d.scrollWidth} of ${d.clientWidth}`; }</script>"
    )
    dom, _, _ = open_in_browser(frame, tmp_path)
    widths = re.search(r"width (\d+) of (\d+)", unescape(dom))
    assert widths
    assert int(widths[1]) <= int(widths[2]) <= 360
