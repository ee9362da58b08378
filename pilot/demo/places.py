"""The invented pilot's organisations and the people who work there."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache, cached_property
from uuid import UUID, uuid5

from django.utils.text import slugify

from pilot.access import Role
from pilot.people.models import Organisation

Kind = Organisation.Kind

# Every key of the demo comes from a name, so that loading it twice makes the same rows.
_NAMESPACE = UUID("f5d9a6b0-3c51-4d0e-9f53-0d2f8a7c1e99")


def key(*names: object) -> UUID:
    """The key of the thing with this name."""
    return uuid5(_NAMESPACE, "/".join(map(str, names)))


@dataclass(frozen=True)
class Place:
    """An organisation. `joined` is the pilot's day on which it first took part; `size` weighs its list."""

    code: str
    name: str
    kind: Kind
    phone: str
    served_by: str = ""
    joined: int = 0
    size: int = 1

    @cached_property
    def id(self) -> UUID:
        return key("organisation", self.code)


@dataclass(frozen=True)
class Worker:
    """A member of staff. Coaches have `places`; `joined` is the day of the pilot on which they began."""

    name: str
    role: Role
    place: str
    joined: int = 0
    is_named_clinician: bool = False
    places: int | None = None

    @cached_property
    def email(self) -> str:
        return f"{slugify(self.name.removeprefix('Dr ')).replace('-', '.')}@example.org"

    @cached_property
    def id(self) -> UUID:
        """The key of the account, shared by all roles of one person."""
        return key("user", self.email)


BRIDGEWORK, STEPWISE = "ZZP01", "ZZP02"
PROVIDERS = (
    Place(BRIDGEWORK, "Bridgework Coaching", Kind.PROVIDER, "020 7946 0801"),
    Place(STEPWISE, "Stepwise Futures", Kind.PROVIDER, "020 7946 0802"),
)
# Two joined later, as practices do.
PRACTICES = (
    Place("Z00001", "Angel Brook Surgery", Kind.PRACTICE, "020 7946 0101", BRIDGEWORK, size=13),
    Place("Z00002", "Barnsfield Green Practice", Kind.PRACTICE, "020 7946 0102", BRIDGEWORK, size=11),
    Place("Z00003", "Copenhill Medical Centre", Kind.PRACTICE, "020 7946 0103", BRIDGEWORK, size=9),
    Place("Z00004", "Drover’s Yard Surgery", Kind.PRACTICE, "020 7946 0104", BRIDGEWORK, 190, size=6),
    Place("Z00005", "Highfold Park Practice", Kind.PRACTICE, "020 7946 0105", STEPWISE, size=12),
    Place("Z00006", "Lockkeeper’s Wharf Surgery", Kind.PRACTICE, "020 7946 0106", STEPWISE, size=10),
    Place("Z00007", "Upper Mill Medical Centre", Kind.PRACTICE, "020 7946 0107", STEPWISE, 220, size=5),
)
COMMISSIONER = Place("ZZC01", "North Canal Integrated Care Board", Kind.COMMISSIONER, "020 7946 0901")
OFFICE = Place("ZZO01", "The pilot’s office", Kind.PILOT_OFFICE, "020 7946 0902")

_RECEPTIONISTS = {
    "Z00001": ("Rita Fontaine", "Colin Peake"),
    "Z00002": ("Shirin Daud", "Maureen Tully"),
    "Z00003": ("Kelly-Ann Rowe", "Ibrahim Sesay"),
    "Z00004": ("Dawn Merchant", "Pavel Hruska"),
    "Z00005": ("Samira Toledo", "Gary Birch"),
    "Z00006": ("Anjali Mistry", "Lorraine Speight"),
    "Z00007": ("Theo Marinos", "Beth Culver"),
}
# The first of each is the one who is told when someone is in distress.
_CLINICIANS = {
    "Z00001": ("Dr Adaeze Umeh", "Hugh Pemberton"),
    "Z00002": ("Dr Sunil Varma", "Dr Carys Bevan"),
    "Z00003": ("Dr Miriam Feld", "Grace Tembo"),
    "Z00004": ("Dr Tom Alleyne", "Dr Nuala Rooney"),
    "Z00005": ("Dr Parisa Karimi", "Dr Luke Sandford"),
    "Z00006": ("Dr Olu Fashola", "Rhian Maddox"),
    "Z00007": ("Dr Helena Strand", "Dr Amit Bose"),
}
# Name, day of joining, places.
_COACHES = {
    BRIDGEWORK: (
        ("Maya Lindqvist", 0, 20),
        ("Jerome Atkins", 0, 20),
        ("Saoirse Kane", 0, 20),
        ("Nathan Oyelaran", 0, 18),
        ("Priya Menon", 60, 20),
        ("Will Garrod", 150, 12),
        ("Halima Yusuf", 210, 20),
    ),
    STEPWISE: (
        ("Esther Boakye", 0, 20),
        ("Dominic Farr", 0, 20),
        ("Zoë Petrakis", 0, 16),
        ("Rashid Karam", 120, 20),
        ("Imogen Tate", 240, 20),
    ),
}
_SUPERVISORS = {BRIDGEWORK: ("Frances Ojo", "Jerome Atkins"), STEPWISE: ("Gwen Harcourt",)}
_OTHERS = (
    ("Philippa Crane", Role.COMMISSIONER, COMMISSIONER.code),
    ("Noor Haddad", Role.PILOT_MANAGER, OFFICE.code),
    ("Desmond Achebe", Role.CALDICOTT_GUARDIAN, OFFICE.code),
    ("Ruth Ellery", Role.SPEAK_UP_GUARDIAN, OFFICE.code),
)


def places() -> tuple[Place, ...]:
    """Every organisation, providers before the practices that they serve."""
    return (*PROVIDERS, *PRACTICES, COMMISSIONER, OFFICE)


def place(code: str) -> Place:
    return next(each for each in places() if each.code == code)


@cache
def workers() -> tuple[Worker, ...]:
    """Every role that somebody has; a person with two roles comes twice."""
    return tuple(_workers())


@cache
def staff(role: Role, code: str) -> tuple[Worker, ...]:
    """Who has this role at that organisation, in a fixed order."""
    return tuple(worker for worker in workers() if worker.role is role and worker.place == code)


def _workers() -> Iterator[Worker]:
    for practice in PRACTICES:
        code = practice.code
        for name in _RECEPTIONISTS[code]:
            yield Worker(name, Role.RECEPTIONIST, code, practice.joined)
        for name in _CLINICIANS[code]:
            is_first = name == _CLINICIANS[code][0]
            yield Worker(name, Role.CLINICIAN, code, practice.joined, is_named_clinician=is_first)
    for provider, coaches in _COACHES.items():
        for name, joined, most in coaches:
            yield Worker(name, Role.COACH, provider, joined, places=most)
        for name in _SUPERVISORS[provider]:
            yield Worker(name, Role.SUPERVISOR, provider)
    for name, role, code in _OTHERS:
        yield Worker(name, role, code)
