"""The layout, the pages for errors, allauth's pages in our dress, and whether the site is alive and ready."""

import logging
import re

import pytest
from django.core import mail
from django.template.loader import get_template, render_to_string
from django.test import Client, RequestFactory
from django.urls import reverse

from pilot.access import Actor, Permission, Role
from pilot.web import errors, health, navigation
from tests import factories
from tests.forms import hidden_in


def test_the_header_says_who_in_which_role_where_and_signs_out_by_a_button(
    desk: Client, pilot: factories.Pilot
) -> None:
    html = desk.get("/account/").content.decode()
    assert "Rosa Desk" in html
    assert f"Receptionist, {pilot.practice.name}" in html
    assert re.search(
        r'<form[^>]+method="post" action="/account/logout/">\s*<input type="hidden" name="csrf',
        html,
    )
    assert 'href="/account/logout/"' not in html
    assert f"<title>Your account – {pilot.practice.name} – Working Better pilot</title>" in html


def test_the_nhs_logo_is_off_unless_a_setting_turns_it_on(client: Client, module_database: str) -> None:
    assert 'aria-label="NHS"' not in client.get("/help/").content.decode()
    logo = render_to_string("components/header.jinja", {"shows_nhs_logo": True})
    assert 'aria-label="NHS"' in logo


def test_navigation_shows_what_the_role_may_open_and_marks_where_one_is(
    monkeypatch: pytest.MonkeyPatch, rf: RequestFactory
) -> None:
    items = [
        navigation.NavigationItem("Help", "web:help", Permission.SEE_PATIENTS, 20),
        navigation.NavigationItem("Start", "sign_in:account", Permission.USE_OWN_ACCOUNT, 10),
        navigation.NavigationItem("Privacy", "web:privacy", Permission.REVIEW_AUDIT, 5),
    ]
    monkeypatch.setattr(navigation, "_items", {item.url_name: item for item in items})
    request = rf.get("/account/sign-out-everywhere/")
    assert navigation.navigation_for(request) == []
    request.actor = Actor(Role.RECEPTIONIST, factories.uuid4())
    assert [(link.label, link.current) for link in navigation.navigation_for(request)] == [
        ("Start", True),
        ("Help", False),
    ]
    assert navigation.home_of(request) == reverse("sign_in:account")


def test_the_first_page_leads_staff_to_their_work_and_visitors_to_the_public_page(desk: Client) -> None:
    assert Client().get("/").headers["Location"] == navigation.public_home()
    assert desk.get("/").status_code == 302


@pytest.mark.parametrize("status", [400, 403, 404, 409, 429, 500])
def test_every_page_for_errors_can_be_drawn_from_nothing(status: int) -> None:
    html = render_to_string(f"errors/{status}.jinja", {}, None)
    assert html.count("<h1") == 1
    assert "fail" not in html.lower()


def test_a_wrong_address_is_a_404_for_visitors_and_for_staff(desk: Client) -> None:
    for browser in (desk, Client()):
        response = browser.get("/nowhere/")
        assert response.status_code == 404
        assert "Page not found" in response.content.decode()


def test_even_a_broken_template_leaves_an_answer(rf: RequestFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*args: object) -> str:
        raise RuntimeError

    monkeypatch.setattr(errors, "render_to_string", broken)
    response = errors.server_error(rf.get("/"))
    assert response.status_code == 500
    assert "call" in response.content.decode()


def test_an_undefined_name_is_never_printed_as_a_blank() -> None:
    import jinja2

    environment = get_template("layouts/page.jinja").template.environment
    assert environment.from_string("{{ 'yes' if nothing else 'no' }}").render() == "no"
    with pytest.raises(jinja2.UndefinedError):
        environment.from_string("{{ nothing }}").render()


def test_a_translated_heading_is_drawn_once_and_escaped_once() -> None:
    environment = get_template("layouts/page.jinja").template.environment
    source = (
        """{{ nhs.warningCallout({"heading": _("For %(name)s", name="O'Neil & <b>"), "text": _("x")}) }}"""
    )
    html = environment.from_string(source).render()
    assert html.count("For O&#39;Neil &amp; &lt;b&gt;") == 1


