"""Nothing is answered that nobody decided about: not by a view of ours that asks nothing, and by no other view at all."""

from __future__ import annotations

from functools import wraps
from typing import TYPE_CHECKING, Any

import pytest
from django.core.exceptions import ImproperlyConfigured
from django.db import connections
from django.http import HttpRequest, HttpResponse
from django.test import Client
from django.urls import path
from django.utils.decorators import method_decorator

from pilot.access import Actor, Permission, acting, can, check, current, may, note_decision, visible_to
from pilot.people.models import Patient
from pilot.web import exemptions
from pilot.web.exemptions import EXEMPT, exempt, exempted
from pilot.web.expectations import addresses, check_declarations
from pilot.web.gate import Undecided
from pilot.web.views import PUBLIC_VIEWS, FormPage, PilotView, PublicView
from tests import factories
from tests.web import site

if TYPE_CHECKING:
    from tests.factories import Pilot

ran: list[str] = []


class AsksNothing(PilotView):
    permission = Permission.SEE_PATIENTS

    def authorise(self) -> None:
        """Forgotten."""

    def get(self, request: HttpRequest) -> HttpResponse:
        # What only draws menus is no question.
        assert may(self.actor, Permission.SEE_PATIENTS)
        return HttpResponse("Shown")


class AsksNothingOfTheRow(PilotView):
    permission = Permission.SEE_PATIENTS
    about = {"pk": Patient}

    def get(self, request: HttpRequest, pk: Any) -> HttpResponse:
        return HttpResponse(Patient.objects.get(pk=pk).family_name)

    def post(self, request: HttpRequest, pk: Any) -> HttpResponse:
        patient = Patient.objects.get(pk=pk)
        with acting(self.actor, "test.changed", patients=[patient.pk]):
            patient.family_name = "Changed"
            patient.save()
        return HttpResponse("Changed")


class AsksOfTheRow(AsksNothingOfTheRow):
    permission = Permission.SEE_PATIENTS

    def get(self, request: HttpRequest, pk: Any) -> HttpResponse:
        return HttpResponse(visible_to(Patient.objects.all(), self.actor).get(pk=pk).family_name)


def plain(request: HttpRequest) -> HttpResponse:
    ran.append("plain")
    return HttpResponse("Shown")


plain.login_required = False  # type: ignore[attr-defined]  # as a library's public page says

urlpatterns = [
    *site.urlpatterns,
    path("nothing/", AsksNothing.as_view(), name="nothing"),
    path("nothing/<uuid:pk>/", AsksNothingOfTheRow.as_view(), name="nothing-of-the-row"),
    path("row/<uuid:pk>/", AsksOfTheRow.as_view(), name="of-the-row"),
    path("plain/", plain, name="plain"),
    path("exempt/", exempt("sign-in", plain), name="exempt"),
]


@pytest.fixture
def browser(desk: Client, settings: Any) -> Client:
    settings.ROOT_URLCONF = __name__
    desk.raise_request_exception = False
    return desk


@pytest.fixture
def patient(pilot: Pilot) -> Patient:
    return factories.make_patient(pilot.practice, family_name="Unchanged")


class TestAViewOfOurs:
    def test_that_asks_nothing_is_answered_500(self, browser: Client) -> None:
        answer = browser.get("/nothing/")
        assert answer.status_code == 500
        assert "Shown" not in answer.content.decode()

    def test_that_asks_nothing_about_the_row_it_names_shows_nothing(
        self, browser: Client, patient: Patient
    ) -> None:
        answer = browser.get(f"/nothing/{patient.pk}/")
        assert answer.status_code == 500
        assert "Unchanged" not in answer.content.decode()

    def test_and_what_it_wrote_is_rolled_back(self, browser: Client, patient: Patient) -> None:
        assert browser.post(f"/nothing/{patient.pk}/").status_code == 500
        assert name_of(patient) == "Unchanged"

    def test_that_asks_is_answered(self, browser: Client, patient: Patient) -> None:
        answer = browser.get(f"/row/{patient.pk}/")
        assert answer.status_code == 200
        assert answer.content.decode() == "Unchanged"

    def test_is_told_to_whoever_runs_it(self, desk: Client, settings: Any) -> None:
        settings.ROOT_URLCONF = __name__
        with pytest.raises(ImproperlyConfigured, match="AsksNothing answered without asking"):
            desk.get("/nothing/")

    def test_cannot_go_round_the_door(self) -> None:
        with pytest.raises(ImproperlyConfigured, match="round the door"):

            class Around(PilotView):
                permission = Permission.SEE_PATIENTS

                def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
                    return HttpResponse()

    def test_with_a_door_of_its_own_that_leads_nowhere_is_answered_500(self) -> None:
        with pytest.raises(ImproperlyConfigured, match="about the role"):
            AsksNothing().require_decision(None)


