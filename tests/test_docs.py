"""What README, CONTRIBUTING and docs show as code runs, and their study files hold."""

import re
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml
from pydantic import TypeAdapter

from ebmood.datasets import AnySource, Toy, split_dataset
from ebmood.metrics import separation
from ebmood.objectives import Supervised
from ebmood.recipes import METHODS, DensityScorer
from ebmood.results.arms import gather
from ebmood.study.cell import Cell, run_cell
from ebmood.study.records import append_record
from ebmood.study.spec import load_study
from ebmood.training import Training, make_fabric, train

ROOT = Path(__file__).parent.parent


def blocks(page: str, language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", (ROOT / page).read_text(), re.MULTILINE | re.DOTALL)


def run(code: str, **names: object) -> dict:
    namespace = {"__name__": "shown", **names}
    exec(compile(code, "shown", "exec"), namespace)
    return namespace


@pytest.mark.filterwarnings("ignore::ebmood.errors.DataWarning")  # Segment has such columns
def test_the_readme_s_example_tells_noise_from_segment(capsys):
    (example,) = blocks("README.md", "python")
    run(example)
    auroc = {name: float(value) for name, value in map(str.split, capsys.readouterr().out.splitlines())}
    assert auroc.keys() == {"sky", "uniform", "gaussian", "constant"}
    assert auroc["uniform"] > 0.9


@pytest.mark.filterwarnings("ignore::ebmood.errors.DegenerateObjectiveWarning")
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
    start = Supervised(NCE().start(model, 2, (2,), seed=0), gamma=1.0)
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
    record = run_cell(Cell(dataset=Toy(rows=200), recipe=METHODS["knn"]("sound", None), seed=3))
    append_record(tmp_path / "ebmood-quick" / "records.jsonl", record)
    monkeypatch.chdir(tmp_path)
    reading, table = blocks("docs/studies.md", "python")
    run(reading)
    assert f"knn both None 3 background {record.results[0].auroc}" in capsys.readouterr().out
    markdown = run(table)["time_table"](gather([record])).markdown()
    assert f"| {record.seconds:.1f} |" in markdown


def test_links_between_pages_lead_somewhere():
    pages = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *(ROOT / "docs").rglob("*.md")]
    for page in pages:
        prose = re.sub(r"^```.*?^```", "", page.read_text(), flags=re.MULTILINE | re.DOTALL)
        for target in re.findall(r"\]\(([^)#:]+)\)", prose):
            assert (page.parent / target).exists(), f"{page.name}: {target}"
