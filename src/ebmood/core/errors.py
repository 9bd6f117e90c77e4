"""The errors that a user may meet, and the warnings."""


class EbmoodError(Exception):
    """Something the user can mend: one line that says what is wrong, where, and what to do.

    The command line prints the message without a traceback and leaves with exit code 2.
    """


class InputError(EbmoodError, ValueError, TypeError):
    """Rows or a parameter that an estimator cannot use.

    Also a ValueError and a TypeError, which callers of scikit-learn's estimators are used to catch.
    """


class DegenerateObjectiveWarning(UserWarning):
    """The recipe's objective is minimised by a constant on the recipe's network, so it cannot learn a density."""


class DataWarning(UserWarning):
    """The data are usable, but not as the user may think: a constant column, fewer rows than a batch."""


class RollbackWarning(UserWarning):
    """Training diverged; it went back to an earlier state and on with new noise and lower rates."""


class CalibrationWarning(UserWarning):
    """Too few rows were held out for the false-alarm rate that was asked for."""


class SelfTestWarning(UserWarning):
    """The fitted detector rates inputs as in-distribution that lie far outside its training rows."""


def one_line(error: BaseException | str) -> str:
    """What an error of another library says, in one line of at most 200 characters; its kind where it says nothing."""
    return " ".join(str(error).split())[:200] or type(error).__name__
