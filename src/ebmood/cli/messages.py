"""How the commands of the detector report results: a line for people on standard error, JSON on standard output."""

import sys
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import PurePath
from typing import Any

import typer

from ebmood.core.words import noun, printable

INTERRUPTED = 130
"""Exit code after Ctrl-C."""

MAX_SKIPPED = 5
"""Skipped images that are listed one by one."""

MAX_SEGMENTS = 20
"""Segments that are listed one by one."""


def print_message(line: str) -> None:
    """Print one line on standard error."""
    print(printable(line), file=sys.stderr)


def print_skipped(skipped: Sequence[str]) -> None:
    """Print which images were skipped, on standard error."""
    for line in skipped[:MAX_SKIPPED]:
        print_message(f"skipped: {line}")
    if len(skipped) > MAX_SKIPPED:
        print_message(f"skipped: {len(skipped) - MAX_SKIPPED} more")


def describe_segments(segments: Iterable[dict[str, Any]]) -> list[str]:
    """Return lines with the calibration of segments, given as JSON values of `SegmentSummary`."""
    lines, pooled = [], []
    for segment in segments:
        rate = "too few rows to flag any"
        if segment["threshold"] is not None:
            expected = segment["false_alarm_rate"]
            share = (
                "a share of normal rows that is unknown"
                if expected is None
                else f"{expected:.2%} of normal rows"
            )
            rate = f"scores below {segment['threshold']:.6g} are flagged, {share}"
        if segment["pooled"]:
            pooled.append((segment, rate))
        else:
            rows = segment["calibration_rows"]
            lines.append(f"segment {segment['name']}: {rows} calibration {noun(rows, 'row')}, {rate}")
    if len(lines) > MAX_SEGMENTS:
        hidden = len(lines) - MAX_SEGMENTS
        lines[MAX_SEGMENTS:] = [f"{hidden} more {noun(hidden, 'segment')}; ebmood inspect --json lists all"]
    if pooled:
        first = pooled[:MAX_SEGMENTS]
        names = ", ".join(f"{segment['name']} ({segment['calibration_rows']})" for segment, _ in first)
        names += f" and {len(pooled) - MAX_SEGMENTS} more" if len(pooled) > MAX_SEGMENTS else ""
        how = "together" if pooled[0][0]["false_alarm_rate"] is not None else "with all rows"
        lines.append(f"segments with too few calibration rows, calibrated {how}: {names}; {pooled[0][1]}")
    return lines


def print_others(others: Sequence[str]) -> None:
    """Print how many files of a folder are not read, because they are not images of a known kind."""
    if others:
        suffixes = Counter(PurePath(name).suffix.lower() or "no suffix" for name in others)
        kinds = ", ".join(f"{count} {suffix}" for suffix, count in suffixes.most_common(MAX_SKIPPED))
        print_message(f"not read, as they are not images of a known kind: {kinds} (such as {others[0]})")


def print_files(source: object) -> None:
    """Print which images of a folder were skipped, and how many other files it has. Tables have none."""
    print_skipped(getattr(source, "skipped", ()))
    print_others(getattr(source, "others", ()))


def print_json(content: dict[str, Any]) -> None:
    """Print the result as JSON on standard output."""
    import json

    print(json.dumps(content, ensure_ascii=False, allow_nan=False))


def interrupted(consequence: str) -> typer.Exit:
    """Print what happened to the output, and return the exception to raise after Ctrl-C."""
    print_message(f"ebmood: interrupted; {consequence}")
    return typer.Exit(INTERRUPTED)
