"""What may be published of a count, so that nobody can work out a number about a few people. Pure arithmetic:
it reads and stores nothing. `docs/publishing.md` gives the reasons and the proof.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from pilot.dashboards.models import Measure

# Nearly everyone who is counted in one of these is counted in the others, some month or other, so the shown
# ones would say what a hidden one is. Sessions are only bounded by them, and stand alone.
HIDDEN_TOGETHER = (
    frozenset({Measure.REFERRALS, Measure.AGREED, Measure.FIRST_SESSIONS}),
    frozenset({Measure.SESSIONS}),
)


def protect(counts: Mapping[Measure, int], threshold: int) -> dict[Measure, int | None]:
    """What may be shown of one practice's month: each count, or None where it, or one it goes with, is too
    small.

    Nought is too small as well. Then the smallest of what is hidden together could be any number from 0 to
    `threshold - 1`, whatever else is ever published.
    """
    shown: dict[Measure, int | None] = {}
    for group in HIDDEN_TOGETHER:
        is_small = any(counts.get(measure, 0) < threshold for measure in group)
        shown |= {measure: None if is_small else counts[measure] for measure in group}
    return shown


def total(parts: Iterable[int | None]) -> int | None:
    """The sum, or None as soon as one part is hidden. It tells nothing that the parts do not."""
    parts = list(parts)
    return None if None in parts else sum(part for part in parts if part is not None)


def grown(count: int, published: int | None, threshold: int) -> int | None:
    """What may be shown of a count since the pilot began, after `published` was: the count, if that is at
    least `threshold` more; else what was shown before. So no two releases differ by a few people.
    """
    if published is None:
        return count if count >= threshold else None
    return count if count - published >= threshold else published
