import json
import os
import subprocess
import sys
from pathlib import Path

import pytest


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads the peak of forks in KiB")
def test_memory_grows_neither_with_steps_nor_with_rows_scored(tmp_path):
    script = Path(__file__).with_name("memory_of_runs.py")
    done = subprocess.run(
        [sys.executable, str(script), str(tmp_path)],
        check=True,
        capture_output=True,
        env=os.environ | {"OMP_NUM_THREADS": "1"},
    )
    peaks = json.loads(done.stdout)
    *short, long = peaks["run"]
    assert long < max(short) + 6_000, f"ten times the steps: {peaks['run']} KiB"
    *few, many = peaks["score"]
    # Eight bytes a row are the scores themselves.
    assert many < max(few) + 400_000 * 8 / 1024 + 6_000, f"twenty times the rows: {peaks['score']} KiB"
