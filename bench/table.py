"""The table that `make bench` prints."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Row:
    """One measurement: what it is, what came out, and what was aimed at."""

    what: str
    measured: float
    target: float
    unit: str = "×"
    at_most: bool = True

    @property
    def met(self) -> bool:
        """Whether the target was reached."""
        return self.measured <= self.target if self.at_most else self.measured >= self.target


def print_table(rows: list[Row]) -> None:
    """Print the rows, each with its target and whether it was met."""
    if not rows:
        print("There is nothing to measure yet.")
    for row in rows:
        sign, word = ("≤" if row.at_most else "≥"), ("met" if row.met else "MISSED")
        print(f"{row.what:<60} {row.measured:>10.2f} {row.unit:<9} {sign} {row.target:g}  {word}")
