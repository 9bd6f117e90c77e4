"""The study file: YAML that lists data sets, recipes and seeds, and the cells that it asks for.

A study file, in full::

    title: Is score matching hurt by supervision?
    datasets:                          # a bare word is a kind with its default settings
      - segment
      - {kind: table, path: pumps.csv, label_column: state, hold_out: [broken]}
    seeds: 5                           # 0 to 4, or a list
    selection: last                    # or `paper`: the leak, by name
    recipes:                           # lists under `variant` and `gamma` make a grid; equal recipes run once
      - {method: ssm, variant: [paper, sound], gamma: [null, 1]}
      - {method: cd, gamma: 1, seeds: 3, training: {steps: 2000}, datasets: segment}
      - {detector: sklearn.mixture.GaussianMixture, parameters: {n_components: 10}}
      - radial

Relative paths are relative to the study file.
"""

import warnings
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from importlib import resources
from itertools import product
from pathlib import Path
from typing import Any, Literal, cast

from pydantic import ValidationError

from ebmood.core.errors import DegenerateObjectiveWarning, EbmoodError
from ebmood.data import DATASETS, AnySource
from ebmood.data.dataset import Dataset
from ebmood.recipes import (
    IMAGE_METHODS,
    METHODS,
    Classifier,
    Embedding,
    Recipe,
    external_detector,
    recipe_for,
)
from ebmood.study.cell import Cell, cell_key, load
from ebmood.study.document import Document, Place, nearest
from ebmood.study.entries import DetectorEntry, ImageFiles, MethodEntry, StudyFile

Device = Literal["auto", "cpu", "cuda"]


@dataclass(frozen=True)
class Task:
    """One cell, with the key of its record and the name that people read."""

    cell: Cell
    key: str
    name: str


@dataclass(frozen=True)
class Study:
    """What a study file asks for.

    Attributes:
        name: the preset's, or the file's.
        title: of the results.
        tasks: its distinct cells, seed by seed, in the order of the file.
        seeds: of each data set, by its name.
    """

    name: str
    title: str
    tasks: tuple[Task, ...]
    seeds: Mapping[str, tuple[int, ...]] = field(default_factory=dict)


def presets() -> dict[str, Path]:
    """The study files that ship with the package, by name."""
    folder = resources.files("ebmood.study") / "presets"
    files = sorted(Path(str(file)) for file in folder.iterdir() if file.name.endswith(".yaml"))
    return {file.stem: file for file in files}


def preset_title(file: Path) -> str:
    """The title of a study file, without its data."""
    return Document(file).data.get("title", "")


def load_study(name_or_file: str, device: Device = "cpu", files: ImageFiles | None = None) -> Study:
    """Read a preset or a study file, load its data and lay out its cells.

    Args:
        name_or_file: a preset's name, or the path of a YAML file.
        device: where cells train.
        files: where images are on this machine.

    Warns:
        DegenerateObjectiveWarning: a recipe cannot learn a density.

    Raises:
        EbmoodError: no such preset or file; or what is wrong in the file or its data, and where.
    """
    known = presets()
    path = Path(name_or_file)
    if name_or_file in known:
        path = known[name_or_file]
    elif not path.exists():
        raise EbmoodError(f"{name_or_file}: neither a preset nor a file{nearest(name_or_file, known)}")
    document = Document(path)
    file = document.checked(StudyFile, document.data, ())
    where = files or ImageFiles()
    sources = [_read_source(document, entry, ("datasets", i), where) for i, entry in enumerate(file.datasets)]
    plans = [
        plan
        for i, entry in enumerate(file.recipes)
        for plan in _plans(document, entry, ("recipes", i), sources, file.embedding)
    ]
    tasks: dict[str, Task] = {}
    seeds: dict[str, set[int]] = {}
    for source, dataset in sources:
        # Seed by seed, so that an interrupted study has whole rows to compare.
        for seed in sorted({seed for plan in plans for seed in plan.seeds or file.seeds}):
            for plan in plans:
                if seed in (plan.seeds or file.seeds) and plan.covers(source, dataset):
                    cell = Cell(
                        dataset=source, recipe=plan.recipe, seed=seed, selection=file.selection, device=device
                    )
                    key = cell_key(cell)
                    seeds.setdefault(dataset.name, set()).add(seed)
                    tasks.setdefault(
                        key, Task(cell, key, f"{dataset.name}, {plan.recipe.label}, seed {seed}")
                    )
    degenerate: dict[str, dict[str, None]] = {}
    for recipe in (task.cell.recipe for task in tasks.values()):
        if recipe.degenerate:
            degenerate.setdefault(recipe.degenerate, {})[recipe.label] = None
    for why, labels in degenerate.items():
        warnings.warn(f"{', '.join(labels)}: {why}", DegenerateObjectiveWarning, stacklevel=2)
    if not tasks:
        raise EbmoodError(f"{path}: the study holds no cell; its recipes name none of its data sets")
    in_order = {name: tuple(sorted(some)) for name, some in seeds.items()}
    return Study(path.stem, file.title or path.stem, tuple(tasks.values()), in_order)


