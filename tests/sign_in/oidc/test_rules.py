"""What NHS login has to vouch for, and when that is somebody we know. No provider is asked here."""

from __future__ import annotations

import datetime as dt
from typing import Any
from uuid import uuid4

import pytest

from pilot.people.models import Patient, User
from pilot.sign_in.oidc import policies
from pilot.sign_in.oidc.configuration import NHS_LOGIN_VECTORS, Provider
from pilot.sign_in.oidc.policies import Refused, Why
from pilot.sign_in.oidc.tokens import Answer, NotBelieved

NHS = Provider("nhs-login", "NHS login", "https://a.example", "us", ("openid",), vectors=NHS_LOGIN_VECTORS)
WORK = Provider(
    "work", "Work", "https://b.example", "us", ("openid",), acr=frozenset({"AAL2"}), amr=frozenset({"mfa"})
)
CLAIMS = {
    "nhs_number": "9990000018",
    "birthdate": "1984-03-27",
    "family_name": "O'Brien-Žižek",
    "identity_proofing_level": "P9",
    "vot": "P9.Cp.Cd",
    "email": "ana@example.org",
    "email_verified": True,
}


def answer(provider: Provider = NHS, userinfo: dict[str, Any] | None = None, **others: Any) -> Answer:
    claims = {**CLAIMS, **others}
    return Answer(provider, "sub", {k: v for k, v in claims.items() if v is not None}, userinfo or {})


def refusal(act: Any, *args: Any) -> Why:
    with pytest.raises(Refused) as refused:
        act(*args)
    return refused.value.why


def patient(**others: Any) -> Patient:
    same = {"nhs_number": "9990000018", "date_of_birth": dt.date(1984, 3, 27), "family_name": "O’Brien Zizek"}
    return Patient(**{**same, **others})


# --- Proof ---


@pytest.mark.parametrize(
    "lacks",
    [
        {"nhs_number": None},
        {"nhs_number": "9990000000"},
        {"nhs_number": 9990000018},
        {"birthdate": None},
        {"birthdate": "27/03/1984"},
        {"birthdate": 19840327},
        {"family_name": None},
        {"family_name": " - "},
        {"identity_proofing_level": None},
        {"identity_proofing_level": "P5"},
        {"identity_proofing_level": ["P9"]},
        {"vot": None},
        {"vot": "P5.Cp.Cd"},
        {"vot": "P9.Cp"},
        {"vot": "P9.Cd"},
        {"vot": "P9"},
        {"vot": ["P9.Cp.Cd"]},
    ],
    ids=str,
)
def test_less_than_was_asked_for_proves_nobody(lacks: dict[str, Any]) -> None:
    assert refusal(policies.proven_patient, answer(**lacks)) is Why.NOT_PROVEN


@pytest.mark.parametrize("vot", ["P9.Cp.Cd", "P9.Cp.Ck", "P9.Cm", "Cd.P9.Cp", "P9.Cp.Cd.Ck"])
def test_every_vector_that_was_asked_for_is_taken(vot: str) -> None:
    proven = policies.proven_patient(answer(vot=vot))
    assert (proven.nhs_number, proven.born) == ("9990000018", dt.date(1984, 3, 27))


def test_the_vector_counts_only_where_it_is_signed() -> None:
    assert refusal(policies.proven_patient, answer(vot=None, userinfo={"vot": "P9.Cp.Cd"})) is Why.NOT_PROVEN


def test_what_one_paper_leaves_out_the_other_may_say() -> None:
    proven = policies.proven_patient(answer(family_name=None, userinfo={"family_name": "Smith"}))
    assert proven.family_name == "Smith"


@pytest.mark.parametrize(
    "name", ["nhs_number", "birthdate", "family_name", "identity_proofing_level", "email"]
)
def test_two_papers_that_contradict_each_other_are_not_believed(name: str) -> None:
    with pytest.raises(NotBelieved):
        policies.proven_patient(answer(userinfo={name: "something else"}))


@pytest.mark.parametrize(
    "said", [{"email_verified": False}, {"email_verified": "true"}, {"email": None}], ids=str
)
def test_an_address_counts_only_where_it_is_confirmed(said: dict[str, Any]) -> None:
    assert policies.proven_patient(answer(**said)).email == ""


