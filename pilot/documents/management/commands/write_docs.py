"""`manage.py write_docs [--check]`: the documents that are generated from the code, and so agree with it.

In a room of its own, above all whose tables it reads: no page needs it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db.models import TextChoices
from django.urls import include, path
from django.utils.text import capfirst

from coaching.models import SessionStatus
from coaching.policies import TRANSITIONS as OF_SESSIONS
from consent.states import NEEDED, OPTIONAL, REFUSED, Happens, State
from pilot import urls
from pilot.access.roles import in_words
from pilot.access.transitions import Transition
from pilot.record.copies.contents import TITLES, in_the_copy
from pilot.record.copies.making import LINES_ON_PAGES, SCHEMA
from pilot.record.copies.models import Status as CopyStatus
from pilot.record.copies.policies import NO_EVIDENCE
from pilot.record.copies.policies import TRANSITIONS as OF_COPIES
from pilot.record.models import Status as RequestStatus
from pilot.record.requests.policies import TRANSITIONS as OF_REQUESTS
from pilot.sign_in.oidc.configuration import NHS_LOGIN, WORK
from pilot.sign_in.oidc.urls import patterns_for
from pilot.web.expectations import addresses, counts_in_words
from referrals.models import Status
from referrals.policies import TRANSITIONS as OF_REFERRALS


@dataclass(frozen=True)
class Machine:
    """A row that moves between states: its name, its states in order, and its table of transitions."""

    name: str
    where: str
    states: type[TextChoices]
    transitions: Sequence[Transition[Any]]


MACHINES = (
    Machine("Referrals", "referrals/policies.py", Status, OF_REFERRALS),
    Machine("Sessions", "coaching/policies.py", SessionStatus, OF_SESSIONS),
    Machine("Requests from patients", "pilot/record/requests/policies.py", RequestStatus, OF_REQUESTS),
    Machine("Copies of a record", "pilot/record/copies/policies.py", CopyStatus, OF_COPIES),
)


class Command(BaseCommand):
    help = "Write what the documents say of the code: docs/states.md and copy.md, parts of docs/access.md and consent.md."
    requires_system_checks = ()

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--check", action="store_true", help="Write nothing; end with 1 if one is out of step."
        )

    def handle(self, *args: Any, check: bool, **options: Any) -> None:
        for name, text in documents().items():
            file = settings.BASE_DIR / "docs" / name
            if file.exists() and file.read_text() == text:
                continue
            if check:
                raise CommandError(f"docs/{name} is out of step with the code. Run `manage.py write_docs`.")
            file.write_text(text)
            self.stdout.write(f"docs/{name} written.")


def documents() -> dict[str, str]:
    """Every generated document: its name under docs/, and what it says."""
    return {
        "states.md": "\n".join(_states()),
        "access.md": _with_parts("access.md", roles=_roles(), counts=_counts()),
        "copy.md": "\n".join(_copy()),
        "consent.md": _with_parts("consent.md", states=_states_of_consent()),
    }


def _with_parts(name: str, **parts: Iterable[str]) -> str:
    """The document as it is, with these parts written afresh between their marks."""
    file = settings.BASE_DIR / "docs" / name
    if not file.exists():
        raise CommandError(f"docs/{name} is missing: only parts of it can be written from the code.")
    text = file.read_text()
    for mark, lines in parts.items():
        begin, end = f"<!-- {mark}: written by `manage.py write_docs` -->\n", f"<!-- end of {mark} -->"
        before, _, rest = text.partition(begin)
        _, found, after = rest.partition(end)
        if not found:
            raise CommandError(f"docs/{name} has lost its marks for {mark}.")
        text = "".join((before, begin, "\n".join(lines), "\n", end, after))
    return text


def _roles() -> Iterator[str]:
    for role, sentence, reaches in in_words():
        can = "; ".join(f"*{reach.label}*: {', '.join(labels)}" for reach, labels in reaches)
        yield (
            f"- **{role.label}.** {sentence} {can[:1].upper()}{can[1:]}."
            if can
            else f"- **{role.label}.** {sentence}"
        )


def _states_of_consent() -> Iterator[str]:
    tables = (
        ("What is needed to begin, both together", NEEDED),
        ("Each of the others, after joining", OPTIONAL),
    )
    for title, table in tables:
        yield f"**{title}**"
        yield ""
        yield f"| | {' | '.join(str(event.label) for event in Happens)} |"
        yield f"|---{'|---' * len(Happens)}|"
        for state, row in table.items():
            outcomes = (
                "*refused*" if row[event] is REFUSED else _outcome(state, row[event]) for event in Happens
            )
            yield f"| **{state.label}** | {' | '.join(outcomes)} |"
        yield ""


def _outcome(state: State, target: Any) -> str:
    return "stays" if target is state else str(target.label)


class WithProviders:
    """The project's addresses as they are where every way of signing in is configured, whatever is configured here."""

    through_others = [path("account/with/", include((patterns_for([NHS_LOGIN, WORK]), "oidc")))]
    urlpatterns = [*through_others, *urls.urlpatterns]


