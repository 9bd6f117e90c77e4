"""Study files: YAML that lists data sets, recipes and seeds, and the cells that result from them.

A complete study file::

    title: Is score matching hurt by supervision?
    datasets:                          # a bare word is a kind with its default settings
      - segment
      - {kind: table, path: pumps.csv, label_column: state, hold_out: [broken]}
    seeds: 5                           # 0 to 4, or a list
    selection: last                    # or `paper`: checkpoints are selected on OOD rows (a leak)
    recipes:                           # lists under `variant` and `gamma` make a grid; equal recipes run once
      - {method: ssm, variant: [paper, corrected], gamma: [null, 1]}
      - {method: cd, gamma: 1, seeds: 3, training: {steps: 2000, warmup: 500}, datasets: segment}
      - {detector: sklearn.mixture.GaussianMixture, parameters: {n_components: 10}}
      - {method: spline, score: [log-density, typicality, {kind: waic, models: 3}]}
      - radial

Relative paths are relative to the study file; those of a preset are relative to the data folder.
"""

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from importlib import resources
from itertools import product
from pathlib import Path
from typing import Any, Literal, TypeVar, cast

from pydantic import ValidationError

from ebmood.core.errors import DegenerateObjectiveWarning, EbmoodError, warn
from ebmood.data import DATASETS, AnySource
from ebmood.data.dataset import Dataset
from ebmood.density_scores import CombinedScore
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
from ebmood.study.schema import DetectorEntry, ImageFiles, MethodEntry, StudyFile
from ebmood.study.score_entries import read_scores, scored_recipes
from ebmood.study.sweeps import distinctions
from ebmood.study.yaml_document import KeyPath, YamlDocument, shown, suggestion

Made = TypeVar("Made")
Device = Literal["auto", "cpu", "cuda"]
_TABLES = {".csv", ".parquet", ".npz"}
"""Suffixes of tables; a study file may end in `.txt`, as some tables do."""

SECTIONS = ("model", "objective", "training")
"""Parts of a recipe whose settings an entry may change."""


@dataclass(frozen=True)
class Task:
    """A cell with its key and its name in messages."""

    cell: Cell
    key: str
    name: str


@dataclass(frozen=True)
class Study:
    """The cells of a study file.

    Attributes:
        name: name of the preset or of the file.
        title: title of the results.
        tasks: distinct cells, ordered by data set, seed and entry of the file.
        seeds: seeds of each data set, by its name.
    """

    name: str
    title: str
    tasks: tuple[Task, ...]
    seeds: Mapping[str, tuple[int, ...]] = field(default_factory=dict)


@dataclass(frozen=True)
class LoadedSource:
    """A source with its data set."""

    source: AnySource
    dataset: Dataset

    @property
    def names(self) -> set[str]:
        """The words that may name it under `datasets` of a recipe."""
        return {self.dataset.name, self.source.kind}


def presets() -> dict[str, Path]:
    """Return the study files that ship with the package, by name."""
    folder = resources.files("ebmood.study") / "presets"
    files = sorted(Path(str(file)) for file in folder.iterdir() if file.name.endswith(".yaml"))
    return {file.stem: file for file in files}


def preset_title(file: Path) -> str:
    """Return the title of a study file without loading its data."""
    return YamlDocument(file).data.get("title", "")


def load_study(name_or_file: str, device: Device = "cpu", files: ImageFiles | None = None) -> Study:
    """Read a preset or a study file, load its data and lay out its cells.

    Args:
        name_or_file: name of a preset, or path of a YAML file.
        device: device of the training.
        files: options about image files.

    Warns:
        DegenerateObjectiveWarning: a recipe cannot learn a density.
        FutureWarning: the file uses a name of version 0.1.

    Raises:
        EbmoodError: the preset or file does not exist; or an error in the file or its data, with its location.
    """
    path = _find(name_or_file)
    document = YamlDocument(path)
    file = document.validate(StudyFile, document.data, ())
    options = files or ImageFiles()
    sources = [
        _load_source(document, entry, ("datasets", i), options) for i, entry in enumerate(file.datasets)
    ]
    plans = [
        plan
        for i, entry in enumerate(file.recipes)
        for plan in _recipe_plans(document, entry, ("recipes", i), sources, file)
    ]
    tasks: dict[str, Task] = {}
    for task in _tasks(sources, plans, file, device):
        tasks.setdefault(task.key, task)
    if not tasks:
        raise EbmoodError(f"{path}: the study has no cells; its recipes name none of its data sets")
    _warn_of_degenerate(task.cell.recipe for task in tasks.values())
    seeds = _seeds_by_dataset(sources, plans)
    return Study(path.stem, file.title or path.stem, _distinguished(tasks.values()), seeds)


