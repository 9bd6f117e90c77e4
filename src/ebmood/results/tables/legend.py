"""The meaning of words and marks in the tables."""

from collections.abc import Sequence

from ebmood.results.arms import NUDGE_LIMIT, UNSTABLE_RANGE, Arm
from ebmood.results.comparisons import AGREEING_SEEDS, ENOUGH_SEEDS

_WORDS = (
    (
        "ID + / OOD +",
        "the positive class of the area under the precision-recall curve. The poster says ID; the authors' code "
        "stores OOD. AUROC does not depend on it. FPR95 is the fraction of OOD rows accepted at the threshold that "
        "accepts 95 % of the ID rows (lower is better).",
    ),
    ("±", "standard deviation over seeds."),
    ("mean (a b c)", f"values of the seeds, one by one, where they differ by more than {UNSTABLE_RANGE:g}."),
    (
        "change [low, high]",
        "relative change of the mean AUC-PR in per cent: the mean of the log ratios r of paired seeds, with its 95 % "
        "Student-t interval, both mapped by 100 (exp(r) - 1).",
    ),
    (
        "supported / contradicted",
        "the interval and that of the paired bootstrap lie completely on the side of zero that the claim says, or "
        f"completely on the other side, with {ENOUGH_SEEDS} paired seeds, or {AGREEING_SEEDS} of one sign.",
    ),
    ("undecided", "fewer paired seeds, or an interval that contains zero."),
    (
        "paper / corrected / modern / both",
        "the recipe as published; with its defects corrected; with the settings of today; or all are the same recipe.",
    ),
    (
        "degenerate",
        "a constant minimises the objective of the recipe on its network, so it cannot learn a density.",
    ),
    ("unstable", f"the seeds differ by more than {UNSTABLE_RANGE:g} in AUROC: a mean says little."),
    ("shortened", "trained for fewer steps than the protocol."),
    ("leak", "`selection: paper`: the checkpoint was selected on OOD rows of the test families."),
    ("partial", "an average over fewer than the four data sets of the poster."),
    ("n of m seeds", "only n of the m seeds of this data set are done (or paired)."),
    ("duplicates across", "split row by row, as in the paper: test rows may also be training rows."),
)
_IMAGE_WORDS = (
    (
        "small",
        "a reduced version of a data set of the paper. As a verdict: the comparison was made only at that scale, so "
        "it is no evidence about the paper.",
    ),
    ("stand-ins", "some natural sets replace those of the paper; the scores and the notes name them."),
    ("absent", "natural sets of the paper that are missing; means do not contain them."),
    (
        "low-level",
        "ID test images without their semantic content (shuffled patches, shuffled pixels, edges, flat colour). "
        "Means over natural or non-natural sets do not contain them.",
    ),
)
_NUDGE = (
    "not repeatable",
    f"one last bit of one weight, moved before the training, changes AUROC on some set by more than {NUDGE_LIMIT:g}: "
    "each run on another machine is a new draw, like another seed.",
)
_ROLLBACK = ("rollback", "in some seed training diverged, went back to an earlier state and continued.")


_SWEEP = ("name, setting=value", "recipes of one method that differ only in these settings.")
_DIGEST = (
    "name #1a2b",
    "recipes of one method that differ in many settings: the first digits of a digest of all settings of the recipe.",
)


def legend(arms: Sequence[Arm]) -> tuple[tuple[str, str], ...]:
    """Return the words and marks in the tables of `arms`, with their meaning."""
    images = any(arm.condition.images for arm in arms)
    rollback = any("rollback" in arm.flags for arm in arms)
    nudge = any(arm.twins for arm in arms)
    sweep = any(arm.distinction and not arm.distinction.startswith("#") for arm in arms)
    digest = any(arm.distinction.startswith("#") for arm in arms)
    return (
        *_WORDS,
        *((_SWEEP,) if sweep else ()),
        *((_DIGEST,) if digest else ()),
        *((_NUDGE,) if nudge else ()),
        *(_IMAGE_WORDS if images else ()),
        *((_ROLLBACK,) if rollback else ()),
    )
