"""Headers, the end of sessions, the acting role, and who is sent to sign in."""

import datetime as dt
import gzip

import pytest
import time_machine
from django.conf import settings
from django.contrib.sessions.backends.cached_db import SessionStore
from django.test import Client
from django.urls import URLPattern, URLResolver, get_resolver
from django.utils import timezone
from redis.exceptions import ConnectionError as RedisIsAway

from pilot.access import Actor, Role, acting
from pilot.people.actions import end_membership
from pilot.people.models import Membership
from tests import factories, second_steps
from tests.forms import hidden_in

# Later than any clock that runs this: accounts made now count only sessions that began after them.
NOW = dt.datetime(2050, 6, 6, 9, 0, tzinfo=dt.UTC)
MINUTE = dt.timedelta(minutes=1)
PAGE = "/account/"


def signs_in(client: Client, actor: Actor) -> Client:
    """Through the real pages, as a person does, with the code of an app."""
    user = factories.user_of(actor)
    second_steps.app_of(user)
    hidden = hidden_in(client.get("/account/login/"))
    answers = {**hidden, "login": user.email, "password": factories.PASSWORD}
    assert client.post("/account/login/", answers).status_code == 302
    code = {"code": second_steps.code_now(user)}
    assert client.post("/account/second-step/authenticate/", code).headers["Location"] == "/"
    return client


def test_a_session_ends_when_nobody_used_it_for_fifteen_minutes(client: Client, receptionist: Actor) -> None:
    with time_machine.travel(NOW, tick=False) as clock:
        signs_in(client, receptionist)
        for _ in range(5):
            clock.shift(14 * MINUTE)
            assert client.get(PAGE).status_code == 200
        clock.shift(15 * MINUTE)
        response = client.get(PAGE)
        assert response.headers["Location"] == f"/account/login/?next={PAGE}"
        assert (
            "You have been signed out to keep information safe"
            in client.get("/account/login/").content.decode()
        )


def test_a_session_ends_after_twelve_hours_however_busy(client: Client, receptionist: Actor) -> None:
    with time_machine.travel(NOW, tick=False) as clock:
        signs_in(client, receptionist)
        for _ in range(71):
            clock.shift(10 * MINUTE)
            assert client.get(PAGE).status_code == 200
        clock.shift(10 * MINUTE)
        assert client.get(PAGE).status_code == 302


def test_being_seen_is_noted_once_a_minute_at_most(
    client: Client, receptionist: Actor, monkeypatch: pytest.MonkeyPatch
) -> None:
    with time_machine.travel(NOW, tick=False) as clock:
        signs_in(client, receptionist)
        client.get(PAGE)
        saves: list[dt.datetime] = []
        save = SessionStore.save

        def counted(self: SessionStore, must_create: bool = False) -> None:
            saves.append(timezone.now())
            save(self, must_create)

        monkeypatch.setattr(SessionStore, "save", counted)
        for _ in range(6):
            clock.shift(20 * dt.timedelta(seconds=1))
            client.get("/help/")
        assert len(saves) <= 2


def test_the_page_knows_how_long_the_session_has_left(client: Client, receptionist: Actor) -> None:
    with time_machine.travel(NOW, tick=False) as clock:
        signs_in(client, receptionist)
        clock.shift(dt.timedelta(seconds=50))
        html = client.get(PAGE).content.decode()
        assert 'data-ends-in="850"' in html
        assert 'data-warn-for="120"' in html
        clock.shift(2 * MINUTE)
        assert client.get("/session/").json() == {"ends_in": 900}
    assert "session-warning" not in Client().get("/help/").content.decode()


def test_signing_out_everywhere_ends_the_other_sessions_too(receptionist: Actor) -> None:
    here, there = signs_in(Client(), receptionist), signs_in(Client(), receptionist)
    assert there.get(PAGE).status_code == 200
    address = "/account/sign-out-everywhere/"
    response = here.post(address, hidden_in(here.get(address)))
    assert response.headers["Location"] == "/account/login/"
    assert [browser.get(PAGE).status_code for browser in (here, there)] == [302, 302]
    assert signs_in(Client(), receptionist).get(PAGE).status_code == 200


def test_a_session_survives_redis_going_away(
    client: Client, receptionist: Actor, monkeypatch: pytest.MonkeyPatch
) -> None:
    def away(*args: object, **options: object) -> None:
        raise RedisIsAway

    with time_machine.travel(NOW, tick=False) as clock:
        signs_in(client, receptionist)
        monkeypatch.setattr("redis.Redis.execute_command", away)
        for _ in range(3):
            clock.shift(2 * MINUTE)
            assert client.get(PAGE).status_code == 200
        clock.shift(15 * MINUTE)
        assert client.get(PAGE).status_code == 302
        monkeypatch.undo()
        assert client.get(PAGE).status_code == 302


def test_a_link_cannot_sign_anybody_out(client: Client, receptionist: Actor) -> None:
    signs_in(client, receptionist)
    assert "Sign out?" in client.get("/account/logout/").content.decode()
    assert client.get(PAGE).status_code == 200
    client.post("/account/logout/", hidden_in(client.get("/account/logout/")))
    assert client.get(PAGE).status_code == 302


