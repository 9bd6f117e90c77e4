"""The keys of a study file: its top level, the entries of its lists, and the location of image files."""

import os
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, NonNegativeInt

from ebmood.core.settings import Settings
from ebmood.data import AnySource
from ebmood.data.images import ImageSource
from ebmood.density_scores import LikelihoodRatio
from ebmood.recipes import Classifier, Embedding
from ebmood.recipes.variant import current_name


def _as_list(value: Any) -> Any:
    return value if isinstance(value, list | tuple) else (value,)


def _as_seeds(value: Any) -> Any:
    if isinstance(value, int) and not isinstance(value, bool):
        if value < 1:
            raise ValueError("is not a number of seeds; write 1 or more, or a list of seeds")
        return tuple(range(value))
    if not isinstance(value, list | tuple):
        raise ValueError("is not a number of seeds; write a number without quotes, or a list such as [0, 1]")
    return value


ListOrValue = BeforeValidator(_as_list)
"""One value is a list of one."""

Seeds = Annotated[tuple[NonNegativeInt, ...], BeforeValidator(_as_seeds), Field(min_length=1)]
"""A list of seeds, or their number n for the seeds 0 to n - 1."""

VariantName = Annotated[Literal["paper", "corrected", "modern"], BeforeValidator(current_name)]
Weight = Annotated[float, Field(gt=0, allow_inf_nan=False)]
ChannelFraction = Annotated[float, Field(gt=0, le=1)]


class MethodEntry(Settings):
    """An entry under `recipes` that names a method of `ebmood.recipes`.

    Several values of `variant`, `gamma`, `bottleneck` and `embedding` make a grid.

    Attributes:
        method: a key of `METHODS`, or of `IMAGE_METHODS` for images.
        variant: `paper`, `corrected`, `modern`, or several of them.
        gamma: weight of the cross-entropy; None trains without labels.
        bottleneck: fraction of channels that remain in the network's bottlenecks; None for no bottlenecks.
        embedding: True learns from the features of a classifier instead of the images.
        model, objective, training: settings of the recipe to change, by name.
        score: scores besides the log-density: kinds of `ebmood.density_scores.SCORES`, or their settings.
        seeds, datasets: restrict the entry to some seeds, or some data sets (by name or kind).
    """

    method: str
    variant: Annotated[tuple[VariantName, ...], ListOrValue, Field(min_length=1)] = ("corrected",)
    gamma: Annotated[tuple[Weight | None, ...], ListOrValue, Field(min_length=1)] = (None,)
    bottleneck: Annotated[tuple[ChannelFraction | None, ...], ListOrValue, Field(min_length=1)] = (None,)
    embedding: Annotated[tuple[bool, ...], ListOrValue, Field(min_length=1)] = (False,)
    model: dict[str, Any] | None = None
    objective: dict[str, Any] | None = None
    training: dict[str, Any] | None = None
    score: Annotated[tuple[Any, ...], ListOrValue, Field(min_length=1)] = ("log-density",)
    seeds: Seeds | None = None
    datasets: Annotated[tuple[str, ...], ListOrValue] | None = None


class RatioEntry(LikelihoodRatio):
    """A likelihood ratio under `score`, with the background model.

    Attributes:
        background: an entry as under `recipes` that gives one recipe; None for the recipe of the model.
    """

    kind: Literal["likelihood-ratio"] = "likelihood-ratio"
    background: Any = None

    @property
    def score(self) -> LikelihoodRatio:
        """The settings without the background model."""
        return LikelihoodRatio.model_validate(self.model_dump(exclude={"background"}))


class DetectorEntry(Settings):
    """An entry under `recipes` that names a scikit-learn or PyOD detector by its import path."""

    detector: str
    parameters: dict[str, Any] = Field(default={})
    seeds: Seeds | None = None
    datasets: Annotated[tuple[str, ...], ListOrValue] | None = None


class StudyFile(Settings):
    """The top level of a study file. The entries of the two lists are validated one by one afterwards.

    Attributes:
        title: title of the results; the name of the file if empty.
        datasets, recipes: entries of the two lists.
        seeds: seeds of entries without their own.
        selection: see `ebmood.study.cell.Cell`.
        embedding: classifier whose features recipes with `embedding: true` learn from. The scores of a
            `Classifier` are also the baselines `max-softmax` and `logsumexp`.
    """

    title: str = ""
    datasets: Annotated[list[Any], ListOrValue, Field(min_length=1)]
    seeds: Seeds = (0, 1, 2, 3, 4)
    selection: Literal["last", "paper"] = "last"
    embedding: Embedding = Classifier()
    recipes: Annotated[list[Any], ListOrValue, Field(min_length=1)]


class ImageFiles(Settings):
    """Options about the image files of this machine, which a study file need not contain.

    Attributes:
        data: data folder; replaces the one of the study file and EBMOOD_DATA. None for those.
        download: whether torchvision may download missing image sets.
        skip_corrupt: skip damaged images and count them in a note.
        skip_missing: list missing natural OOD sets as absent instead of raising an error.
    """

    data: str | None = None
    download: bool = False
    skip_corrupt: bool = False
    skip_missing: bool = False

    @property
    def folder(self) -> Path:
        """The data folder: `data`, or EBMOOD_DATA, or `~/.cache/ebmood/data`."""
        return Path(self.data or os.environ.get("EBMOOD_DATA") or "~/.cache/ebmood/data").expanduser()

    def applied(self, source: AnySource) -> AnySource:
        """Return an image source with these options; return other sources unchanged."""
        if not isinstance(source, ImageSource):
            return source
        changes = {name: value for name, value in self.model_dump(exclude={"skip_missing"}).items() if value}
        changes |= {"missing": "note"} if self.skip_missing else {}
        return source.updated(**changes) if changes else source