def test_nothing_of_it_shows_where_somebody_prints_it() -> None:
    shown = repr(answer()) + repr(policies.proven_patient(answer())) + str(Refused(Why.NOBODY))
    assert not [value for value in ("9990000018", "1984", "Brien", "ana@") if value in shown]


# --- Fit ---


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        ("O’Brien Zizek", "O'BRIEN-ŽIŽEK"),
        ("Smith-Jones", "Smith Jones"),
        ("Strauß", "STRAUSS"),
        ("Łukasiewicz", "lukasiewicz"),
        ("Bjørk", "Bjork"),
        ("D’Æth", "daeth"),
        ("ﬁsher", "Fisher"),
        ("İnönü", "Inonu"),
        ("李", "李"),
    ],
)
def test_a_name_is_the_same_however_it_is_written(ours: str, theirs: str) -> None:
    assert policies.fold(ours) == policies.fold(theirs)
    assert policies.fits(patient(family_name=ours), policies.proven_patient(answer(family_name=theirs)))


@pytest.mark.parametrize(
    "differs",
    [
        {"nhs_number": "9990000026"},
        {"nhs_number": None},
        {"date_of_birth": dt.date(1984, 3, 28)},
        {"family_name": "Brien Zizek"},
        {"family_name": "Smith"},
        {"family_name": "李"},
    ],
    ids=str,
)
def test_one_that_differs_is_enough_not_to_fit(differs: dict[str, Any]) -> None:
    assert not policies.fits(patient(**differs), policies.proven_patient(answer()))


def test_once_connected_a_new_name_is_no_reason_and_a_new_number_or_birthday_is() -> None:
    proven = policies.proven_patient(answer())
    assert policies.is_same_person(patient(family_name="Married"), proven)
    assert not policies.is_same_person(patient(nhs_number="9990000026"), proven)
    assert not policies.is_same_person(patient(date_of_birth=dt.date(1984, 3, 28)), proven)


def test_the_one_who_fits_is_found_among_those_who_do_not() -> None:
    here = patient()
    assert (
        policies.only_match([patient(family_name="Smith"), here], policies.proven_patient(answer())) is here
    )


@pytest.mark.parametrize(
    ("found", "why"),
    [
        ([], Why.NOBODY),
        ([patient(family_name="Smith")], Why.NOBODY),
        ([patient(), patient()], Why.SEVERAL),
        ([patient(account_id=uuid4()), patient()], Why.SEVERAL),
        ([patient(account_id=uuid4())], Why.HAS_ACCOUNT),
    ],
)
def test_nobody_several_and_an_account_that_is_there_are_refused(found: list[Patient], why: Why) -> None:
    assert refusal(policies.only_match, found, policies.proven_patient(answer())) is why


# --- Staff ---


@pytest.mark.parametrize(
    ("said", "gave"),
    [
        ({"acr": "AAL2"}, True),
        ({"amr": ["pwd", "mfa"]}, True),
        ({}, False),
        ({"acr": "AAL1", "amr": ["pwd"]}, False),
        ({"amr": "mfa"}, False),
        ({"acr": ["AAL2"]}, False),
        ({"amr": [["mfa"]]}, False),
    ],
    ids=str,
)
def test_a_second_factor_is_one_that_the_provider_names(said: dict[str, Any], gave: bool) -> None:
    assert policies.gave_second_factor(answer(WORK, **said)) is gave


def test_a_second_factor_counts_only_where_it_is_signed() -> None:
    assert not policies.gave_second_factor(answer(WORK, userinfo={"amr": ["mfa"], "acr": "AAL2"}))


@pytest.mark.parametrize(
    ("said", "passes"),
    [
        ({"email": "Ana@Example.org"}, True),
        ({"email": "other@example.org"}, False),
        ({"email_verified": False}, False),
        ({"email_verified": None}, False),
        ({"email": None}, False),
        ({"email": ["ana@example.org"]}, False),
    ],
    ids=str,
)
def test_an_account_is_connected_by_its_own_confirmed_address(said: dict[str, Any], passes: bool) -> None:
    user = User(email="ana@example.org")
    if passes:
        policies.check_address(user, answer(WORK, **said))
    else:
        assert refusal(policies.check_address, user, answer(WORK, **said)) is Why.OTHER_ADDRESS
