"""Durations on the command line, such as `90s`, `9m` or `1h30m`."""

import re

from ebmood.core.errors import InputError

_SECONDS = {"d": 86_400, "h": 3600, "m": 60, "s": 1}
_DURATION = re.compile(r"(?:(\d+)d)?(?:(\d+)h)?(?:(\d+)m)?(?:(\d+)s)?", re.ASCII)


def parse_duration(text: str, option: str) -> float:
    """Return a duration in seconds.

    Args:
        text: whole numbers of days, hours, minutes and seconds, such as `1h30m`.
        option: the option that has this value, for messages.

    Raises:
        InputError: it is not a duration, or zero.

    >>> parse_duration("1h30m", "--stop-after")
    5400.0
    """
    match = _DURATION.fullmatch(text.strip().lower())
    if match is not None:
        parts = zip(_SECONDS.values(), match.groups(), strict=True)
        seconds = sum(unit * int(count) for unit, count in parts if count)
        if seconds:
            return float(seconds)
    raise InputError(f"{option} {text!r}: not a duration; give for example 90s, 9m or 1h30m")
