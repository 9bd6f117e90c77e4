"""The documentation: its code runs, its study files load, its links lead somewhere, its commands can be typed."""

import re
import runpy
import shlex
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import click
import numpy as np
import pytest
import typer
import yaml
from pydantic import TypeAdapter

import ebmood
from ebmood.cli.app import app
from ebmood.data import AnySource, Toy
from ebmood.recipes import METHODS
from ebmood.results.arms import gather
from ebmood.study.cell import Cell, run_cell
from ebmood.study.records import append_record
from ebmood.study.study_file import load_study

ROOT = Path(__file__).parent.parent
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", ROOT / "CHANGELOG.md", *(ROOT / "docs").rglob("*.md")]
WRITTEN_PAGES = sorted(set(PAGES) - set((ROOT / "docs/results").glob("*/**/*.md")))
"""The pages that people write; studies write the others."""


def blocks(page: str, language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", (ROOT / page).read_text(), re.MULTILINE | re.DOTALL)


def run(code: str, **names: object) -> dict:
    namespace = {"__name__": "shown", **names}
    exec(compile(code, "shown", "exec"), namespace)
    return namespace


@pytest.mark.parametrize("page", WRITTEN_PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_lines_of_prose_have_at_most_120_characters(page: Path):
    prose = re.sub(r"^(```.*?^```|\||!\[|    ).*?$", "", page.read_text(), flags=re.MULTILINE | re.DOTALL)
    assert [line for line in prose.splitlines() if len(line) > 120] == []


@pytest.mark.filterwarnings(
    "ignore::ebmood.core.errors.DataWarning"
)  # Segment has columns with repeated values
def test_the_example_of_the_readme_separates_noise_from_segment(capsys):
    example, detect = blocks("README.md", "python")
    run(example)
    auroc = {name: float(value) for name, value in map(str.split, capsys.readouterr().out.splitlines())}
    assert auroc.keys() >= {"sky", "uniform", "gaussian", "constant"}
    assert auroc["uniform"] > 0.9
    predictions = run(detect)["detector"].predict([[0.0, 0.0, 0.0], [6.0, 6.0, 6.0]])
    assert predictions.tolist() == [1, -1]


def test_the_examples_of_the_quick_start_run(capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    detect, compare, save = blocks("docs/index.md", "python")
    names = run(detect)
    assert (names["detector"].predict(names["new"])[5:] == -1).all()
    names = run(compare)
    auroc = {name: float(value) for name, value in map(str.split, capsys.readouterr().out.splitlines())}
    assert auroc["uniform"] > 0.9
    names = run(save, **names)
    rows = names["split"].test_x
    assert np.array_equal(names["loaded"].score_samples(rows), names["scorer"].score_samples(rows))
    near, far = names["loaded"].score_samples(names["split"].scale(names["new"]))
    assert near > far


def test_the_example_of_the_classifier_guide_gives_an_alarm_and_survives_a_file(tmp_path, monkeypatch):
    pytest.importorskip("torchvision")
    monkeypatch.chdir(tmp_path)
    watch, save, monitor = blocks("docs/guides/classifier.md", "python")
    names = run(watch)
    assert len(watch.strip().splitlines()) <= 15
    flags = names["detector"].predict(names["new"])
    assert flags[-1] == -1
    assert (flags[:-1] == 1).mean() > 0.5
    names = run(save, **names)
    assert np.array_equal(names["same"].p_values(names["new"]), names["detector"].p_values(names["new"]))
    state = run(monitor, **names)["monitor"].state
    assert (state.alarm.change, state.alarm.label) == (200, "Tuesday")


def test_the_settings_of_the_performance_page_are_valid():
    (settings,) = blocks("docs/performance.md", "python")
    assert run(settings)["objective"].chain.kind == "mala"


@pytest.mark.filterwarnings("ignore::ebmood.core.errors.DegenerateObjectiveWarning")
@pytest.mark.parametrize("page", ["docs/index.md", "docs/studies.md"])
def test_shown_study_files_load(tmp_path, page):
    rng = np.random.default_rng(0)
    states = ["good", "worn", "broken"]
    rows = "".join(f"{rng.normal():.4f},{rng.normal():.4f},{states[i % 3]}\n" for i in range(90))
    (tmp_path / "pumps.csv").write_text("pressure,flow,state\n" + rows)
    study_file, *of_images = blocks(page, "yaml")
    (tmp_path / "pumps.yaml").write_text(study_file)
    study = load_study(str(tmp_path / "pumps.yaml"))
    assert {task.cell.recipe.method for task in study.tasks} >= {"ssm"}
    for block in of_images:  # their data are not available here
        for entry in yaml.safe_load(block)["datasets"]:
            TypeAdapter(AnySource).validate_python({"kind": entry} if isinstance(entry, str) else entry)


def test_a_table_of_your_own_reads_records(tmp_path, monkeypatch, capsys):
    record = run_cell(Cell(dataset=Toy(rows=200), recipe=METHODS["knn"]("corrected", None), seed=3))
    append_record(tmp_path / "ebmood-quick" / "records.jsonl", record)
    monkeypatch.chdir(tmp_path)
    reading, table = blocks("docs/studies.md", "python")
    run(reading)
    assert f"knn both None 3 background {record.results[0].auroc}" in capsys.readouterr().out
    markdown = run(table)["time_table"](gather([record])).markdown()
    assert f"| {record.seconds:.1f} |" in markdown


@pytest.mark.slow
def test_the_figures_of_the_pages_can_be_drawn_again(tmp_path, monkeypatch):
    folder = ROOT / "docs/figures"
    for script, options in (("concepts.py", ["--steps", "20"]), ("memory.py", []), ("tables.py", [])):
        monkeypatch.setattr(sys, "argv", [script, *options, "--folder", str(tmp_path)])
        runpy.run_path(str(folder / script), run_name="__main__")
    drawn = {file.name for file in tmp_path.glob("*.png")}
    assert drawn == {file.name for file in folder.glob("*.png")}


def layers() -> list[str]:
    """Return the layers of the package as import-linter has them, from the lowest to the highest."""
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"]
    (contract,) = [contract for contract in contracts if contract.get("containers") == ["ebmood"]]
    return contract["layers"][::-1]


def test_the_architecture_page_has_the_layers_that_are_checked():
    page = (ROOT / "docs/architecture.md").read_text()
    assert f"form {len(layers())} layers" in page
    (chain,) = re.findall(r"^    (core -> .*?)\n\n", page, re.MULTILINE | re.DOTALL)
    assert [layer.strip() for layer in chain.split("->")] == layers()
    rows = re.findall(r"^\| (\d+) \| `(\w+)` \|", page, re.MULTILINE)
    expected = [(str(n), name) for n, layer in enumerate(layers(), 1) for name in layer.split(" | ")]
    assert rows == expected


def test_the_modules_that_the_architecture_page_names_exist():
    page = (ROOT / "docs/architecture.md").read_text()
    modules = set(re.findall(r"`((?:\w+/)+(?:\w+\.py)?)`", page)) - {"tables/", "figures/"}
    assert len(modules) > 25
    assert [name for name in sorted(modules) if not (ROOT / "src/ebmood" / name).exists()] == []


@pytest.mark.parametrize(
    ("question", "code"),
    [
        ("the SGLD update", "alpha=self.step_size"),
        ("gamma in the loss", "self.gamma *"),
        ("the p-value", "def p_values"),
        ("the probes of tables", '"uniform"'),
        ("the logsumexp of the logits", "torch.logsumexp"),
        ("the energy of the detector", "class MemoryEnergy"),
        ("the cost of another category", "class MismatchCosts"),
        ("what is wrong in a photo", "class PatchMemory"),
    ],
)
def test_each_question_of_the_architecture_page_has_one_file_as_answer(question, code):
    (name,) = re.findall(
        rf"^\| {question} \| `(.+)` \|$", (ROOT / "docs/architecture.md").read_text(), re.MULTILINE
    )
    assert code in (ROOT / "src/ebmood" / name).read_text()


def test_the_api_reference_lists_every_public_name():
    page = (ROOT / "docs/api/index.md").read_text()
    missing = [name for name in ebmood.__all__ if not re.search(rf"`(ebmood\.)?{name}`", page)]
    assert missing == []


@pytest.mark.parametrize(
    "package", ["density_scores", "models", "networks", "objectives", "samplers", "scores"]
)
def test_the_api_reference_shows_every_module_of_the_reference(package):
    documented = re.findall(r"^::: ([\w.]+)$", (ROOT / f"docs/api/{package}.md").read_text(), re.MULTILINE)
    files = (ROOT / "src/ebmood" / package).rglob("*.py")
    modules = [file.relative_to(ROOT / "src").with_suffix("") for file in files if file.name != "__init__.py"]
    assert sorted(documented) == sorted(".".join(module.parts) for module in modules)


def test_the_site_shows_every_page():
    def files(entries: list) -> Iterator[str]:
        for entry in entries:
            (value,) = entry.values()
            yield from [value] if isinstance(value, str) else files(value)

    site = tomllib.loads((ROOT / "zensical.toml").read_text())["project"]
    listed = list(files(site["nav"]))
    folder = ROOT / "docs"
    pages = [page.relative_to(folder).as_posix() for page in WRITTEN_PAGES if page.is_relative_to(folder)]
    assert sorted(listed) == sorted(pages)


def test_the_changelog_starts_with_the_version_of_the_package():
    version = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
    heading, *_ = re.findall(r"^## ([\d.]+)", (ROOT / "CHANGELOG.md").read_text(), re.MULTILINE)
    assert heading == version


def test_lists_follow_an_empty_line():
    """GitHub needs none, but the site would show such a list as part of the paragraph above."""
    wrong = [
        f"{page.name}: {line}"
        for page in WRITTEN_PAGES
        for line in re.findall(r"^(?![-*|#> ])[^\n]+\n(- .+)$", prose(page), re.MULTILINE)
    ]
    assert wrong == []


def prose(page: Path) -> str:
    return re.sub(r"^```.*?^```", "", page.read_text(), flags=re.MULTILINE | re.DOTALL)


def anchors(page: Path) -> set[str]:
    """Return the anchors that GitHub gives to the headings of a page."""
    headings = re.findall(r"^#+ (.+)$", prose(page), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def test_links_between_pages_lead_somewhere():
    checked = 0
    for page in PAGES:
        for target, anchor in re.findall(r"\]\(([^)#:\s]*)(?:#([^)]+))?\)", prose(page)):
            file = page.parent / target if target else page
            assert file.exists(), f"{page.name}: {target}"
            assert not anchor or anchor in anchors(file), f"{page.name}: {target}#{anchor}"
            checked += bool(anchor)
    assert checked > 2


COMMAND = r"(?:ebmood|python (?:benchmarks|docs)/\S+|just)"


def shown_commands() -> Iterator[tuple[str, str]]:
    """Return every `ebmood ...`, `python ...` and `just ...` of the pages and of help texts, with its file."""
    texts = {page.name: page.read_text() for page in PAGES}
    for folder in ("src/ebmood/cli", "benchmarks", "docs/figures"):
        texts |= {path.name: path.read_text() for path in (ROOT / folder).glob("*.py")}
    for name, text in texts.items():
        joined = re.sub(r"\\\n\s*", " ", text)
        in_lines = rf"^(?: {{4}}|\$ |(?=ebmood |python |just ))(?:\w+=\S+ )?({COMMAND} .+)$"
        for line in re.findall(in_lines, joined, re.MULTILINE):
            yield name, re.split(r"\s{3,}|\s#|\s\||\s<", line)[0]
        for command in re.findall(rf"`({COMMAND} [^`\n]+)`", text):
            yield name, command


def refusal(command: str) -> str | None:
    """Return why a documented command would be refused, or None. Nothing runs."""
    tool, *words = shlex.split(re.sub(r"[\[\]]|\.\.\.", "", re.sub(r"(\S)\|\S+", r"\1", command)))
    if tool == "just":
        recipes = re.findall(r"^([a-z]\S*).*:$", (ROOT / "justfile").read_text(), re.MULTILINE)
        return None if words[0] in recipes else f"no recipe {words[0]}"
    if tool == "python":
        script = ROOT / words[0]
        options = re.findall(r'"(--[a-z-]+)"', script.read_text()) if script.exists() else []
        return next((word for word in words[1:] if word.startswith("--") and word not in options), None)
    group = typer.main.get_command(app)
    root = click.Context(group, info_name="ebmood")
    if words[0].startswith("-"):
        return None if any(words[0] in parameter.opts for parameter in group.get_params(root)) else words[0]
    inner = group.get_command(root, words[0])  # type: ignore[attr-defined]
    if inner is None:
        return f"no command {words[0]}"
    parameters = inner.get_params(click.Context(inner))
    known = {option for parameter in parameters for option in (*parameter.opts, *parameter.secondary_opts)}
    return next((word for word in words[1:] if re.match("--?[a-z]", word) and word not in known), None)


def test_shown_commands_can_be_typed():
    commands = list(shown_commands())
    assert len(commands) > 60
    assert {command.split()[0] for _, command in commands} == {"ebmood", "python", "just"}
    wrong = [(name, command, why) for name, command in commands if (why := refusal(command))]
    assert not wrong
    assert refusal("ebmood study quick --no-such") == "--no-such", "the test can fail"
    assert refusal("ebmood studies") == "no command studies"
    assert refusal("python benchmarks/steps.py --round 3") == "--round"
    assert refusal("just no-such") == "no recipe no-such"
