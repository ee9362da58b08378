"""Every address × kind of request × who asks × whose record is tried, and answers as derived from permission, role and
relation. What is refused changes nothing."""

from __future__ import annotations

import logging
import sys
from collections.abc import Iterator
from functools import cache
from itertools import product
from typing import Any
from uuid import UUID, uuid4

import pytest
from django.conf import settings
from django.core import signing
from django.db import connections
from django.http import HttpResponse
from django.template.response import SimpleTemplateResponse
from django.test import Client
from django.urls import reverse

from pilot.access import Role, acting
from pilot.people.models import User
from pilot.sign_in.oidc.configuration import NHS_LOGIN, WORK, Provider
from pilot.web import errors, forms, gate, middleware
from pilot.web.expectations import ASKERS, VISITOR, Address, Asker, Outcome, Scope, addresses, counts_in_words
from tests import factories
from tests.access.walk_world import World, make_world

BY_NAME = {asker.name: asker for asker in ASKERS}
# The project's own addresses, and those of both providers through whom people may sign in.
SITE = "tests.sign_in.oidc.site"
ADDRESSES = addresses(SITE)
LOOKING, UNSAFE = PARTS = (("GET", "HEAD", "OPTIONS"), ("POST", "PUT", "PATCH", "DELETE"))
STATUSES = {403: Outcome.FORBIDDEN, 404: Outcome.NOT_THERE, 405: Outcome.NOT_OFFERED}
LED_TO = {"web:choose-role": Outcome.CHOOSE_ROLE, "sign_in:second-step": Outcome.SECOND_STEP}
# What an answer may be that somebody is allowed to have: the page, the way on, or how the row or the form stands.
ALLOWED = {200, 302, 400, 409, 422, 503}


@pytest.fixture(autouse=True)
def site(settings: Any) -> None:
    settings.ROOT_URLCONF = SITE
    # Each signs in once, and may walk for long on a slow machine.
    settings.SESSION_IDLE_SECONDS = settings.SESSION_COOKIE_AGE
    # Nobody answers there, and the pages say so.
    nobody = {"issuer": "http://127.0.0.1:9", "client_id": "pilot", "scope": ("openid",)}
    settings.SIGN_IN_PROVIDERS = {
        slug: Provider(slug=slug, name=slug, client_secret="secret", **nobody) for slug in (NHS_LOGIN, WORK)
    }


@pytest.fixture(autouse=True)
def sessions_noted_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """At the beginning: on a slow machine a walk takes longer than a minute, and a session noted again on the way would
    look like one that was begun anew."""
    monkeypatch.setattr(middleware, "SECONDS_BETWEEN_NOTES", 60 * 60)


@pytest.fixture(autouse=True)
def drawn_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """The pages of refusals are the same at every address: each is drawn once for whoever asks, which is half the time."""
    drawn: dict[Any, str] = {}
    draw = errors.render_to_string

    def remembered(name: str, context: dict[str, Any], request: Any = None) -> str:
        key = (name, tuple(context.values()))
        if key not in drawn:
            drawn[key] = draw(name, context, request)
        return drawn[key]

    monkeypatch.setattr(errors, "render_to_string", remembered)


@pytest.fixture(autouse=True)
def not_drawn_for_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """HEAD is asked wherever GET is, and goes the same way up to the page itself, which GET draws and HEAD drops."""
    draw = SimpleTemplateResponse.rendered_content

    def rendered(self: Any) -> str:
        return "" if self._request.method == "HEAD" else draw.fget(self)

    monkeypatch.setattr(SimpleTemplateResponse, "rendered_content", property(rendered))


@pytest.fixture(autouse=True)
def refusals_not_reported() -> Iterator[None]:
    """Tens of thousands of lines that nobody reads, if something goes wrong least of all."""
    log = logging.getLogger("django.request")
    level = log.level
    log.setLevel(logging.ERROR)
    yield
    log.setLevel(level)


@pytest.fixture(scope="module")
def world(module_database: str) -> World:
    return make_world()


@pytest.fixture(scope="module")
def walkers(world: World) -> dict[str, Walker]:
    """Each signs in once for all they ask."""
    return {}


@pytest.fixture
def walker(world: World, walkers: dict[str, Walker], who: str) -> Walker:
    if who not in walkers:
        walkers[who] = Walker(world, BY_NAME[who])
    walkers[who].sign_in()
    return walkers[who]


