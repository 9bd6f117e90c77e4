"""A saved detector on the wine table, and changes of its files, for tests of loading and saving."""

import hashlib
import json
from pathlib import Path

import pandas as pd
from safetensors.torch import load_file, save_file
from sklearn.datasets import load_wine

ROWS, CLASSES = load_wine(return_X_y=True)
TABLE = pd.DataFrame(ROWS).add_prefix("c")


def weights_of(folder: Path) -> Path:
    return next(folder.glob("score-*.safetensors"))


def rewrite(folder: Path, change) -> None:
    """Change `detector.json` and make its digest agree, as a malicious author can."""
    path = folder / "detector.json"
    document = json.loads(path.read_text())
    change(document)
    content = json.dumps(document["detector"], sort_keys=True, separators=(",", ":"))
    document["sha256"] = hashlib.sha256(content.encode()).hexdigest()
    path.write_text(json.dumps(document))


def replace_weights(folder: Path, content: bytes) -> None:
    """Replace the weights and make all digests agree."""
    weights_of(folder).unlink()
    digest = hashlib.sha256(content).hexdigest()
    (folder / f"score-{digest}.safetensors").write_bytes(content)
    rewrite(folder, lambda document: document["detector"]["files"].update(score=digest))


def change_tensors(folder: Path, change) -> None:
    """Change the tensors of the weights and make all digests agree."""
    tensors = load_file(weights_of(folder))
    change(tensors)
    save_file(tensors, folder / "changed")
    content = (folder / "changed").read_bytes()
    (folder / "changed").unlink()
    replace_weights(folder, content)
