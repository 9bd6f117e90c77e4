"""Table: the claims of the poster, each with our number, its interval, the poster's number and a verdict."""

from collections.abc import Sequence

from ebmood.results.arms import Arm
from ebmood.results.claims.all_claims import all_claims
from ebmood.results.claims.claim import NOT_RUN, Claim
from ebmood.results.tables.table import DATA, PAIRS, Cell, Column, Table
from ebmood.results.text import joined, unique_marks

_COLUMNS = (
    Column("claim", "claim"),
    DATA,
    Column("variant", "variant"),
    Column("poster", "poster %"),
    Column("ours_id", "ours % (ID +)", "change"),
    Column("verdict_id", "verdict (ID +)"),
    Column("ours_ood", "ours % (OOD +)", "change"),
    Column("verdict_ood", "verdict (OOD +)"),
    *PAIRS,
)


def claim_table(arms: Sequence[Arm]) -> Table:
    """Return every claim of the poster on the data of the study; claims without a run are last."""
    claims = sorted(all_claims(arms), key=lambda claim: set(claim.verdicts) <= {"not run", None})
    notes: tuple[str, ...] = (
        "The text of the poster uses ID as the positive class; the authors' code uses OOD.",
        "A claim that some results rise (or fall) is supported if one does with its whole interval, and contradicted "
        "if all go the other way with theirs. This is lenient: it does not correct for the number of results.",
    )
    if any(arm.condition.images for arm in arms):
        notes += ("A claim on all results is supported if each one is, and contradicted if one is.",)
    if not claims:
        notes = ("The study has no data set of the poster.",)
    return Table("claims", "The paper's claims", _COLUMNS, tuple(map(_row, claims)), notes)


def _row(claim: Claim) -> tuple[Cell, ...]:
    changes = [claim.effect.aupr_id, claim.effect.aupr_ood]
    id_change, ood_change = (None if change == NOT_RUN and claim.evidence else change for change in changes)
    marks = joined(unique_marks(claim.evidence, claim.effect.marks))
    pairs = len(claim.effect.aupr_id.seeds) or None
    head = (claim.text, claim.data, claim.variant, claim.reported)
    return (*head, id_change, claim.verdicts[0], ood_change, claim.verdicts[1], pairs, marks)
