"""The variants of a recipe: as the paper published it, with its defects corrected, or as one would train it today."""

from typing import Annotated, Any, Literal

from pydantic import BeforeValidator

from ebmood.core.errors import warn


def current_name(variant: Any) -> Any:
    """Return the current name of a variant: version 0.1 called `corrected` by the name `sound`.

    Warns:
        FutureWarning: the name is that of version 0.1.
    """
    if variant != "sound":
        return variant
    warn("variant 'sound' is called 'corrected' since version 0.2; write 'corrected'", FutureWarning)
    return "corrected"


Variant = Annotated[Literal["paper", "corrected", "modern", "both"], BeforeValidator(current_name)]
"""`paper`, `corrected`, `modern`, or `both` where the corrections do not change the recipe."""
