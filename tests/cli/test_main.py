"""Errors and warnings of a command take one line each."""

import inspect
import warnings

from ebmood.cli import main
from ebmood.core import errors


def test_every_warning_of_the_package_takes_one_line(capsys, monkeypatch):
    classes = [
        value for value in vars(errors).values() if inspect.isclass(value) and issubclass(value, Warning)
    ]

    def warn():
        warnings.simplefilter("always")
        for cls in classes:
            warnings.warn(f"{cls.__name__}\n  continues", cls, stacklevel=1)

    monkeypatch.setattr("ebmood.cli.app.app", warn)
    main()
    assert len(classes) >= 5
    lines = [f"ebmood: warning: {cls.__name__} continues" for cls in classes]
    assert capsys.readouterr().err.splitlines() == lines