@dataclass(frozen=True)
class _RecipePlan:
    """One recipe of an entry, with its seeds and the data sets that it applies to.

    Attributes:
        recipe: the recipe.
        seeds: its seeds.
        datasets: names of its data sets, or None for all.
        shape: shape of the rows that it is made for, or None if it does not depend on the shape.
    """

    recipe: Recipe
    seeds: tuple[int, ...]
    datasets: tuple[str, ...] | None
    shape: tuple[int, ...] | None

    def covers(self, source: LoadedSource) -> bool:
        if self.shape is not None and source.dataset.x.shape[1:] != self.shape:
            return False
        return _is_selected(source, self.datasets)


def _is_selected(source: LoadedSource, datasets: tuple[str, ...] | None) -> bool:
    return datasets is None or not source.names.isdisjoint(datasets)


def _find(name_or_file: str) -> Path:
    known = presets()
    if name_or_file in known:
        return known[name_or_file]
    path = Path(name_or_file)
    if path.exists() and path.suffix.lower() in _TABLES:
        example = f"{{kind: table, path: {name_or_file}}}"
        raise EbmoodError(
            f"{path}: is a table, not a study file; name it under `datasets` of a study file, as {example}"
        )
    if path.exists():
        return path
    if path.suffix:
        raise EbmoodError(f"{path}: no such file; correct the path, or name a preset: {', '.join(known)}")
    raise EbmoodError(f"{name_or_file}: neither a preset nor a file{suggestion(name_or_file, known)}")


def _tasks(
    sources: Sequence[LoadedSource], plans: Sequence[_RecipePlan], file: StudyFile, device: Device
) -> Iterator[Task]:
    """Yield the cells seed by seed, so that an interrupted study has complete seeds to compare."""
    seeds = sorted({seed for plan in plans for seed in plan.seeds})
    kept = {
        member.digest()
        for plan in plans
        if plan.recipe.combination
        for member in plan.recipe.combination.members
    }
    # Members run first, so that their weights are in the cache when a combination needs them.
    ordered = sorted(plans, key=lambda plan: plan.recipe.combination is not None)
    for source, seed, plan in product(sources, seeds, ordered):
        if seed in plan.seeds and plan.covers(source):
            cell = Cell(
                dataset=source.source,
                recipe=plan.recipe,
                seed=seed,
                selection=file.selection,
                device=device,
                keep=plan.recipe.digest() in kept,
            )
            yield Task(cell, cell_key(cell), f"{source.dataset.name}, {plan.recipe.label}, seed {seed}")


def _distinguished(tasks: Collection[Task]) -> tuple[Task, ...]:
    """Return the tasks with the settings in their names in which recipes of one label differ."""
    labels: dict[str, dict[str, Recipe]] = {}
    for task in tasks:
        recipe = task.cell.recipe
        labels.setdefault(task.name, {})[recipe.digest()] = recipe
    names: dict[tuple[str, str], str] = {}
    for name, recipes in labels.items():
        if len(recipes) > 1:
            texts = distinctions([recipe.model_dump(mode="json") for recipe in recipes.values()])
            head, _, seed = name.rpartition(", seed ")
            names |= {
                (name, key): f"{head} {text}".rstrip() + f", seed {seed}"
                for key, text in zip(recipes, texts, strict=True)
            }
    return tuple(
        replace(task, name=names.get((task.name, task.cell.recipe.digest()), task.name)) for task in tasks
    )


