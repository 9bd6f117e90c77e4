"""The code of the how-to pages, applied to a copy of the source, trains, scores and passes its own tests."""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from sklearn.datasets import load_digits

from ebmood.objectives import Objective, ObjectiveSettings

pytestmark = pytest.mark.xdist_group("how-to")  # its fixtures are built once

ROOT = Path(__file__).parent.parent
PAGES = sorted((ROOT / "docs/how-to").glob("*.md"))
COPIED = [
    "src",
    "tests/conftest.py",
    "tests/helpers",
    "tests/models/test_views.py",
    "tests/scores/test_scores.py",
    "pyproject.toml",
]

CLASSIFIER = """
embedding:
  kind: classifier
  model: {depth: 10, width: 1, stride_first: true}
  training: {epochs: null, steps: 3, warmup: 0, batch_size: 16, drops: null}
"""
STUDY = f"""
title: how-to
datasets:
  - wine
  - {{kind: images, id: digits.npz, hold_out: ["8", "9"], natural: [], size: 8}}
seeds: 1
{CLASSIFIER}
recipes:
  - {{method: fd-ssm, gamma: [null, 1], training: {{steps: 200, warmup: 20}}, datasets: wine}}
  - {{method: ssm-residual, model: {{blocks: 2}}, training: {{steps: 50, warmup: 5}}, datasets: wine}}
  - {{method: ssm, model: {{activation: mish}}, training: {{steps: 50, warmup: 5}}, datasets: wine}}
  - {{method: fd-ssm, embedding: true, training: {{steps: 50, warmup: 5}}, datasets: digits}}
  - {{method: spline, training: {{steps: 60}}, score: rank, datasets: wine}}
"""


def titled_blocks(page: Path) -> list[tuple[str, str, str]]:
    """Return language, file and content of each code block that names a file."""
    pattern = r'^```(\w+) title="([^"]+)"\n(.*?)^```'
    return re.findall(pattern, page.read_text(), re.MULTILINE | re.DOTALL)


def apply_change(text: str, change: str) -> str:
    """Return `text` after a change in diff notation without line numbers; its context must occur exactly once."""
    lines = change.splitlines(keepends=True)
    old = "".join(line[1:] for line in lines if line[0] in " -")
    new = "".join(line[1:] for line in lines if line[0] in " +")
    assert text.count(old) == 1, f"the source has no line, or several, like these: {old}"
    return text.replace(old, new)


def apply_pages(target: Path) -> list[str]:
    """Apply the code of all pages to the tree at `target`; return the files that it creates."""
    created = []
    for page in PAGES:
        for language, name, content in titled_blocks(page):
            file = target / name
            if language == "diff":
                file.write_text(apply_change(file.read_text(), content))
            else:
                assert not (ROOT / name).exists(), f"{page.name} overwrites {name}"
                file.parent.mkdir(parents=True, exist_ok=True)
                file.write_text(content)
                created.append(name)
    return created


@pytest.fixture(scope="module")
def tree(tmp_path_factory) -> Path:
    """A copy of the source tree with the code of all pages."""
    target = tmp_path_factory.mktemp("tree")
    for name in COPIED:
        (target / name).parent.mkdir(parents=True, exist_ok=True)
        copy = shutil.copytree if (ROOT / name).is_dir() else shutil.copy
        copy(ROOT / name, target / name)
    assert len(apply_pages(target)) == 9
    return target


