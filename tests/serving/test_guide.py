"""The code of docs/guides/serving.md runs, and its answers have the fields that it shows."""

import json
import re
from pathlib import Path

import numpy as np
import pandas as pd
from helpers.run_cli import run
from helpers.running_service import running

from ebmood.detector import EnergyDetector, FrameDetector

PAGE = (Path(__file__).parents[2] / "docs" / "guides" / "serving.md").read_text()


def test_the_guide(tmp_path, monkeypatch):
    rng = np.random.default_rng(0)
    table = pd.DataFrame(
        {
            "flow": rng.normal(10, 1, 200),
            "site": rng.choice(["Oslo", "Bergen"], 200),
            "running": rng.random(200) < 0.9,
            "id": range(200),
        }
    )
    table.to_csv(tmp_path / "pumps.csv", index=False)
    monkeypatch.chdir(tmp_path)
    (fit,) = re.findall(r"^\$ ebmood (fit .*)$", PAGE, re.MULTILINE)
    code, _, err = run(monkeypatch, *fit.split())
    assert code == 0, err
    names: dict = {"__name__": "guide"}
    for block in re.findall(r"^```python\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL):
        exec(compile(block, "serving.md", "exec"), names)
    detector = names["detector"]
    assert isinstance(detector, FrameDetector)
    assert detector.predict(names["rows"])[1] == -1
    (shown,) = re.findall(r"^```json\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)
    with running(names["app"]) as client:
        answer = client.post("/score", json={"rows": [names["rows"][0], {"flow": "broken"}]}).json()
    expected = json.loads(shown)
    assert answer.keys() == expected.keys()
    for result, example in zip(answer["results"], expected["results"], strict=True):
        assert result.keys() == example.keys()
        assert [value is None for value in result.values()] == [example[key] is None for key in result]
    assert answer["results"][1]["error"] == expected["results"][1]["error"]


def test_both_kinds_of_detectors_have_the_methods_that_the_page_names():
    (sentence,) = re.findall(r"Both have\s+(.*?)\.\n", PAGE, re.DOTALL)
    methods = re.findall(r"`(\w+)`", sentence)
    assert len(methods) == 6
    for kind in (EnergyDetector, FrameDetector):
        assert all(callable(getattr(kind, name)) for name in methods)
