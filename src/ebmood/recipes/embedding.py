"""Embeddings: a classifier's penultimate features in place of pixels, and the classifier's own scores.

An embedding maps every array of a split, probes included, so that a recipe for tables can be fitted to what comes out.
Features are scaled to [0, 1] by the training rows, as the protocol scales tables. A classifier of ours is trained on
the split's own training rows and kept in the cache folder, so that the recipes of a seed share one.
"""

import hashlib
import json
import os
import shutil
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
import torch
from filelock import FileLock
from pydantic import Field
from safetensors import safe_open
from safetensors.torch import save_file
from torch import Tensor, nn

from ebmood.core.errors import EbmoodError, RollbackWarning
from ebmood.core.files import atomic_path
from ebmood.core.seeding import global_torch_stream
from ebmood.core.settings import Settings, digest
from ebmood.data.dataset import OODSet, Split
from ebmood.data.units import model_rows
from ebmood.models import EnergyModel, EnergyWideResNet, Scorer
from ebmood.networks import check_module_path, feature_extractor, import_module_object
from ebmood.objectives import CrossEntropy
from ebmood.recipes.scorer import IMAGE_CHUNK
from ebmood.training import Checkpoints, Report, Training, make_fabric, train


class Classifier(Settings):
    """A WideResNet trained on the classes of the split.

    Attributes:
        model: its network. Depth 28 and width 10 have the paper's 640 features.
        objective, training: how it is trained.
    """

    kind: Literal["classifier"] = "classifier"
    model: EnergyWideResNet = EnergyWideResNet(depth=28, width=10, activation="relu", norm="batch")
    objective: CrossEntropy = CrossEntropy()
    training: Training = Training(epochs=50, batch_size=128, warmup=500, drops=(30, 40), drop=0.2)

    @property
    def name(self) -> str:
        """What tables call it."""
        return f"WRN-{self.model.depth}-{self.model.width}"

    @property
    def shortened(self) -> bool:
        """Trained for less than the default, which is what the full studies take."""
        return self.training.is_shorter_than(Classifier().training)

    def fit(self, split: Split, seed: int, device: str, report: Report | None = None) -> EnergyModel:
        """The classifier, trained or from the cache, in evaluation mode on `device`.

        A training that was killed goes on from its checkpoints, which lie in the cache too until it is done.

        Warns:
            RollbackWarning: its training diverged, went back and on; also where the cache says that it did.

        Raises:
            EbmoodError: there are not two classes, the cache cannot be written, or training diverged.
        """
        if split.train_y is None or split.classes < 2:
            raise EbmoodError(
                f"{split.dataset}: an embedding's classifier needs labels of two classes or more"
            )
        fabric = make_fabric(device)
        with global_torch_stream(seed, "classifier"):
            model = self.model.build(split, split.classes)
        assert isinstance(model, EnergyModel)
        file = _cache() / f"{self._key(split, seed)}.safetensors"
        with _locked(file):
            if file.exists():
                events = _read(file, model)
            else:
                objective = self.objective.build(model, split.classes, split.train_x.shape[1:], seed)
                rows, classes = torch.as_tensor(split.train_x), torch.as_tensor(split.train_y)
                kept = Checkpoints(file.with_suffix(""))
                with warnings.catch_warnings():
                    warnings.simplefilter("ignore", RollbackWarning)  # told below, with those before a break
                    trained = train(
                        objective,
                        rows,
                        classes,
                        self.training,
                        seed,
                        fabric,
                        report=report,
                        checkpoints=kept,
                        name=self.name,
                    )
                events = trained.events
                _write(file, model, events)
                shutil.rmtree(kept.folder, ignore_errors=True)
        for event in events:
            warnings.warn(event, RollbackWarning, stacklevel=2)
        return model.to(fabric.device).eval()

    def features(self, split: Split, seed: int, device: str, report: Report | None = None) -> nn.Module:
        """The network up to its penultimate layer."""
        return feature_extractor(self.fit(split, seed, device, report).network)

    def _key(self, split: Split, seed: int) -> str:
        """Of all that the weights depend on."""
        content = hashlib.sha256(np.ascontiguousarray(split.train_x).tobytes())
        content.update(np.ascontiguousarray(split.train_y).tobytes())
        return digest([self.model_dump(mode="json"), seed, content.hexdigest(), torch.__version__])


class ExternalClassifier(Settings):
    """A classifier of the user's: any `torch.nn.Module` by the import path of what makes it.

    Attributes:
        path: such as `timm.create_model` or `my_models.classifier`; called with `parameters`.
        parameters: by name. The module takes images `(N, C, H, W)` in [-1, 1] of the study's size and channels.
        layer: name of the module whose input the features are; the linear layer that runs last if None.
    """

    kind: Literal["module"] = "module"
    path: str
    parameters: dict[str, Any] = {}
    layer: str | None = None

    @property
    def name(self) -> str:
        """What tables call it."""
        return str(self.parameters.get("model_name", self.path.rpartition(".")[2]))

    @property
    def shortened(self) -> bool:
        """False: how long the user's module was trained is not known here."""
        return False

    def check(self) -> None:
        """Raises `EbmoodError` where the path cannot be imported."""
        check_module_path(self.path)

    def features(self, split: Split, seed: int, device: str, report: Report | None = None) -> nn.Module:
        """The module up to its penultimate layer. Raises `EbmoodError` where it cannot be made."""
        module = import_module_object(self.path, self.parameters)
        return feature_extractor(module, self.layer).to(make_fabric(device).device).eval()


