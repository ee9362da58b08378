"""Going to a provider and coming back, as a browser does it."""

from __future__ import annotations

import time
from typing import Any
from urllib.parse import urlsplit

from django.test import Client

from audit.models import Kind
from pilot.access import Actor
from pilot.people.models import Patient
from pilot.sign_in.oidc.policies import Why
from pilot.web.middleware import SEEN, STARTED
from tests import factories
from tests.log import events
from tests.sign_in.oidc.provider import RealProvider


def depart(client: Client, slug: str, rest: str = "sign-in/", **data: str) -> str:
    """Press the button; returns the provider's address that the page goes on to."""
    page = client.post(f"/account/with/{slug}/{rest}", data)
    assert page.status_code == 200, (page.status_code, page.get("Location"), page.content)
    return page.headers["Refresh"].removeprefix("0; url=")


def come_back(client: Client, address: str) -> Any:
    parts = urlsplit(address)
    return client.get(f"{parts.path}?{parts.query}")


def travel(client: Client, provider: RealProvider, slug: str, subject: str, rest: str = "sign-in/") -> Any:
    """There, sign in and agree, and back. Returns our answer."""
    return come_back(client, provider.agree(depart(client, slug, rest), subject))


def claims_of(patient: Patient, **others: Any) -> dict[str, Any]:
    """What NHS login says of the person whom this practice knows by these details. None leaves a claim out."""
    said = {
        "nhs_number": patient.nhs_number,
        "birthdate": patient.date_of_birth.isoformat(),
        "family_name": patient.family_name,
        "identity_proofing_level": "P9",
        "vot": "P9.Cp.Cd",
        "email": f"{patient.pk}@example.org",
        "email_verified": True,
        **others,
    }
    return {name: value for name, value in said.items() if value is not None}


def just_signed_in(client: Client, actor: Actor) -> Client:
    """Signed in a moment ago, with all that this role asks for."""
    factories.sign_in(client, actor)
    session = client.session
    session[STARTED] = session[SEEN] = time.time()
    session.save()
    return client


def who(client: Client) -> str | None:
    """The id of whoever this browser is signed in as now."""
    return client.session.get("_auth_user_id")


def said(page: Any) -> str:
    """The words of a page, without what is new in each answer."""
    text = page.content.decode()
    return text[text.index("<main") : text.index("</main>")]


def refusals(slug: str) -> list[str]:
    """Why this provider's word opened nothing, as the log has it, oldest first."""
    return [event.reason for event in events(kind=Kind.REFUSED, action=f"oidc.{slug}-callback")]


def refused(client: Client, slug: str, why: Why) -> bool:
    """Whether nobody is signed in, and the log says why; the page never does."""
    return who(client) is None and refusals(slug)[-1:] == [why.value]