def _seeds_by_dataset(
    sources: Sequence[LoadedSource], plans: Sequence[_RecipePlan]
) -> dict[str, tuple[int, ...]]:
    seeds: dict[str, set[int]] = {}
    for source, plan in product(sources, plans):
        if plan.covers(source):
            seeds.setdefault(source.dataset.name, set()).update(plan.seeds)
    return {name: tuple(sorted(members)) for name, members in seeds.items()}


def _warn_of_degenerate(recipes: Iterable[Recipe]) -> None:
    labels: dict[str, dict[str, None]] = {}
    for recipe in recipes:
        if recipe.degenerate:
            labels.setdefault(recipe.degenerate, {})[recipe.label] = None
    for reason, names in labels.items():
        warn(f"{', '.join(names)}: {reason}", DegenerateObjectiveWarning)


def _load_source(document: YamlDocument, entry: Any, key_path: KeyPath, files: ImageFiles) -> LoadedSource:
    classes = {source.model_fields["kind"].default: source for source in DATASETS}
    if isinstance(entry, str):
        entry = {"kind": entry}
    if not isinstance(entry, dict) or not isinstance(entry.get("kind"), str):
        document.fail(key_path, f"a data set is a kind, or keys with a `kind`{suggestion('', classes)}")
    if entry["kind"] not in classes:
        if Path(str(entry["kind"])).suffix:
            document.fail(
                key_path, f"{entry['kind']!r} is not a kind; write {{kind: table, path: {entry['kind']}}}"
            )
        known = suggestion(str(entry["kind"]), classes)
        document.fail(key_path, f"unknown data set {entry['kind']!r}{known}")
    model = classes[entry["kind"]]
    is_preset = document.path in presets().values()
    folder = files.folder if is_preset else document.path.parent
    paths = {key: _relative_to(folder, value) for key, value in entry.items() if key in ("path", "source")}
    paths |= {key: str(folder / entry[key]) for key in ("data", "cache") if entry.get(key)}
    source = files.applied(cast(AnySource, document.validate(model, entry | paths, key_path)))
    if is_preset:  # its file is not the user's, so its lines are of no help
        return LoadedSource(source, load(source))
    return LoadedSource(source, _at(document, key_path, lambda: load(source)))


def _relative_to(folder: Path, value: Any) -> Any:
    """Return a path with a suffix relative to `folder`; other values, such as `openml`, are unchanged."""
    return str(folder / value) if isinstance(value, str) and Path(value).suffix else value


def _recipe_plans(
    document: YamlDocument, entry: Any, key_path: KeyPath, sources: Sequence[LoadedSource], file: StudyFile
) -> Iterator[_RecipePlan]:
    if isinstance(entry, str):
        entry = {"method": entry}
    if isinstance(entry, dict) and "detector" in entry:
        checked = document.validate(DetectorEntry, entry, key_path)
        make = partial(external_detector, checked.detector, checked.parameters)
        recipes = [(None, _at(document, key_path, make))]
    else:
        checked = document.validate(MethodEntry, entry, key_path)
        _check_method(document, checked, key_path)
        shapes = {s.dataset.x.shape[1:] for s in sources if _is_selected(s, checked.datasets)}
        recipes = [
            (shape, recipe)
            for shape in sorted(shapes)
            for recipe in _scored(document, checked, key_path, shape, sources, file)
        ]
    _check_datasets(document, checked.datasets, key_path, sources)
    for shape, recipe in recipes:
        plan = _RecipePlan(recipe, checked.seeds or file.seeds, checked.datasets, shape)
        _check_labels(document, plan, key_path, sources)
        yield plan


def _check_method(document: YamlDocument, entry: MethodEntry, key_path: KeyPath) -> None:
    known = {**METHODS, **IMAGE_METHODS}
    if entry.method not in known:
        message = f"unknown method {entry.method!r}{suggestion(entry.method, known)}"
        document.fail((*key_path, "method"), message)


def _check_datasets(
    document: YamlDocument,
    datasets: tuple[str, ...] | None,
    key_path: KeyPath,
    sources: Sequence[LoadedSource],
) -> None:
    known = sorted({name for source in sources for name in source.names})
    for name in datasets or ():
        if name not in known:
            message = f"{name!r} is not a data set of this study{suggestion(name, known)}"
            document.fail((*key_path, "datasets"), message)