@dataclass(frozen=True)
class _Plan:
    """One recipe of an entry, and where it is wanted: by name, and by the shape of rows if it depends on that."""

    recipe: Recipe
    seeds: tuple[int, ...] | None
    datasets: tuple[str, ...] | None
    shape: tuple[int, ...] | None

    def covers(self, source: AnySource, dataset: Dataset) -> bool:
        if self.shape is not None and dataset.x.shape[1:] != self.shape:
            return False
        return self.datasets is None or not _names(source, dataset).isdisjoint(self.datasets)


def _names(source: AnySource, dataset: Dataset) -> set[str]:
    return {dataset.name, source.kind}


def _read_source(
    document: Document, entry: Any, place: Place, files: ImageFiles
) -> tuple[AnySource, Dataset]:
    classes = {source.model_fields["kind"].default: source for source in DATASETS}
    if isinstance(entry, str):
        entry = {"kind": entry}
    if not isinstance(entry, dict) or "kind" not in entry:
        document.refuse(place, f"a data set is a kind, or keys with a `kind`{nearest('', classes)}")
    if entry["kind"] not in classes:
        document.refuse(place, f"unknown data set {entry['kind']!r}{nearest(str(entry['kind']), classes)}")
    model = classes[entry["kind"]]
    beside = {key: _beside(document.path, value) for key, value in entry.items() if key in ("path", "source")}
    beside |= {key: str(document.path.parent / entry[key]) for key in ("data", "cache") if entry.get(key)}
    source = files.applied(cast(AnySource, document.checked(model, entry | beside, place)))
    return source, load(source)


def _beside(file: Path, value: Any) -> Any:
    """A relative path in a study file, seen from here; words like `openml` stay."""
    looks_like_a_path = isinstance(value, str) and Path(value).suffix
    return str(file.parent / value) if looks_like_a_path else value


def _plans(
    document: Document,
    entry: Any,
    place: Place,
    sources: list[tuple[AnySource, Dataset]],
    embedding: Embedding,
) -> Iterator[_Plan]:
    if isinstance(entry, str):
        entry = {"method": entry}
    if isinstance(entry, dict) and "detector" in entry:
        checked = document.checked(DetectorEntry, entry, place)
        detector = _named(document, place, lambda: external_detector(checked.detector, checked.parameters))
        recipes = [(None, detector)]
    else:
        checked = document.checked(MethodEntry, entry, place)
        every = {**METHODS, **IMAGE_METHODS}
        if checked.method not in every:
            unknown = f"unknown method {checked.method!r}{nearest(checked.method, every)}"
            document.refuse((*place, "method"), unknown)
        shapes = {
            dataset.x.shape[1:]
            for source, dataset in sources
            if checked.datasets is None or not _names(source, dataset).isdisjoint(checked.datasets)
        }
        recipes = [
            (shape, recipe)
            for shape in sorted(shapes)
            for recipe in _recipes(document, checked, place, shape, embedding)
        ]
    known = sorted({name for source in sources for name in _names(*source)})
    for word in checked.datasets or ():
        if word not in known:
            document.refuse(
                (*place, "datasets"), f"{word!r} is none of this study's data sets{nearest(word, known)}"
            )
    for shape, recipe in recipes:
        plan = _Plan(recipe, checked.seeds, checked.datasets, shape)
        for source, dataset in sources:
            if recipe.gamma is not None and plan.covers(source, dataset) and len(dataset.classes) < 2:
                reason = "has no labels" if dataset.y is None else "has one class only"
                document.refuse(
                    (*place, "gamma"),
                    f"supervision needs two classes or more; the data set {dataset.name!r} {reason}",
                )
        yield plan


def _recipes(
    document: Document, entry: MethodEntry, place: Place, shape: tuple[int, ...], embedding: Embedding
) -> Iterator[Recipe]:
    classifier = embedding if isinstance(embedding, Classifier) else None
    for variant, gamma, bottleneck, embeds in product(
        entry.variant, entry.gamma, entry.bottleneck, entry.embedding
    ):
        chosen = embedding if embeds else None
        make = partial(recipe_for, entry.method, variant, gamma, shape, bottleneck, chosen, classifier)
        recipe = _named(document, place, make)
        for section in ("model", "objective", "training"):
            changes = getattr(entry, section)
            if changes:
                recipe = _overridden(document, recipe, section, changes, (*place, section))
        yield recipe


def _overridden(
    document: Document, recipe: Recipe, section: str, changes: dict[str, Any], place: Place
) -> Recipe:
    settings = getattr(recipe, section)
    if settings is None:
        document.refuse(place, f"the method {recipe.method!r} has no {section} settings; remove the key")
    wanted = dict.fromkeys(("model", "objective", "training")) | {section: changes}
    try:
        return _named(document, place, lambda: recipe.overridden(**wanted))
    except ValidationError as error:
        document.explain(error, type(settings), place)


def _named(document: Document, place: Place, make: Any) -> Any:
    """What `make` returns; an `EbmoodError` on the way is given its place in the file."""
    try:
        return make()
    except EbmoodError as error:
        document.refuse(place, str(error))