def test_the_manuals_way_to_import_a_macro_works_too() -> None:
    environment = get_template("layouts/page.jinja").template.environment
    source = (
        '{% from "nhsuk/components/inset-text/macro.jinja" import insetText %}{{ insetText({"text": "x"}) }}'
    )
    assert "nhsuk-inset-text" in environment.from_string(source).render()


@pytest.mark.parametrize(
    "address",
    ["/account/login/", "/account/password/reset/", "/account/password/reset/done/"],
)
def test_sign_in_pages_are_in_the_design_system(client: Client, module_database: str, address: str) -> None:
    html = client.get(address).content.decode()
    assert html.count("<h1") == html.count("<main") == html.count("<title>") == 1
    assert "nhsuk-header" in html
    assert "<form" not in html or 'class="nhsuk-button"' in html


def test_a_wrong_password_is_said_at_the_top_and_loses_nothing(client: Client, receptionist: Actor) -> None:
    hidden = hidden_in(client.get("/account/login/"))
    html = client.post(
        "/account/login/", {**hidden, "login": "ana@example.org", "password": "wrong"}
    ).content.decode()
    assert "There is a problem" in html
    assert 'value="ana@example.org"' in html
    assert "<title>Error: Sign in" in html


def test_signing_in_is_throttled_and_the_page_says_what_to_do(client: Client, receptionist: Actor) -> None:
    answers = {"login": "ana@example.org", "password": "wrong"}
    responses = [client.post("/account/login/", answers) for _ in range(40)]
    refused = [response for response in responses if response.status_code == 429]
    assert refused or "Too many" in responses[-1].content.decode()
    if refused:
        assert "Please wait a few minutes" in refused[0].content.decode()


def test_a_forgotten_password_is_replaced_by_a_link_that_works_once(
    client: Client, receptionist: Actor
) -> None:
    user = factories.user_of(receptionist)
    client.post("/account/password/reset/", {"email": user.email})
    [message] = mail.outbox
    assert message.subject == "Choose a new password – Working Better pilot"
    link = re.search(r"https?://[^/]+(/\S+)", message.body)[1]
    page = client.get(link, follow=True)
    address = page.redirect_chain[-1][0]
    new = "a different room with a lamp"
    assert client.post(address, {"password1": new, "password2": new}).status_code == 302
    assert client.post("/account/login/", {"login": user.email, "password": new}).status_code == 302
    assert "This link does not work any more" in Client().get(link, follow=True).content.decode()


def test_nobody_learns_from_a_reset_who_has_an_account(client: Client, module_database: str) -> None:
    response = client.post("/account/password/reset/", {"email": "nobody@example.org"})
    assert response.headers["Location"] == "/account/password/reset/done/"
    assert mail.outbox == []


def test_nobody_signs_up_by_themselves(client: Client, module_database: str) -> None:
    answers = {"email": "x@example.org", "password1": "long enough to do", "password2": "long enough to do"}
    for response in (client.get("/account/signup/"), client.post("/account/signup/", answers)):
        assert response.status_code == 404
    from pilot.people.models import User

    assert not User.objects.filter(email="x@example.org").exists()


def test_alive_asks_nobody(client: Client) -> None:
    assert client.get("/healthz").json() == {"alive": True}


def test_ready_names_each_check_and_nothing_else(
    client: Client, module_database: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setitem(health.CHECKS, "worker", lambda: True)
    response = client.get("/readyz")
    assert (response.status_code, response.json()) == (
        200,
        {"database": True, "migrations": True, "broker": True, "worker": True},
    )

    def away() -> bool:
        raise OSError("secret place")

    monkeypatch.setitem(health.CHECKS, "broker", away)
    with caplog.at_level(logging.WARNING):
        response = client.get("/readyz")
    assert (response.status_code, response.json()["broker"]) == (503, False)
    assert "secret" not in response.content.decode() + caplog.text
