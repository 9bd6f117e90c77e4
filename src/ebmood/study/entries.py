"""What may stand in a study file: its top level, the entries of its lists, and where a machine has its images."""

from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, NonNegativeInt

from ebmood.core.settings import Settings
from ebmood.data import AnySource
from ebmood.data.images import ImageSource
from ebmood.recipes import Classifier, Embedding


def _listed(value: Any) -> Any:
    return value if isinstance(value, list | tuple) else (value,)


def _counted(value: Any) -> Any:
    if isinstance(value, int) and not isinstance(value, bool):
        if value < 1:
            raise ValueError("is no number of seeds; write 1 or more, or a list of seeds")
        return tuple(range(value))
    return value


Seeds = Annotated[tuple[NonNegativeInt, ...], BeforeValidator(_counted), Field(min_length=1)]


class MethodEntry(Settings):
    """An entry under `recipes` that names a method of `ebmood.recipes`: `METHODS`, or `IMAGE_METHODS` for images.

    Attributes:
        method: its name.
        variant, gamma, bottleneck, embedding: one value or several; several make a grid. `gamma: null` trains
            without labels, `bottleneck: null` with all channels, `embedding: false` on the data themselves.
        model, objective, training: settings to change in the recipe, by name.
        seeds, datasets: restrict the entry to some seeds, or some data sets (by name or kind).
    """

    method: str
    variant: Annotated[
        tuple[Literal["paper", "corrected"], ...], BeforeValidator(_listed), Field(min_length=1)
    ] = ("corrected",)
    gamma: Annotated[
        tuple[Annotated[float, Field(gt=0, allow_inf_nan=False)] | None, ...],
        BeforeValidator(_listed),
        Field(min_length=1),
    ] = (None,)
    bottleneck: Annotated[
        tuple[Annotated[float, Field(gt=0, le=1)] | None, ...], BeforeValidator(_listed), Field(min_length=1)
    ] = (None,)
    embedding: Annotated[tuple[bool, ...], BeforeValidator(_listed), Field(min_length=1)] = (False,)
    model: dict[str, Any] | None = None
    objective: dict[str, Any] | None = None
    training: dict[str, Any] | None = None
    seeds: Seeds | None = None
    datasets: Annotated[tuple[str, ...], BeforeValidator(_listed)] | None = None


class DetectorEntry(Settings):
    """An entry under `recipes` that names a scikit-learn or PyOD detector by its import path."""

    detector: str
    parameters: dict[str, Any] = Field(default={})
    seeds: Seeds | None = None
    datasets: Annotated[tuple[str, ...], BeforeValidator(_listed)] | None = None


class StudyFile(Settings):
    """The top level of a study file; the entries of the two lists are checked one by one after it.

    `embedding` is the classifier of images whose features recipes with `embedding: true` learn from; if it is one of
    ours, its own scores are the baselines `max-softmax` and `logsumexp`.
    """

    title: str = ""
    datasets: Annotated[list[Any], BeforeValidator(_listed), Field(min_length=1)]
    seeds: Seeds = (0, 1, 2, 3, 4)
    selection: Literal["last", "paper"] = "last"
    embedding: Embedding = Classifier()
    recipes: Annotated[list[Any], BeforeValidator(_listed), Field(min_length=1)]


class ImageFiles(Settings):
    """Where this machine has its images: what a study file need not say.

    Attributes:
        data: the data folder, in place of what the study file or EBMOOD_DATA says; None for those.
        download: whether torchvision may fetch sets that are not there.
        skip_corrupt: leave damaged images out, and note how many.
        skip_missing: list natural sets that are not there as absent.
    """

    data: str | None = None
    download: bool = False
    skip_corrupt: bool = False
    skip_missing: bool = False

    def applied(self, source: AnySource) -> AnySource:
        """The source with these in place of its own, where it is one of images."""
        if not isinstance(source, ImageSource):
            return source
        changes = {name: value for name, value in self.model_dump(exclude={"skip_missing"}).items() if value}
        changes |= {"missing": "note"} if self.skip_missing else {}
        return source.updated(**changes) if changes else source
