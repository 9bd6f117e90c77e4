import json

import numpy as np
import pytest

from ebmood.core.errors import EbmoodError
from ebmood.data import Segment, Table, Toy
from ebmood.models import Scorer
from ebmood.recipes import METHODS, external_detector
from ebmood.study import cell as cells
from ebmood.study.cell import Cell, cell_key, run_cell
from ebmood.study.evidence import kept_scores, landscape, rays
from ebmood.study.records import Record

TOY = Toy(shape="moons", rows=300)


def tiny(method="ssm", variant="corrected", gamma=None):
    return METHODS[method](variant, gamma).overridden(
        model={"hidden": (16,)}, training={"steps": 20, "warmup": 2, "batch_size": 64}
    )


def of(record: Record) -> dict:
    """All of a record but when it was made."""
    return record.model_dump(exclude={"started", "seconds"})


def test_a_cell_is_a_pure_function_of_its_settings():
    first = run_cell(Cell(dataset=TOY, recipe=tiny(), seed=3))
    run_cell(Cell(dataset=TOY, recipe=tiny(), seed=4))
    assert of(run_cell(Cell(dataset=TOY, recipe=tiny(), seed=3))) == of(first)
    other = run_cell(Cell(dataset=TOY, recipe=tiny(), seed=4))
    assert other.scores != first.scores
    assert other.key != first.key


def test_records_survive_their_file():
    record = run_cell(Cell(dataset=TOY, recipe=tiny(), seed=0))
    assert Record.model_validate_json(record.model_dump_json()) == record
    assert json.loads(record.model_dump_json())["settings"]["recipe"]["objective"]["kind"] == "ssm"


def test_the_key_follows_what_the_numbers_depend_on():
    base = Cell(dataset=TOY, recipe=tiny(), seed=0)
    same = [base.updated(device="auto"), base.updated(recipe=tiny().updated(shortened=False))]
    other = [
        base.updated(seed=1),
        base.updated(selection="paper"),
        base.updated(dataset=TOY.updated(duplicates="across")),
        base.updated(dataset=TOY.updated(rows=301)),
        base.updated(recipe=tiny().overridden(objective={"optimiser": {"lr": 2e-3}})),
        base.updated(recipe=tiny(gamma=1.0)),
    ]
    assert {cell_key(cell) for cell in same} == {cell_key(base)}
    assert len({cell_key(cell) for cell in [base, *other]}) == 1 + len(other)


def test_the_key_follows_the_content_of_a_file_not_its_place(tmp_path):
    def written(name, value):
        rows = [f"{i % 7},{i % 5 + value},{'ab'[i % 2]}" for i in range(60)]
        (tmp_path / name).write_text("u,v,kind\n" + "\n".join(rows) + "\n")
        source = Table(path=str(tmp_path / name), label_column="kind", hold_out=("b",), name="t")
        return cell_key(Cell(dataset=source, recipe=METHODS["knn"]("both", None), seed=0))

    assert written("one.csv", 0) == written("two.csv", 0) != written("three.csv", 1)


def test_every_set_stands_in_the_record_cut_to_one_number_of_rows():
    record = run_cell(Cell(dataset=Segment(), recipe=METHODS["knn"]("both", None), seed=0))
    assert [(r.name, r.kind) for r in record.results] == [
        ("sky", "natural"),
        ("uniform", "non-natural"),
        ("gaussian", "non-natural"),
        ("constant", "non-natural"),
    ]
    assert {r.rows for r in record.results} == {record.rows["test"]}
    assert record.rows["duplicates"] == 194
    assert record.rows["crossing"] == 0
    assert all(r.auroc > 0.9 for r in record.results)  # Higher is more in-distribution, for every set.


def test_a_failure_is_a_record_with_its_reason():
    failing = external_detector("sklearn.mixture.GaussianMixture", {"n_components": 10_000})
    record = run_cell(Cell(dataset=TOY, recipe=failing, seed=0))
    assert record.status == "failed"
    assert "ValueError" in record.reason
    assert record.results == ()
    assert record.key == cell_key(Cell(dataset=TOY, recipe=failing, seed=0))
    labels = run_cell(Cell(dataset=TOY, recipe=tiny(gamma=1.0).overridden(training={"warmup": 0}), seed=0))
    assert labels.status == "done"


def test_data_that_cannot_be_read_is_no_record(tmp_path):
    source = Table(path=str(tmp_path / "none.csv"), label_column="kind", hold_out=("b",))
    with pytest.raises(EbmoodError, match=r"none\.csv"):
        run_cell(Cell(dataset=source, recipe=tiny(), seed=0))


def test_warnings_are_kept_as_notes():
    recipe = METHODS["ssm"]("paper", None).overridden(training={"steps": 3, "warmup": 0})
    record = run_cell(Cell(dataset=TOY, recipe=recipe, seed=0))
    assert record.degenerate
    assert any("piecewise-linear" in note for note in record.notes)
    assert any("batches have" in note for note in record.notes)


def test_selection_reads_validation_ood_only_when_it_says_so(monkeypatch):
    """`selection: last` never looks at OOD rows before training has ended; `paper` does, by name."""
    looks = []
    real = cells._mean_aupr
    monkeypatch.setattr(cells, "_mean_aupr", lambda *given: looks.append(1) or real(*given))
    recipe = tiny().overridden(training={"steps": 60})
    last = run_cell(Cell(dataset=TOY, recipe=recipe, seed=0))
    assert not looks
    leaked = run_cell(Cell(dataset=TOY, recipe=recipe, seed=0, selection="paper"))
    assert looks
    assert (last.selection, leaked.selection) == ("last", "paper")


class Cone(Scorer):
    """Minus the distance from the origin, whose profile along any ray has a closed form."""

    def score_samples(self, x):
        return -np.linalg.norm(x, axis=1)


def test_rays_start_at_zero_and_follow_the_score():
    found = rays(Cone(), np.zeros((20, 3)), seed=0)
    np.testing.assert_allclose(found.median, -np.array(found.distance), atol=1e-9)
    np.testing.assert_allclose(found.low, found.high, atol=1e-9)


def test_kept_scores_are_the_first_and_close():
    scores = {"id": np.random.default_rng(0).normal(size=700) * 1e6}
    kept = kept_scores(scores)["id"]
    assert len(kept) == 500
    np.testing.assert_allclose(kept, scores["id"][:500], rtol=1e-6)


def test_landscape_is_indexed_by_row_then_column():
    found = landscape(Cone(), np.array([[0.0, 0.0], [1.0, 2.0]]))
    i, j = 7, 31
    assert found.value[i][j] == pytest.approx(-np.hypot(found.x[j], found.y[i]))
    assert landscape(Cone(), np.zeros((5, 3))) is None


def test_landscape_of_a_constant_column_has_room_on_both_sides():
    found = landscape(Cone(), np.array([[0.0, 5.0], [1.0, 5.0]]))
    assert (found.y[0], found.y[-1]) == (4.5, 5.5)
    assert (np.diff(found.y) > 0).all()
