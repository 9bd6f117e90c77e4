"""The code of docs/monitoring.md runs from top to bottom in one session, and its comments are correct."""

import re
from pathlib import Path

import pytest

from ebmood.monitoring import Monitor

PAGE = Path(__file__).parents[2] / "docs" / "monitoring.md"


@pytest.fixture(scope="module")
def namespace(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(tmp_path_factory.mktemp("guide"))
        names: dict = {"__name__": "guide"}
        for block in re.findall(r"^```python\n(.*?)^```", PAGE.read_text(), re.MULTILINE | re.DOTALL):
            exec(compile(block, PAGE.name, "exec"), names)
    return names


def test_the_comments_are_correct(namespace):
    state = namespace["state"]
    alarm, text = state.alarm, PAGE.read_text()
    shown = f"# Alarm(row={alarm.row}, change={alarm.change}, stream={alarm.stream!r}, label={alarm.label!r}, ...)"
    assert shown in text
    assert f"state.batch.drifted  # {state.batch.drifted}" in text
    by_block, block_means, measure = (namespace[name] for name in ("by_block", "block_means", "measure"))
    assert Monitor(by_block).update(block_means(measure(2000), 10)).alarm is None
