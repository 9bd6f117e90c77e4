"""What README, CONTRIBUTING and docs show as code runs, and their study files hold."""

import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import click
import numpy as np
import pytest
import torch
import typer
import yaml
from pydantic import TypeAdapter

from ebmood.cli.app import app
from ebmood.core.metrics import separation
from ebmood.data import AnySource, Toy, split_dataset
from ebmood.objectives import Supervised
from ebmood.recipes import METHODS, DensityScorer
from ebmood.results.arms import gather
from ebmood.study.cell import Cell, run_cell
from ebmood.study.records import append_record
from ebmood.study.study_file import load_study
from ebmood.training import Training, make_fabric, train

ROOT = Path(__file__).parent.parent
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *(ROOT / "docs").rglob("*.md")]


def blocks(page: str, language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", (ROOT / page).read_text(), re.MULTILINE | re.DOTALL)


def run(code: str, **names: object) -> dict:
    namespace = {"__name__": "shown", **names}
    exec(compile(code, "shown", "exec"), namespace)
    return namespace


@pytest.mark.filterwarnings("ignore::ebmood.core.errors.DataWarning")  # Segment has such columns
def test_the_readme_s_example_tells_noise_from_segment(capsys):
    (example,) = blocks("README.md", "python")
    run(example)
    auroc = {name: float(value) for name, value in map(str.split, capsys.readouterr().out.splitlines())}
    assert auroc.keys() == {"sky", "uniform", "gaussian", "constant"}
    assert auroc["uniform"] > 0.9


@pytest.mark.filterwarnings("ignore::ebmood.core.errors.DegenerateObjectiveWarning")
@pytest.mark.parametrize("page", ["README.md", "docs/studies.md"])
def test_shown_study_files_hold(tmp_path, page):
    rng = np.random.default_rng(0)
    states = ["good", "worn", "broken"]
    rows = "".join(f"{rng.normal():.4f},{rng.normal():.4f},{states[i % 3]}\n" for i in range(90))
    (tmp_path / "pumps.csv").write_text("pressure,flow,state\n" + rows)
    study_file, *of_images = blocks(page, "yaml")
    (tmp_path / "pumps.yaml").write_text(study_file)
    study = load_study(str(tmp_path / "pumps.yaml"))
    assert {task.cell.recipe.method for task in study.tasks} >= {"ssm"}
    for block in of_images:  # whose data are not here
        for entry in yaml.safe_load(block)["datasets"]:
            TypeAdapter(AnySource).validate_python({"kind": entry} if isinstance(entry, str) else entry)


def test_an_objective_and_a_network_of_your_own_learn_two_moons():
    objective, network, settings, _ = blocks("CONTRIBUTING.md", "python")
    EnergyResidual = run(settings, **run(network))["EnergyResidual"]
    NCE = run(objective)["NCE"]
    split = split_dataset(Toy(rows=1000).load(), seed=0)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = EnergyResidual(width=64, blocks=2).build(split, outputs=2)
    start = Supervised(NCE().build(model, 2, (2,), seed=0), gamma=1.0)
    fabric = make_fabric("cpu")
    training = Training(steps=300, warmup=30, batch_size=128)
    rows, classes = torch.as_tensor(split.train_x), torch.as_tensor(split.train_y)
    train(start, rows, classes, training, 0, fabric)
    scorer = DensityScorer(model, fabric.device)
    uniform = next(ood.x for ood in split.test_ood if ood.name == "uniform")
    assert separation(scorer.score_samples(split.test_x), scorer.score_samples(uniform)).auroc > 0.9


def test_a_data_set_of_your_own_splits():
    *_, wine = blocks("CONTRIBUTING.md", "python")
    split = split_dataset(run(wine)["Wine"]().load(), seed=0)
    assert split.classes == 2
    assert split.test_ood[0].name == "cultivar-3"


def test_a_table_of_your_own_reads_records(tmp_path, monkeypatch, capsys):
    record = run_cell(Cell(dataset=Toy(rows=200), recipe=METHODS["knn"]("corrected", None), seed=3))
    append_record(tmp_path / "ebmood-quick" / "records.jsonl", record)
    monkeypatch.chdir(tmp_path)
    reading, table = blocks("docs/studies.md", "python")
    run(reading)
    assert f"knn both None 3 background {record.results[0].auroc}" in capsys.readouterr().out
    markdown = run(table)["time_table"](gather([record])).markdown()
    assert f"| {record.seconds:.1f} |" in markdown


def prose(page: Path) -> str:
    return re.sub(r"^```.*?^```", "", page.read_text(), flags=re.MULTILINE | re.DOTALL)


def anchors(page: Path) -> set[str]:
    """What GitHub calls the headings of a page."""
    headings = re.findall(r"^#+ (.+)$", prose(page), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def test_links_between_pages_lead_somewhere():
    checked = 0
    for page in PAGES:
        for target, anchor in re.findall(r"\]\(([^)#:\s]*)(?:#([^)]+))?\)", prose(page)):
            place = page.parent / target if target else page
            assert place.exists(), f"{page.name}: {target}"
            assert not anchor or anchor in anchors(place), f"{page.name}: {target}#{anchor}"
            checked += bool(anchor)
    assert checked > 2


def shown_commands() -> Iterator[tuple[str, str]]:
    """Every `ebmood ...`, `python benchmarks/...` and `just ...` of the pages and of the helps, and where it stands."""
    texts = {page.name: page.read_text() for page in PAGES}
    texts |= {path.name: path.read_text() for path in (ROOT / "src/ebmood/cli").glob("*.py")}
    texts |= {path.name: path.read_text() for path in (ROOT / "benchmarks").glob("*.py")}
    for name, text in texts.items():
        blocks = re.sub(r"\\\n\s*", " ", text)
        in_lines = (
            r"^(?: {4}|\$ |(?=ebmood |python |just ))(?:\w+=\S+ )?((?:ebmood|python benchmarks/\S+|just) .+)$"
        )
        for found in re.findall(in_lines, blocks, re.MULTILINE):
            yield name, re.split(r"\s{3,}|\s#|\s\||\s<", found)[0]
        for found in re.findall(r"`((?:ebmood|python benchmarks/\S+|just) [^`\n]+)`", text):
            yield name, found


def refusal(command: str) -> str | None:
    """Why a shown command could not be typed, or None. Nothing runs."""
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


def test_commands_that_are_shown_can_be_typed():
    commands = list(shown_commands())
    assert len(commands) > 60
    assert {command.split()[0] for _, command in commands} == {"ebmood", "python", "just"}
    wrong = [(name, command, why) for name, command in commands if (why := refusal(command))]
    assert not wrong
    assert refusal("ebmood study quick --no-such") == "--no-such", "it can fail"
    assert refusal("ebmood studies") == "no command studies"
    assert refusal("python benchmarks/steps.py --round 3") == "--round"
    assert refusal("just no-such") == "no recipe no-such"
