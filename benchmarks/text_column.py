"""A column of text beside columns of numbers: what is found by which features.

Usage: python benchmarks/text_column.py

Texts are the first paragraphs of docstrings of scikit-learn; others are those of installed packages. Each row also has
three numbers, two of which are correlated. AUROC of 300 ordinary test rows against rows with other texts, against rows
whose numbers contradict the correlation, and against rows with a number five standard deviations away.
"""

import ast
import random
from importlib.util import find_spec
from pathlib import Path

import numpy as np

from ebmood import EnergyDetector
from ebmood.core.metrics import separation
from ebmood.embedders import TextEmbedder, open_embedder

OTHERS = ("pandas", "rich", "PIL", "fontTools")
TRAINING, TEST = 1200, 300


def main() -> None:
    embedder = open_embedder("wordllama")
    assert isinstance(embedder, TextEmbedder)
    rng = np.random.default_rng(0)
    texts = embedder.embed(docstrings("sklearn", TRAINING + TEST)).astype(np.float64)
    training = texts[:-TEST], numbers(len(texts) - TEST, rng)
    ordinary = texts[-TEST:], numbers(TEST, rng)
    rows = {name: embedder.embed(docstrings(name, TEST)).astype(np.float64) for name in OTHERS}
    outliers = {f"texts of {name}": (values, numbers(len(values), rng)) for name, values in rows.items()}
    contradiction, far = numbers(TEST, rng), numbers(TEST, rng)
    contradiction[:, 1] *= -1
    far[:, 2] += 5
    outliers |= {"contradiction": (ordinary[0], contradiction), "far number": (ordinary[0], far)}
    print(f"| features | {' | '.join(outliers)} |\n| :-- |{' --: |' * len(outliers)}")
    for name, parts in {"numbers": [1], "text": [0], "text and numbers": [0, 1]}.items():
        detector = EnergyDetector(random_state=0).fit(join(training, parts))
        normal = detector.score_samples(join(ordinary, parts))
        values = (
            separation(normal, detector.score_samples(join(outlier, parts))).auroc
            for outlier in outliers.values()
        )
        print(f"| {name} | {' | '.join(f'{value:.3f}' for value in values)} |")


def join(columns: tuple[np.ndarray, np.ndarray], parts: list[int]) -> np.ndarray:
    return np.hstack([columns[part] for part in parts])


def numbers(rows: int, rng: np.random.Generator) -> np.ndarray:
    first = rng.normal(size=(rows, 1))
    return np.hstack([first, first + 0.3 * rng.normal(size=(rows, 1)), rng.normal(size=(rows, 1))])


def docstrings(package: str, count: int) -> list[str]:
    """Return first paragraphs of docstrings of a package, without repetitions, in a random order."""
    spec = find_spec(package)
    assert spec is not None
    assert spec.submodule_search_locations
    found = set()
    for path in sorted(Path(spec.submodule_search_locations[0]).rglob("*.py")):
        try:
            tree = ast.parse(path.read_text(encoding="utf-8"))
        except SyntaxError:  # templates and tests of parsers
            continue
        for node in ast.walk(tree):
            if isinstance(node, (ast.FunctionDef, ast.ClassDef)):
                text = " ".join((ast.get_docstring(node) or "").split("\n\n")[0].split())
                if 30 < len(text) < 300:
                    found.add(text)
    texts = sorted(found)
    random.Random(0).shuffle(texts)
    return texts[:count]


if __name__ == "__main__":
    main()