class TestAViewThatIsNotOurs:
    @pytest.mark.parametrize("method", ["get", "head", "post"])
    def test_is_not_run(self, browser: Client, method: str) -> None:
        ran.clear()
        assert getattr(browser, method)("/plain/").status_code == 500
        assert not ran

    def test_nor_for_a_visitor(self, browser: Client) -> None:
        ran.clear()
        assert Client(raise_request_exception=False).get("/plain/").status_code == 500
        assert not ran

    def test_says_which_it_is(self, desk: Client, settings: Any) -> None:
        settings.ROOT_URLCONF = __name__
        with pytest.raises(Undecided, match=r"test_deciding\.plain is no view of ours"):
            desk.get("/plain/")

    def test_runs_once_it_is_exempt(self, browser: Client) -> None:
        assert browser.get("/exempt/").status_code == 200

    def test_stops_start_up(self, settings: Any) -> None:
        settings.ROOT_URLCONF = __name__
        assert "Nobody decides who may open /plain/: its view is none of ours." in [
            each.msg for each in check_declarations()
        ]


def answers_early(view: Any) -> Any:
    """As a cache does that kept what somebody else was shown: it carries the view's marks, and asks nobody."""

    @wraps(view)
    def run(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        ran.append("early")
        return HttpResponse("Shown")

    return run


class TestWhatStandsBeforeAView:
    """Whatever is wrapped around a view may answer in its place, and looks just like it."""

    @pytest.mark.parametrize("view", [AsksOfTheRow.as_view(), exempt("sign-in", plain)])
    def test_is_not_run(self, desk: Client, settings: Any, view: Any) -> None:
        class Site:
            urlpatterns = [*site.urlpatterns, path("early/", answers_early(view), name="early")]

        settings.ROOT_URLCONF = Site
        ran.clear()
        with pytest.raises(Undecided):
            desk.get("/early/")
        assert not ran

    def test_nor_if_it_comes_as_a_mixin(self) -> None:
        class Early:
            dispatch = answers_early(PilotView.dispatch)

        with pytest.raises(ImproperlyConfigured, match="round the door"):

            class Mixed(Early, PilotView):
                permission = Permission.SEE_PATIENTS

    def test_nor_if_it_is_put_on_the_class_afterwards(self) -> None:
        @method_decorator(answers_early, name="dispatch")
        class Decorated(PilotView):
            permission = Permission.SEE_PATIENTS

        with pytest.raises(ImproperlyConfigured, match="round the door"):
            Decorated.as_view()


class TestExemptions:
    def test_the_list_is_short(self) -> None:
        assert list(EXEMPT) == ["sign-in"]
        assert all(len(why) > 60 for why in EXEMPT.values())

    def test_nothing_is_exempt_for_a_reason_that_is_not_on_it(self) -> None:
        with pytest.raises(ImproperlyConfigured):
            exempt("because", plain)
        plain_copy = exempted([path("x/", plain)], "sign-in")[0].callback
        plain_copy.exempt_as = "because"
        assert not exemptions.is_exempt(plain_copy)

    def test_these_views_are_exempt_and_no_others(self) -> None:
        assert [each.name for each in addresses() if exemptions.is_exempt(each.view)] == SIGN_IN

    def test_these_pages_are_public_and_no_others(self) -> None:
        ours = {name: why for name, why in PUBLIC_VIEWS.items() if not name.startswith("tests.")}
        assert sorted(ours) == PUBLIC
        assert all(len(why) > 20 for why in ours.values())

    @pytest.mark.parametrize("urls", ["pilot.urls", "tests.sign_in.oidc.site"])
    def test_every_address_says_what_it_names(self, settings: Any, urls: str) -> None:
        settings.ROOT_URLCONF = urls
        assert check_declarations() == []

    def test_one_that_does_not_stops_start_up(self, settings: Any) -> None:
        class Unsaid(PublicView):
            why = "For this test."

        class Site:
            urlpatterns = [path("unsaid/<int:what>/", Unsaid.as_view(), name="unsaid")]

        settings.ROOT_URLCONF = Site
        [error] = check_declarations()
        assert error.id == "pilot.E002"
        assert "['what']" in error.msg


# allauth's pages that are offered. A new one is added here, with a thought about what it shows to whom.
SIGN_IN = [
    "account_login",
    "account_logout",
    "account_inactive",
    "account_reauthenticate",
    "account_change_password",
    "account_reset_password",
    "account_reset_password_from_key_done",
    "account_reset_password_from_key",
    "account_reset_password_done",
    "mfa_index",
    "mfa_authenticate",
    "mfa_reauthenticate",
    "mfa_activate_totp",
    "mfa_deactivate_totp",
    "mfa_view_recovery_codes",
    "mfa_generate_recovery_codes",
    "mfa_list_webauthn",
    "mfa_add_webauthn",
    "mfa_reauthenticate_webauthn",
    "mfa_remove_webauthn",
    "mfa_edit_webauthn",
    "mfa_login_webauthn",
]
# Our own that need no permission; each says why.
PUBLIC = [
    "audit.views.WhoMayDoWhat",
    "consent.views.Changes",
    "consent.views.Sheet",
    "pilot.charter.views.About",
    "pilot.charter.views.CharterPage",
    "pilot.demo.views.Personas",
    "pilot.demo.views.PersonasJson",
    "pilot.demo.views.SignIn",
    "pilot.outbox.received.views.Received",
    "pilot.record.copies.views.CopySchema",
    "pilot.record.invitation_views.DeclineInvitation",
    "pilot.record.invitation_views.NotNowSaid",
    "pilot.record.invitation_views.OpenAccount",
    "pilot.record.invitation_views.OpenInvitation",
    "pilot.record.invitation_views.ReadFirst",
    "pilot.sign_in.oidc.views.Callback",
    "pilot.sign_in.oidc.views.SignIn",
    "pilot.sign_in.views.NoPassword",
    "pilot.sign_in.views.SecondStep",
    "pilot.web.health.Alive",
    "pilot.web.health.Ready",
    "pilot.web.pages.Accessibility",
    "pilot.web.pages.ChooseRole",
    "pilot.web.pages.Help",
    "pilot.web.pages.Home",
    "pilot.web.pages.Privacy",
    "pilot.web.pages.Stay",
]


class TestWhatIsADecision:
    @pytest.fixture(autouse=True)
    def door(self, receptionist: Actor) -> Any:
        with acting(receptionist, "test.asked") as context:
            yield context

    def test_asking_about_the_role(self, door: Any, receptionist: Actor) -> None:
        check(receptionist, Permission.SEE_PATIENTS)
        assert door.decisions == {None}

    def test_even_when_the_answer_is_no(self, door: Any, receptionist: Actor) -> None:
        assert not can(receptionist, Permission.READ_CLINICAL_NOTES, Patient())
        assert door.decisions == {Patient}

    def test_filtering_rows(self, door: Any, receptionist: Actor) -> None:
        visible_to(Patient.objects.all(), receptionist)
        assert door.decisions == {Patient}

    def test_inside_another_door_too(self, door: Any, receptionist: Actor) -> None:
        with acting(receptionist, "test.inner"):
            check(receptionist, Permission.SEE_PATIENTS)
        assert door.decisions == {None}

    def test_but_not_what_only_draws_menus(self, door: Any, receptionist: Actor) -> None:
        may(receptionist, Permission.SEE_PATIENTS)
        assert not door.decisions

    def test_and_it_is_forgotten_with_the_door(self, receptionist: Actor) -> None:
        note_decision(None)
        assert current().decisions == {None}


def test_outside_a_door_there_is_nothing_to_note() -> None:
    note_decision(None)


class TestRequestsThatNothingTakes:
    @pytest.mark.parametrize("method", ["PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "CONNECT", "PROPFIND"])
    @pytest.mark.parametrize("address", ["/tiny/patients/", "/nowhere/", "/static/css/pilot.css"])
    def test_are_refused_everywhere_alike(self, browser: Client, method: str, address: str) -> None:
        for client in (browser, Client()):
            answer = client.generic(method, address)
            assert answer.status_code == 405
            assert answer.headers["Allow"] == "GET, HEAD, POST"
            assert not answer.content

    def test_what_an_address_does_not_take_gets_a_page_that_says_so(self, browser: Client) -> None:
        answer = browser.post("/help/")
        assert answer.status_code == 405
        assert answer.headers["Allow"] == "GET, HEAD"
        assert "This address cannot be used like that" in answer.content.decode()

    def test_so_does_what_a_library_does_not_take(self, browser: Client) -> None:
        answer = browser.post("/account/password/reset/done/")
        assert answer.status_code == 405
        assert answer.headers["Allow"] == "GET, HEAD"
        assert "nhsuk" in answer.content.decode()

    def test_a_visitor_is_led_to_sign_in_first(self, browser: Client) -> None:
        assert Client().post("/audit/roles/").status_code == 405
        answer = Client().post("/session/")
        assert answer.status_code == 302
        assert answer.headers["Location"].startswith("/account/login/")

    def test_it_is_no_refusal(self, browser: Client) -> None:
        before = refusals()
        browser.post("/session/")
        assert refusals() == before


def name_of(patient: Patient) -> str:
    with connections["owner"].cursor() as cursor:
        cursor.execute("SELECT family_name FROM people_patient WHERE id = %s", [patient.pk])
        return str(cursor.fetchone()[0])


def refusals() -> int:
    with connections["owner"].cursor() as cursor:
        cursor.execute("SELECT count(*) FROM audit_event WHERE kind = 'refused'")
        return int(cursor.fetchone()[0])


def test_every_form_names_what_its_action_asks_for() -> None:
    """A form whose action asks for another permission than its page says so: what is derived from it must be true."""
    for view in _forms():
        asked = _permissions_of_actions(view)
        assert asked <= set(view.permissions("POST")), (view, asked)


def _forms() -> list[type[FormPage]]:
    views = [each.view_class for each in addresses()]
    return [view for view in views if view is not None and issubclass(view, FormPage)]


def _permissions_of_actions(view: type[FormPage]) -> set[Permission]:
    """What the actions ask for that the view's own methods call."""
    found = set()
    for base in view.__mro__:
        if base.__module__.startswith("pilot.web"):
            continue
        for method in vars(base).values():
            code = getattr(method, "__code__", None)
            for name in code.co_names if code else ():
                found |= _permission_of(method.__globals__, name)
    return found


def _permission_of(known: dict[str, Any], name: str) -> set[Permission]:
    modules = [
        known,
        *(
            vars(each)
            for each in known.values()
            if getattr(each, "ACTIONS", None) is None and _is_actions(each)
        ),
    ]
    permissions = {
        getattr(each.get(name), "permission", None) for each in modules if callable(each.get(name))
    }
    return {each for each in permissions if isinstance(each, Permission)}


def _is_actions(module: Any) -> bool:
    return str(getattr(module, "__name__", "")).endswith("actions") and hasattr(module, "__file__")