class Walker:
    """One who asks, with one signed-in browser; for a patient another, of one who has withdrawn."""

    def __init__(self, world: World, asker: Asker) -> None:
        self.world, self.asker = world, asker
        self.users = {scope: self._user(scope) for scope in (Scope.OWN, Scope.WITHDRAWN)}
        self.clients: dict[UUID | None, Client] = {}
        self.paths: dict[tuple[str, Scope], str] = {}

    def sign_in(self) -> None:
        """Whoever something signed out, or who has not been here yet."""
        for scope in self.users:
            self.client(scope)

    def ask(
        self, address: Address, method: str, scope: Scope, path: str, data: dict[str, str]
    ) -> HttpResponse:
        client = self.client(scope)
        response = client.post(path, data) if data else client.generic(method, path)
        if settings.SESSION_COOKIE_NAME in response.cookies:
            # Signed in or out by it, as some pages do: the next question is asked as before.
            self.clients.clear()
        return response

    def path(self, address: Address, scope: Scope) -> str:
        """The same for every method."""
        key = (address.pattern, scope)
        if key not in self.paths:
            self.paths[key] = self.world.path(address, scope, whose=self.user(scope))
        return self.paths[key]

    def form_key(self, scope: Scope, path: str) -> str:
        """A form's key as this page would have given it: what is refused is refused although it is valid."""
        user = self.user(scope)
        return signing.dumps([uuid4().hex, str(user.pk) if user else "", path], salt=forms._SALT)

    def client(self, scope: Scope) -> Client:
        user = self.user(scope)
        key = user.pk if user else None
        if key not in self.clients:
            self.clients[key] = (
                self._signed_in(scope, user) if user else Client(raise_request_exception=False)
            )
        return self.clients[key]

    def user(self, scope: Scope) -> User | None:
        return self.users.get(scope, self.users[Scope.OWN])

    def _user(self, scope: Scope) -> User | None:
        actor = self.world.actor(self.asker, scope)
        if actor:
            return factories.user_of(actor)
        return None if self.asker is VISITOR else self.world.superuser

    def _signed_in(self, scope: Scope, user: User) -> Client:
        client = Client(raise_request_exception=False)
        actor = self.world.actor(self.asker, scope)
        if actor and self.asker.role:
            factories.sign_in(client, actor)
        else:
            with acting(factories.TESTS, "test.signed_in"):
                client.force_login(user)
        # So that what a session notes of itself is noted before anything is compared.
        client.get(reverse("web:stay"))
        return client


@cache
def address_of(name: str) -> str:
    return reverse(name)


def outcome_of(address: Address, path: str, response: HttpResponse) -> Outcome | int:
    location = response.headers.get("Location", "")
    if location.startswith(f"{address_of(settings.LOGIN_URL)}?next={path}"):
        return Outcome.SIGN_IN
    # Some lead there too, but as their answer: only the way back says that something was in the way.
    for name, outcome in LED_TO.items():
        if location.startswith(address_of(name)) and getattr(address.view, "needs_role", False):
            return outcome
    allowed = Outcome.ALLOWED if response.status_code in ALLOWED else response.status_code
    return STATUSES.get(response.status_code, allowed)


def questions(asker: Asker, methods: tuple[str, ...]) -> Iterator[tuple[Address, str, Scope, Outcome]]:
    for address in ADDRESSES:
        for method, scope in product(methods, address.scopes):
            yield address, method, scope, address.expected(method, asker, scope)


def walk(walker: Walker, asked: list[tuple[Address, str, Scope, Outcome]], **data: str) -> list[Any]:
    """What was answered otherwise than expected."""
    wrong = []
    for address, method, scope, expected in asked:
        try:
            path = walker.path(address, scope)
        except LookupError as unbuilt:
            wrong.append((unbuilt,))
            continue
        sent = {forms.FORM_KEY: walker.form_key(scope, path), **data} if data and method == "POST" else {}
        response = walker.ask(address, method, scope, path, sent)
        found = outcome_of(address, path, response)
        if found is not expected:
            wrong.append((address.name, method, scope.value, f"expected {expected}", f"was {found}"))
        takes = address.methods if method in gate.METHODS else gate.METHODS
        if found is Outcome.NOT_OFFERED and response.headers["Allow"] != ", ".join(takes):
            wrong.append((address.name, method, "Allow", response.headers["Allow"]))
    return wrong


def check(wrong: list[Any]) -> None:
    if wrong:
        pytest.fail("\n".join(str(each) for each in wrong[:60]), pytrace=False)


# Rows that asking as such may write, whatever the answer is, and why that is right.
NOT_COMPARED = {
    "audit_event": "kind <> 'refused'",  # the refusal's own event; these are counted instead
    "django_session": "false",  # a session notes once a minute that its person was seen
}