def _check_labels(
    document: YamlDocument, plan: _RecipePlan, key_path: KeyPath, sources: Sequence[LoadedSource]
) -> None:
    for source in sources:
        dataset = source.dataset
        if plan.recipe.gamma is not None and plan.covers(source) and len(dataset.classes) < 2:
            reason = "has no labels" if dataset.y is None else "has one class only"
            message = f"supervision needs two classes or more; the data set {dataset.name!r} {reason}"
            document.fail((*key_path, "gamma"), message)


def _recipes(
    document: YamlDocument,
    entry: MethodEntry,
    key_path: KeyPath,
    shape: tuple[int, ...],
    embedding: Embedding,
) -> Iterator[Recipe]:
    """Yield the recipes of an entry's grid for rows of one shape."""
    classifier = embedding if isinstance(embedding, Classifier) else None
    grid = product(entry.variant, entry.gamma, entry.bottleneck, entry.embedding)
    for variant, gamma, bottleneck, embeds in grid:
        features = embedding if embeds else None
        make = partial(recipe_for, entry.method, variant, gamma, shape, bottleneck, features, classifier)
        recipe = _at(document, key_path, make)
        for section in SECTIONS:
            changes = getattr(entry, section)
            if changes:
                recipe = _overridden(document, recipe, section, changes, (*key_path, section))
        yield recipe


def _scored(
    document: YamlDocument,
    entry: MethodEntry,
    key_path: KeyPath,
    shape: tuple[int, ...],
    sources: Sequence[LoadedSource],
    file: StudyFile,
) -> Iterator[Recipe]:
    """Yield the recipes of an entry with their scores, and those of scores of several models."""
    scores = read_scores(document, entry.score, key_path)

    def background(value: Any, place: KeyPath) -> Recipe:
        checked = document.validate(
            MethodEntry, {"method": value} if isinstance(value, str) else value, place
        )
        _check_method(document, checked, place)
        for source in sources:
            covered = _is_selected(source, entry.datasets) and source.dataset.x.shape[1:] == shape
            if covered and not _is_selected(source, checked.datasets):
                message = f"the background model is trained on other data, not on {source.dataset.name!r}"
                document.fail((*place, "datasets"), f"{message}; remove the key 'datasets'")
        seeds = entry.seeds or file.seeds
        if checked.seeds and not set(seeds) <= set(checked.seeds):
            document.fail(
                (*place, "seeds"), "the background model needs the seeds of its model; remove the key"
            )
        if checked.score != MethodEntry(method="").score:
            document.fail((*place, "score"), "a background model has no scores of its own; remove the key")
        made = list(_recipes(document, checked, place, shape, file.embedding))
        if len(made) != 1:
            document.fail(place, f"a background model is one recipe, not {len(made)}; remove the lists")
        return made[0]

    if file.selection == "paper":
        for score, place in scores:
            if isinstance(score, CombinedScore):
                message = (
                    f"score {score.kind!r} is not available with `selection: paper`; write `selection: last`"
                )
                document.fail(place, message)
    for recipe in _recipes(document, entry, key_path, shape, file.embedding):
        yield from scored_recipes(document, scores, recipe, shape, background)


def _overridden(
    document: YamlDocument, recipe: Recipe, section: str, changes: dict[str, Any], key_path: KeyPath
) -> Recipe:
    settings = getattr(recipe, section)
    if settings is None:
        document.fail(key_path, f"the method {recipe.method!r} has no {section} settings; remove the key")
    overrides = dict.fromkeys(SECTIONS) | {section: changes}
    try:
        return _at(document, key_path, lambda: recipe.overridden(**overrides))
    except ValidationError as error:
        if any(detail["loc"] == ("kind",) for detail in error.errors()):
            message = f"{shown(changes['kind'])}: the method {recipe.method!r} has the kind {settings.kind!r}"
            document.fail((*key_path, "kind"), f"{message}; remove the key, or choose another method")
        document.fail_validation(error, type(settings), key_path)


def _at(document: YamlDocument, key_path: KeyPath, make: Callable[[], Made]) -> Made:
    """Return `make()`. An `EbmoodError` gets the location of `key_path`."""
    try:
        return make()
    except EbmoodError as error:
        document.fail(key_path, str(error))
