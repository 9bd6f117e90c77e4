"""The change of a nudged model, as the model makes it and as records keep it."""

from ebmood.core.settings import Settings


class MovedWeight(Settings):
    """One weight that was moved to the next number of its type; see `ebmood.models.nudge`.

    Attributes:
        parameter: name of the parameter in the model.
        index: position of the weight in it.
        before, after: its value.
    """

    parameter: str
    index: tuple[int, ...]
    before: float
    after: float
