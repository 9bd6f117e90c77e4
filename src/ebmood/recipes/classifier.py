"""Classifiers of images. Their penultimate features and their scores are inputs of other methods.

A trained classifier is stored in the cache folder, so that all recipes of one data set and seed share it.
"""

import hashlib
import shutil
import warnings
from typing import Any, Literal

import numpy as np
import torch
from torch import nn

from ebmood.core.errors import EbmoodError, RollbackWarning, warn
from ebmood.core.files import cache_folder
from ebmood.core.seeding import global_torch_stream
from ebmood.core.settings import Settings, digest
from ebmood.data.dataset import Split
from ebmood.data.units import model_rows
from ebmood.models import EnergyModel, EnergyWideResNet
from ebmood.models.density_scorer import IMAGE_CHUNK
from ebmood.networks import check_module_path, feature_extractor, import_module_object
from ebmood.objectives import CrossEntropy
from ebmood.recipes.weights import read_weights, weights_lock, write_weights
from ebmood.training import Checkpoints, Report, Trained, Training, make_fabric, train


class Classifier(Settings):
    """A WideResNet that is trained on the classes of the split.

    Attributes:
        model: settings of the network. Depth 28 and width 10 give the 640 features of the paper.
        objective: settings of the loss.
        training: settings of the training.
    """

    kind: Literal["classifier"] = "classifier"
    model: EnergyWideResNet = EnergyWideResNet(depth=28, width=10, activation="relu", norm="batch")
    objective: CrossEntropy = CrossEntropy()
    training: Training = Training(epochs=50, batch_size=128, warmup=500, drops=(30, 40), drop=0.2)

    @property
    def name(self) -> str:
        """The name in tables, such as `WRN-28-10`."""
        return f"WRN-{self.model.depth}-{self.model.width}"

    @property
    def shortened(self) -> bool:
        """Whether the training is shorter than the default."""
        return self.training.is_shorter_than(Classifier().training)

    def fit(self, split: Split, seed: int, device: str, report: Report | None = None) -> EnergyModel:
        """Return the classifier in evaluation mode on `device`, trained or read from the cache.

        An interrupted training resumes from its checkpoints, which are in the cache until the training ends.

        Args:
            split: images with labels of at least two classes.
            seed: seed of the training.
            device: `auto`, `cpu` or `cuda`.
            report: called during training.

        Warns:
            RollbackWarning: the training diverged and was rolled back; also if the classifier comes from the cache.

        Raises:
            EbmoodError: the split has fewer than two classes, the cache cannot be written, or training diverged.
        """
        if split.train_y is None or split.classes < 2:
            raise EbmoodError(
                f"{split.dataset}: the classifier of an embedding needs labels of at least two classes"
            )
        with global_torch_stream(seed, "classifier"):
            model = self.model.build(split, split.classes)
        assert isinstance(model, EnergyModel)
        file = cache_folder("classifiers") / f"{self._key(split, seed)}.safetensors"
        with weights_lock(file):
            if file.exists():
                events = read_weights(file, model)
            else:
                checkpoints = Checkpoints(file.with_suffix(""))
                events = self._train(model, split, seed, device, report, checkpoints).events
                write_weights(file, model, events)
                shutil.rmtree(checkpoints.folder, ignore_errors=True)
        for event in events:
            warn(event, RollbackWarning)
        return model.to(make_fabric(device).device).eval()

    def features(self, split: Split, seed: int, device: str, report: Report | None = None) -> nn.Module:
        """Return the network up to its penultimate layer, on `device`. See `fit` for arguments and errors."""
        return feature_extractor(self.fit(split, seed, device, report).network)

    def _train(
        self,
        model: EnergyModel,
        split: Split,
        seed: int,
        device: str,
        report: Report | None,
        checkpoints: Checkpoints,
    ) -> Trained:
        with warnings.catch_warnings():
            # `fit` repeats these warnings, including those from before an interruption.
            warnings.simplefilter("ignore", RollbackWarning)
            return train(
                self.objective.build(model, split.classes, split.train_x.shape[1:], seed),
                torch.as_tensor(split.train_x),
                torch.as_tensor(split.train_y),
                self.training,
                seed,
                make_fabric(device),
                report=report,
                checkpoints=checkpoints,
                name=self.name,
            )

    def _key(self, split: Split, seed: int) -> str:
        """Return a digest of everything that the weights depend on."""
        content = hashlib.sha256(np.ascontiguousarray(split.train_x).tobytes())
        content.update(np.ascontiguousarray(split.train_y).tobytes())
        return digest([self.key_settings(), seed, content.hexdigest(), torch.__version__])

    def key_settings(self) -> dict[str, Any]:
        """Return the settings in the form of version 0.1, so that its cached classifiers remain valid."""
        settings = self.model_dump(mode="json", exclude={"training": {"fast"}})
        settings["model"]["compiled"] = None
        return settings


class ExternalClassifier(Settings):
    """A trained classifier of the user: any `torch.nn.Module`.

    Attributes:
        path: import path of the function or class that returns the module, such as `timm.create_model`.
        parameters: keyword arguments of the call. The module takes images `(N, C, H, W)` in [-1, 1] with the size and
            the channels of the study.
        layer: name of the module whose input is used as features; None for the last linear layer.
    """

    kind: Literal["module"] = "module"
    path: str
    parameters: dict[str, Any] = {}
    layer: str | None = None

    @property
    def name(self) -> str:
        """The name in tables: the parameter `model_name`, or else the last part of the path."""
        return str(self.parameters.get("model_name", self.path.rpartition(".")[2]))

    @property
    def shortened(self) -> bool:
        """False, because the training of the module is unknown."""
        return False

    def check(self) -> None:
        """Raise an `EbmoodError` if the path cannot be imported."""
        check_module_path(self.path)

    def features(self, split: Split, seed: int, device: str, report: Report | None = None) -> nn.Module:
        """Return the module up to its penultimate layer, on `device`.

        Raises:
            EbmoodError: the module cannot be created, or has no such layer.
        """
        module = import_module_object(self.path, self.parameters)
        return feature_extractor(module, self.layer).to(make_fabric(device).device).eval()


@torch.no_grad()
def apply_network(network: nn.Module, x: np.ndarray, device: str) -> np.ndarray:
    """Return the outputs `(N, K)` of a network on images `(N, C, H, W)` in storage units, computed chunk by chunk."""
    target = make_fabric(device).device
    chunks = [x[start : start + IMAGE_CHUNK] for start in range(0, len(x), IMAGE_CHUNK)]
    return torch.cat([network(model_rows(chunk).to(target)).cpu() for chunk in chunks]).numpy()
