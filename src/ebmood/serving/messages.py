"""The bodies of requests and answers. Their fields are the JSON that clients send and receive."""

from pydantic import BaseModel, ConfigDict, Field

Value = bool | int | float | str | None

Cell = Value | list[Value]
"""A cell of a row. A list is a cell of a column of lists of numbers."""

ARROW = "application/vnd.apache.arrow.stream"
"""Content type of a stream of the Arrow IPC format."""


class Body(BaseModel):
    """A body without unknown fields."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class ScoreRequest(Body):
    """Rows to be scored.

    Attributes:
        rows: each maps column names to values. null, NaN and an absent column are missing values. A column of
            lists has a list of numbers.
    """

    rows: list[dict[str, Cell]] = Field(
        min_length=1, examples=[[{"flow": 10.2, "site": "Oslo"}, {"flow": None, "site": "Bergen"}]]
    )


class Reason(Body):
    """A feature that makes a row strange.

    Attributes:
        feature: its name.
        contribution: the largest rise of the score if only this feature changes.
    """

    feature: str
    contribution: float


class RowResult(Body):
    """The result for one row.

    Attributes:
        score: higher is more like the training rows; null for a row that cannot be scored.
        p_value: in (0, 1], small is anomalous.
        flag: whether the p-value is at most alpha.
        error: why the row cannot be scored; null if it is scored.
        reasons: the features that make the row strange, the most important one first, if they were asked for.
    """

    score: float | None
    p_value: float | None
    flag: bool | None
    error: str | None = None
    reasons: list[Reason] | None = None


class ScoreResponse(Body):
    """The results for all rows, in their order.

    Attributes:
        alpha: level of the flags.
        results: one for each row.
    """

    alpha: float
    results: list[RowResult]


class ImageScore(Body):
    """The result for an image.

    Attributes:
        alpha: level of the flag.
        score: higher is more like the training images.
        p_value: in (0, 1], small is anomalous.
        flag: whether the p-value is at most alpha.
        where: x and y of the pixel at the centre of the most anomalous patch, from 0; null if the detector does not
            compare patches.
    """

    alpha: float
    score: float
    p_value: float
    flag: bool
    where: tuple[int, int] | None = None


class Health(Body):
    """The service is able to answer.

    Attributes:
        status: `ok`.
        rows: number of rows or images scored since the start.
    """

    status: str = "ok"
    rows: int


class Problem(Body):
    """Why a request is refused.

    Attributes:
        detail: one line.
    """

    detail: str