def test_somebody_with_two_roles_chooses_and_may_change(client: Client, pilot: factories.Pilot) -> None:
    user = factories.make_user("Sam Both")
    factories.make_staff(Role.RECEPTIONIST, pilot.practice, user=user)
    clinician = factories.make_staff(Role.CLINICIAN, pilot.practice, user=user)
    signs_in(client, clinician)
    response = client.get(PAGE)
    assert response.headers["Location"] == "/role/?next=%2Faccount%2F"

    address = "/role/?next=/account/"
    html = client.get(address).content.decode()
    assert f"Clinician at {pilot.practice.name}" in html
    assert " checked" not in html
    for role in (Role.CLINICIAN, Role.RECEPTIONIST):
        key = str(Membership.objects.get(user=user, role=role).pk)
        page = hidden_in(client.get(address))
        assert client.post(address, {**page, "role": key}).headers["Location"] == "/account/"
        assert f"{role.label}, {pilot.practice.name}" in client.get(PAGE).content.decode()


def test_a_role_of_somebody_else_cannot_be_chosen(
    client: Client, pilot: factories.Pilot, receptionist: Actor
) -> None:
    other = factories.make_staff(Role.CLINICIAN, pilot.practice)
    signs_in(client, receptionist)
    page = hidden_in(client.get("/role/"))
    key = str(Membership.objects.get(user_id=other.user_id).pk)
    assert client.post("/role/", {**page, "role": key}).status_code == 422


def test_choosing_a_role_never_leads_to_another_site(client: Client, receptionist: Actor) -> None:
    signs_in(client, receptionist)
    address = "/role/?next=https://example.org/"
    page = hidden_in(client.get(address))
    key = str(Membership.objects.get(user_id=receptionist.user_id).pk)
    assert client.post(address, {**page, "role": key}).headers["Location"] == "/"


def test_a_role_that_ended_opens_nothing_from_the_next_click_on(client: Client, receptionist: Actor) -> None:
    signs_in(client, receptionist)
    assert client.get(PAGE).status_code == 200
    end_membership(Membership.objects.get(user_id=receptionist.user_id), by=factories.TESTS)
    assert client.get(PAGE).headers["Location"].startswith("/role/")
    assert "you have no role in the pilot at present" in client.get("/role/").content.decode()


def test_a_practice_that_closed_opens_nothing(
    client: Client, receptionist: Actor, pilot: factories.Pilot
) -> None:
    signs_in(client, receptionist)
    pilot.practice.valid_until = timezone.localdate()
    with acting(factories.TESTS, "test.made"):
        pilot.practice.save()
    assert client.get(PAGE).headers["Location"].startswith("/role/")


def test_a_superuser_without_a_role_has_none(client: Client, module_database: str) -> None:
    from pilot.people.models import User

    with acting(factories.TESTS, "test.made"):
        client.force_login(User.objects.create_superuser("root@example.org", "x", display_name="Root"))
    assert client.get(PAGE).headers["Location"].startswith("/role/")


def test_visitors_are_sent_to_sign_in_from_every_page_but_the_public_ones(
    client: Client, module_database: str
) -> None:
    public = set()
    for name, pattern in patterns(get_resolver("pilot.web.urls")):
        if not pattern.callback.__dict__.get("login_required", True):
            public.add(name)
        else:
            response = client.get("/" + str(pattern.pattern))
            assert response.headers["Location"].startswith("/account/login/?next="), name
    assert public == {"home", "help", "accessibility", "privacy", "alive", "ready"}


def patterns(resolver: URLResolver) -> list[tuple[str, URLPattern]]:
    return [(one.name, one) for one in resolver.url_patterns if isinstance(one, URLPattern)]


@pytest.mark.usefixtures("site")
def test_a_plain_view_needs_sign_in_too(client: Client, module_database: str) -> None:
    assert client.get("/tiny/plain/").headers["Location"] == "/account/login/?next=/tiny/plain/"


def test_pages_of_somebody_signed_in_are_kept_by_nobody(client: Client, receptionist: Actor) -> None:
    signs_in(client, receptionist)
    headers = client.get(PAGE).headers
    assert headers["Cache-Control"] == "no-store, private"
    assert "camera=()" in headers["Permissions-Policy"]
    assert headers["Cross-Origin-Opener-Policy"] == "same-origin"
    assert headers["Cross-Origin-Resource-Policy"] == "same-origin"
    assert headers["Referrer-Policy"] == "same-origin"
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["X-Frame-Options"] == "DENY"
    assert "unsafe" not in headers["Content-Security-Policy"]


def test_pages_are_sent_compressed(client: Client, module_database: str) -> None:
    response = client.get("/help/", headers={"accept-encoding": "gzip"})
    assert response.headers["Content-Encoding"] == "gzip"
    assert b"<h1" in gzip.decompress(response.content)


def test_the_cookies_cannot_be_read_by_script() -> None:
    assert settings.SESSION_COOKIE_HTTPONLY
    assert settings.CSRF_COOKIE_HTTPONLY