Embedding = Annotated[Classifier | ExternalClassifier, Field(discriminator="kind")]


def embedded(
    split: Split,
    embedding: Classifier | ExternalClassifier,
    seed: int,
    device: str,
    report: Report | None = None,
) -> Split:
    """The split with every image replaced by its features, `(N, D)` float32, scaled by the training rows.

    Args:
        split: of images.
        embedding: whose features.
        seed: of the cell.
        device: `auto`, `cpu` or `cuda`.
        report: called now and then while the classifier trains.

    Raises:
        EbmoodError: the classifier cannot be made or trained.
    """
    network = embedding.features(split, seed, device, report)
    raw = _apply(network, split.train_x, device)
    low, span = raw.min(0), np.ptp(raw, axis=0)
    span[span == 0] = 1.0  # a feature that is dead in training keeps its own unit

    def scaled(features: np.ndarray) -> np.ndarray:
        return (features - low) / span

    def of(x: np.ndarray) -> np.ndarray:
        return scaled(_apply(network, x, device))

    return replace(
        split,
        train_x=scaled(raw),
        validation_x=of(split.validation_x),
        test_x=of(split.test_x),
        validation_ood=tuple(OODSet(ood.name, ood.kind, of(ood.x)) for ood in split.validation_ood),
        test_ood=tuple(OODSet(ood.name, ood.kind, of(ood.x)) for ood in split.test_ood),
        notes=(*split.notes, f"features of {embedding.name}: {raw.shape[1]}"),
    )


class ClassifierScorer(Scorer):
    """A number of a classifier's logits."""

    def __init__(self, model: EnergyModel, score: Callable[[Tensor], Tensor], device: str):
        self.model, self.score, self.device = model, score, device

    def score_samples(self, x: np.ndarray) -> np.ndarray:
        """See `Scorer.score_samples`."""
        logits = torch.from_numpy(_apply(self.model.network, x, self.device))
        return self.score(logits).double().numpy()


class ClassifierScore(Settings):
    """A classifier's own score, as a baseline.

    Attributes:
        score: `max-softmax` (Hendrycks & Gimpel 2017): the log of the largest `p(y|x)`; or `logsumexp`: the
            energy score (Liu et al. 2020).
        classifier: whose.
    """

    kind: Literal["classifier-score"] = "classifier-score"
    score: Literal["max-softmax", "logsumexp"]
    classifier: Classifier = Classifier()

    def fit(self, split: Split, seed: int, device: str, report: Report | None = None) -> ClassifierScorer:
        """The classifier, trained or from the cache, behind the one score interface."""
        model = self.classifier.fit(split, seed, device, report)
        if self.score == "logsumexp":
            return ClassifierScorer(model, lambda logits: logits.logsumexp(1), device)
        return ClassifierScorer(model, lambda logits: logits.log_softmax(1).amax(1), device)


@torch.no_grad()
def _apply(network: nn.Module, x: np.ndarray, device: str) -> np.ndarray:
    place = make_fabric(device).device
    pieces = [
        network(model_rows(x[i : i + IMAGE_CHUNK]).to(place)).cpu() for i in range(0, len(x), IMAGE_CHUNK)
    ]
    return torch.cat(pieces).numpy()


def _write(file: Path, model: EnergyModel, events: tuple[str, ...]) -> None:
    """Keep the weights, and what was healed on the way to them."""
    tensors = {name: value.cpu().contiguous() for name, value in model.state_dict().items()}
    with atomic_path(file) as temporary:
        save_file(tensors, temporary, {"events": json.dumps(events)})


def _read(file: Path, model: EnergyModel) -> tuple[str, ...]:
    """Give the model its weights back; what was healed on the way to them."""
    with safe_open(file, "pt") as kept:
        model.load_state_dict({name: kept.get_tensor(name) for name in kept.keys()})  # noqa: SIM118  # no mapping
        return tuple(json.loads((kept.metadata() or {}).get("events", "[]")))


def _cache() -> Path:
    return Path(os.environ.get("EBMOOD_CACHE") or Path("~/.cache/ebmood").expanduser()) / "classifiers"


@contextmanager
def _locked(file: Path) -> Iterator[None]:
    """Cells of one study ask for a classifier at the same moment; the first trains it, the others wait."""
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        lock = FileLock(file.with_suffix(".lock"))
        lock.acquire()
    except OSError as error:
        raise EbmoodError(
            f"{file.parent}: cannot be written ({error.strerror}); set EBMOOD_CACHE to another folder"
        ) from error
    try:
        yield
    finally:
        lock.release()