def _counts() -> Iterator[str]:
    # Where a provider is configured here, its addresses are there twice.
    every = {each.pattern: each for each in addresses(WithProviders)}
    others = [pattern for pattern in every if pattern.startswith("account/with/")]
    yield f"It asks {counts_in_words(every.values())}."
    yield f"{len(others)} of the addresses, for signing in through others, are there only where that is configured."


def _states() -> Iterator[str]:
    yield "# States"
    yield ""
    yield "Which states there are, which moves lead from one to another, and who may make each. Generated by"
    yield "`manage.py write_docs` from the tables in the code, which decide; `make check` compares. Where a"
    yield "move has further conditions (consent, a free place, the time), the action of that name says so."
    for machine in MACHINES:
        yield ""
        yield f"## {machine.name}"
        yield ""
        yield f"From `{machine.where}`."
        yield ""
        yield "| Move | From | To | Who may make it |"
        yield "|---|---|---|---|"
        for move in machine.transitions:
            sources = ", ".join(str(source.label) if source else "(begins)" for source in move.sources)
            who = ", ".join(str(role.label) for role in move.by)
            yield f"| {move.name} | {sources} | {move.target.label} | {who} |"
        yield ""
        yield from _diagram(machine)
    yield ""


def _copy() -> Iterator[str]:
    yield from (
        "# A patient’s copy of their record",
        "",
        "Generated by `manage.py write_docs`; `make check` compares. One click on the patient’s own page makes two",
        "files: pages to read (PDF/UA-1, set by typst) and a file for programs (JSON). The worker makes them as the",
        "patient, through what the patient may see and nothing else: a note that is withheld is in neither, and",
        "nothing says so. Both wait in the database for 24 hours, encrypted; each can be downloaded once, by the",
        "signed-in patient alone, and is wiped then. Each download is a line of the ledger of disclosures, which the",
        "patient reads. The right outlasts taking part.",
        "",
        f"On every page, and in the file: “{NO_EVIDENCE}”",
        "",
        f"Of changes and of the log the pages hold the first {LINES_ON_PAGES} lines; the file holds all.",
        "Which kinds of row there are follows from the privacy declarations, so that no new one can be forgotten:",
        "",
        "| Part | Title |",
        "|---|---|",
    )
    for model in in_the_copy():
        title = TITLES.get(model) or capfirst(str(model._meta.verbose_name_plural))
        yield f"| `{model._meta.label_lower.replace('.', '_')}` | {title} |"
    yield from (
        "",
        "## The file for programs",
        "",
        "Its JSON Schema, as it is served at `/copy-schema/1/`:",
        "",
    )
    yield from ("```json", SCHEMA.read_text().rstrip(), "```", "")


def _diagram(machine: Machine) -> Iterable[str]:
    yield "```mermaid"
    yield "stateDiagram-v2"
    for state in machine.states:
        yield f"    {state.value}: {state.label}"
    for move in machine.transitions:
        for source in move.sources:
            yield f"    {source.value if source else '[*]'} --> {move.target.value}: {move.name}"
    left = {source for move in machine.transitions for source in move.sources if source != move.target}
    for state in machine.states:
        if state not in left:
            yield f"    {state.value} --> [*]"
    yield "```"
