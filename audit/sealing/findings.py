"""What a verification found, in words and as data."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

# Of one kind so many are told one by one: after the first few the rest is a number.
TOLD = 20


@dataclass(frozen=True)
class Finding:
    """One thing that is not as it was sealed or published: what kind of thing, in words, and where."""

    kind: str
    says: str
    event: int | None = None
    place: int | None = None


@dataclass
class Report:
    """Everything that was looked at and found."""

    since: int = 0
    size: int = 0
    root: bytes = b""
    checkpoints: int = 0
    unsealed: int = 0
    findings: list[Finding] = field(default_factory=list)
    counts: dict[str, int] = field(default_factory=dict)

    def add(self, kind: str, says: str, *, event: int | None = None, place: int | None = None) -> None:
        """Note a finding; beyond the first of its kind only count it."""
        self.counts[kind] = self.counts.get(kind, 0) + 1
        if self.counts[kind] <= TOLD:
            self.findings.append(Finding(kind, says, event, place))

    def take(self, other: Report) -> None:
        """Note what another found as well; of a kind that only it looks for."""
        self.findings += other.findings
        self.counts |= other.counts

    @property
    def is_well(self) -> bool:
        """Whether nothing was found."""
        return not self.counts

    def in_words(self) -> str:
        """For whoever asked: what was found, or that all is well, and how much was looked at."""
        lines = [each.says for each in self.findings]
        lines += [
            f"… and {count - TOLD:,} more like the last: {self._last(kind).says}"
            for kind, count in self.counts.items()
            if count > TOLD
        ]
        looked = f"Recomputed {self.size - self.since:,} sealed events"
        looked += f" from place {self.since:,} on" if self.since else ""
        looked += (
            f"; held against {self.checkpoints:,} signed checkpoints. Not sealed yet: {self.unsealed:,}."
        )
        if self.is_well:
            return f"{looked}\nThe log is as it was sealed and published. Its root is {self.root.hex()}."
        return "\n".join(
            [
                *lines,
                looked,
                f"Found: {sum(self.counts.values()):,}. Change nothing yet: copy the database and the checkpoints as they"
                " are, and tell the Caldicott Guardian. docs/audit.md says what each finding means.",
            ]
        )

    def as_json(self) -> dict[str, Any]:
        """The same for a program."""
        return {
            "well": self.is_well,
            "since": self.since,
            "size": self.size,
            "root": self.root.hex(),
            "checkpoints": self.checkpoints,
            "unsealed": self.unsealed,
            "counts": self.counts,
            "findings": [
                {"kind": each.kind, "says": each.says, "event": each.event, "place": each.place}
                for each in self.findings
            ],
        }

    def _last(self, kind: str) -> Finding:
        return [each for each in self.findings if each.kind == kind][-1]