def digest() -> dict[str, tuple[int, Any]]:
    """The number and the content of the rows of every table, in one statement, as the owner sees them."""
    with connections["owner"].cursor() as cursor:
        cursor.execute("SELECT tablename FROM pg_tables WHERE schemaname = 'public' ORDER BY tablename")
        tables = [name for (name,) in cursor.fetchall()]
        cursor.execute(
            " UNION ALL ".join(
                f"SELECT '{name}', count(*), sum(hashtextextended(t::text, 0)::numeric) FROM public.\"{name}\" t"
                f" WHERE {NOT_COMPARED.get(name, 'true')}"
                for name in tables
            )
        )
        return {name: (count, content) for name, count, content in cursor.fetchall()}


def refusals() -> int:
    with connections["owner"].cursor() as cursor:
        cursor.execute("SELECT count(*) FROM audit_event WHERE kind = 'refused'")
        return int(cursor.fetchone()[0])


class Walk:
    """The same for everybody; in several classes, so that several workers share the work."""

    def test_looking(self, walker: Walker) -> None:
        check(walk(walker, list(questions(walker.asker, LOOKING))))

    def test_sending_what_is_allowed(self, walker: Walker) -> None:
        allowed = [each for each in questions(walker.asker, UNSAFE) if each[-1] is Outcome.ALLOWED]
        # Without a form's key, so that nothing happens and the world stays as it is.
        check(walk(walker, allowed))

    def test_what_is_refused_changes_nothing(self, walker: Walker) -> None:
        denied = [each for each in questions(walker.asker, UNSAFE) if each[-1] is not Outcome.ALLOWED]
        before, refused_before = digest(), refusals()
        check(walk(walker, denied, **SENT))
        assert digest() == before
        # Each leaves its own event and no other: that somebody was led on, or that an address does not take such
        # requests at all, is no refusal.
        noted = [each for each in denied if each[-1] in (Outcome.FORBIDDEN, Outcome.NOT_THERE)]
        assert refusals() - refused_before == len(noted)

    def test_two_rows_in_one_address_are_of_one_patient(self, world: World, walker: Walker) -> None:
        for address in (each for each in ADDRESSES if len(each.rows) > 1):
            # One page compares two patients of one practice.
            both = address.name != "referrals:merge"
            for other in (Scope.SAME_PRACTICE, Scope.OTHER_PRACTICE) if both else (Scope.OTHER_PRACTICE,):
                path = world.path(address, Scope.OWN, whose=walker.user(Scope.OWN), elsewhere=other)
                response = walker.ask(address, "GET", Scope.OWN, path, {})
                assert outcome_of(address, path, response) is not Outcome.ALLOWED


# Sent with every request that is to be refused: enough for those forms that ask for nothing but a press.
SENT = {forms.VERSION: "1", "ending": "support_complete", "words": "Two mornings a week", "text": "A note"}


@pytest.mark.parametrize(
    "who", [Role.RECEPTIONIST.value, Role.SPEAK_UP_GUARDIAN.value, VISITOR.name, "one step"]
)
class TestFirstShare(Walk):
    pass


@pytest.mark.parametrize("who", [Role.CLINICIAN.value, Role.COMMISSIONER.value, "superuser"])
class TestSecondShare(Walk):
    pass


@pytest.mark.parametrize("who", [Role.COACH.value, Role.SUPERVISOR.value, "expired member"])
class TestThirdShare(Walk):
    pass


@pytest.mark.parametrize("who", [Role.PATIENT.value, Role.PILOT_MANAGER.value, Role.CALDICOTT_GUARDIAN.value])
class TestFourthShare(Walk):
    pass


def test_every_question_is_asked_once(capsys: pytest.CaptureFixture[str]) -> None:
    asked = [
        (who.name, address.pattern, method, scope)
        for who in ASKERS
        for part in PARTS
        for address, method, scope, _expected in questions(who, part)
    ]
    assert len(asked) == len(set(asked)) == sum(len(list(each.cells())) for each in ADDRESSES)
    with capsys.disabled():
        sys.stdout.write(f"\nThe walk asks {counts_in_words(ADDRESSES)}.\n")


def test_nobody_is_left_out() -> None:
    walked = [
        who
        for each in (TestFirstShare, TestSecondShare, TestThirdShare, TestFourthShare)
        for mark in each.pytestmark  # type: ignore[attr-defined]
        for who in mark.args[1]
    ]
    assert sorted(walked) == sorted(BY_NAME)
