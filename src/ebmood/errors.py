"""The errors that a user may meet, and the warnings."""


class EbmoodError(Exception):
    """Something the user can mend: one line that says what is wrong, where, and what to do.

    The command line prints the message without a traceback and leaves with exit code 2.
    """


class DegenerateObjectiveWarning(UserWarning):
    """The recipe's objective is minimised by a constant on the recipe's network, so it cannot learn a density."""


class DataWarning(UserWarning):
    """The data are usable, but not as the user may think: a constant column, fewer rows than a batch."""