def run(tree: Path, *arguments: str) -> str:
    environment = os.environ | {
        "PYTHONPATH": str(tree / "src"),
        "EBMOOD_CACHE": str(tree / "cache"),
        "OMP_NUM_THREADS": "1",
    }
    done = subprocess.run(
        [sys.executable, *arguments], cwd=tree, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    return done.stdout


@pytest.mark.slow
def test_a_study_trains_what_the_pages_add(tree):
    digits = load_digits()
    pixels = np.round(digits.images[:400] * (255 / 16)).astype(np.uint8)
    np.savez(tree / "digits.npz", X=pixels, y=digits.target[:400])
    (tree / "study.yaml").write_text(STUDY)
    run(tree, "-m", "ebmood", "study", "study.yaml", "-o", "out", "--data", str(tree))
    records = [json.loads(line) for line in (tree / "out/records.jsonl").read_text().splitlines()]
    assert [record["reason"] for record in records] == [None] * 6
    assert sorted(record["method"] for record in records) == ["fd-ssm"] * 3 + [
        "spline",
        "ssm",
        "ssm-residual",
    ]
    assert sum(record["embedding"] is not None for record in records) == 1
    for record in records:
        auroc = {result["name"]: result["auroc"] for result in record["results"]}
        assert auroc["uniform"] > 0.9, record["method"]
        assert auroc.keys() >= ({"cultivar-3", "cauchy"} if record["embedding"] is None else {"8", "9"})
    (rank,) = next(record["density_scores"] for record in records if record["method"] == "spline")
    assert (rank["score"], rank["status"]) == ("rank", "done")
    page = (tree / "out/results.md").read_text()
    assert "FD-SSM" in page
    assert "cauchy" in page


@pytest.mark.slow
def test_the_test_that_the_objective_page_shows_passes(tree):
    output = run(
        tree, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-W", "error", "tests/objectives/test_fd_ssm.py"
    )
    assert "1 passed" in output


def test_the_test_that_the_score_page_shows_passes(tree):
    output = run(
        tree,
        "-m",
        "pytest",
        "-q",
        "-p",
        "no:cacheprovider",
        "-W",
        "error",
        "tests/density_scores/test_rank.py",
    )
    assert "1 passed" in output


def test_a_detector_uses_the_view_that_the_page_adds(tree):
    code = """
import numpy as np
from ebmood import EnergyDetector, EnergySettings, load

rows = np.random.default_rng(0).standard_cauchy((200, 3))
detector = EnergyDetector(energy=EnergySettings(views=("iqr",)), random_state=0).fit(rows)
low, median, high = np.quantile(detector.model_.memory.numpy(), [0.25, 0.5, 0.75], axis=0)
view = detector.model_.views["iqr"].view
np.testing.assert_allclose(view.center, median)
np.testing.assert_allclose(view.scale, high - low)
detector.save("iqr-model")
np.testing.assert_array_equal(load("iqr-model").score_samples(rows), detector.score_samples(rows))
"""
    run(tree, "-W", "error", "-c", code)


@pytest.mark.slow
def test_the_tests_of_all_views_pass_with_the_view_that_the_page_adds(tree):
    output = run(tree, "-m", "pytest", "-q", "-p", "no:cacheprovider", "tests/models/test_views.py")
    assert "passed" in output


def test_the_shown_code_follows_the_style(tree):
    pytest.importorskip("ruff")
    names = {name for page in PAGES for _, name, _ in titled_blocks(page)}
    run(tree, "-m", "ruff", "check", "--no-cache", *names)
    run(tree, "-m", "ruff", "format", "--no-cache", "--check", *names)


def test_the_objective_page_lists_every_hook():
    page = (ROOT / "docs/how-to/objective.md").read_text()
    for cls in (Objective, ObjectiveSettings):
        hooks = [name for name, value in vars(cls).items() if callable(value) and not name.startswith("_")]
        assert len(hooks) > 2
        for hook in hooks:
            assert f"`{cls.__name__}.{hook}" in page, f"{cls.__name__}.{hook}"


def test_a_detector_of_a_classifier_uses_the_score_that_the_page_adds(tree):
    code = """
import torch
from torch import nn
from ebmood import ClassifierDetector

torch.manual_seed(0)
network, rows = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 3)), torch.randn(200, 4)
detector = ClassifierDetector(network, score="she", random_state=0).fit(rows, network(rows).argmax(1))
scores = detector.score_samples(rows)
means = detector.score_.means[detector.outputs(rows).predicted]
torch.testing.assert_close(torch.from_numpy(scores), (detector.outputs(rows).features * means).sum(1))
detector.save("she-model")
assert (ClassifierDetector.load("she-model", network).score_samples(rows) == scores).all()
"""
    run(tree, "-W", "error", "-c", code)


@pytest.mark.slow
def test_the_score_that_the_page_adds_passes_the_tests_of_all_scores(tree):
    output = run(
        tree, "-m", "pytest", "-q", "-p", "no:cacheprovider", "tests/scores/test_scores.py", "-k", "she"
    )
    assert "7 passed" in output
