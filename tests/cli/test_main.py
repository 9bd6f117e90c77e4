"""Errors and warnings of a command take one line each."""

import inspect
import os
import warnings

import pytest

from ebmood.cli import _one_line, main, run
from ebmood.core import errors


def test_every_warning_takes_one_line_without_a_path(capsys, monkeypatch):
    classes = [
        value for value in vars(errors).values() if inspect.isclass(value) and issubclass(value, Warning)
    ]
    classes += [
        UserWarning,
        RuntimeWarning,
        FutureWarning,
        DeprecationWarning,
        ImportWarning,
    ]  # of any library

    def warn():
        warnings.simplefilter("always")
        for cls in classes:
            warnings.warn(f"{cls.__name__}\n  continues", cls, stacklevel=1)

    monkeypatch.setattr("ebmood.cli.app.app", warn)
    main()
    assert len(classes) >= 5
    lines = [f"ebmood: warning: {cls.__name__} continues" for cls in classes]
    assert capsys.readouterr().err.splitlines() == lines


def test_warnings_and_errors_name_options_in_place_of_parameters(capsys, monkeypatch):
    def warn():
        warnings.simplefilter("always")
        warnings.warn("set calibration=19 or calibration='loo'", UserWarning, stacklevel=1)
        warnings.warn(
            "--calibration=x, data/device=34/t.csv, speed=34/t.csv and _alpha=1", UserWarning, stacklevel=1
        )
        raise errors.InputError("alpha=1.5: must be between 0 and 1")

    monkeypatch.setattr("ebmood.cli.app.app", warn)
    with pytest.raises(SystemExit):
        main()
    assert capsys.readouterr().err.splitlines() == [
        "ebmood: warning: set --calibration 19 or --calibration loo",
        "ebmood: warning: --calibration=x, data/device=34/t.csv, speed=34/t.csv and _alpha=1",
        "ebmood: error: --alpha 1.5: must be between 0 and 1",
    ]


@pytest.mark.parametrize(("code", "ends"), [(2, [2]), (130, [130]), (0, [])])
def test_a_failed_process_ends_without_shutting_down_threads_that_read(monkeypatch, code, ends):
    def stop():
        raise SystemExit(code)

    codes: list[int] = []
    monkeypatch.setattr("ebmood.cli.app.app", stop)
    monkeypatch.setattr(os, "_exit", codes.append)
    if code:
        run()
    else:
        with pytest.raises(SystemExit):
            run()
    assert codes == ends


@pytest.mark.parametrize(
    ("message", "shown"),
    [
        ("device='cuda': is not available", "--device cuda: is not available"),
        ("device=cuda:0: is not available", "--device cuda:0: is not available"),
        ("calibration=30%: no", "--calibration 30%: no"),
        ("segment='defects': no such column", "--segment defects: no such column"),
        ("fit without segment='the site'", "fit without --segment 'the site'"),
        ("run_length=0.0: too small", "--run-length 0.0: too small"),
        ("alpha=1e-05, alpha=-1.", "--alpha 1e-05, --alpha -1."),
        ("day/alpha=1/a.csv and alpha=1/a.csv", "day/alpha=1/a.csv and alpha=1/a.csv"),
        ("alpha=1.csv and speed=fast.csv: no", "alpha=1.csv and speed=fast.csv: no"),
        ("x_alpha=1, my-alpha=1", "x_alpha=1, my-alpha=1"),
        (
            "row 2, column 'device=1': 'score=5' is not a number",
            "row 2, column 'device=1': 'score=5' is not a number",
        ),
    ],
)
def test_a_parameter_with_its_value_is_an_option(message, shown):
    assert _one_line(message) == shown
