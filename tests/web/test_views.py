"""The base views: one door, forms that act once, edits that overwrite nobody."""

from uuid import uuid4

import pytest
import time_machine
from django.core.exceptions import ImproperlyConfigured
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from audit.models import Event, Subject
from pilot.access import Actor, Role, acting
from pilot.people.models import Patient
from pilot.web import actions
from pilot.web.tasks import forget_old_keys
from pilot.web.views import FormPage, Page, PublicPage
from tests import factories
from tests.forms import hidden_in
from tests.log import events
from tests.together import at_once

ADD = "/tiny/patients/add/"
ANSWERS = {
    "given_name": "Ana",
    "family_name": "Reyes",
    "date_of_birth_day": "27",
    "date_of_birth_month": "3",
    "date_of_birth_year": "1984",
}


def patients(pilot: factories.Pilot) -> list[Patient]:
    with acting(factories.TESTS, "test.looked"):
        return list(Patient.objects.filter(practice=pilot.practice).order_by("created_at"))


def test_a_view_without_a_permission_fails_at_import() -> None:
    with pytest.raises(ImproperlyConfigured, match="names no permission"):
        type("Forgotten", (Page,), {"template_name": "x"})
    with pytest.raises(ImproperlyConfigured, match="names no permission"):
        type("Emptied", (FormPage,), {"permission": None})
    with pytest.raises(ImproperlyConfigured, match="why it needs no permission"):
        type("Unexplained", (PublicPage,), {"template_name": "x"})


def test_a_page_is_fetched_and_drawn_inside_the_door(
    desk: Client, pilot: factories.Pilot, receptionist: Actor
) -> None:
    factories.make_patient(pilot.practice, given_name="Ana", family_name="Reyes")
    response = desk.get("/tiny/patients/")
    assert response.status_code == 200
    assert response.is_rendered
    assert [event.action for event in events(actor=receptionist.label, kind="read")] == ["tiny.list"]


def test_another_practices_patient_is_a_404_that_is_logged(
    desk: Client, pilot: factories.Pilot, receptionist: Actor
) -> None:
    theirs = factories.make_patient(pilot.other_practice)
    response = desk.get(f"/tiny/patients/{theirs.pk}/")
    assert response.status_code == 404
    assert "Page not found" in response.content.decode()
    assert [event.action for event in events(actor=receptionist.label, kind="refused")] == ["tiny.edit"]


def test_a_page_of_another_role_is_a_403_that_says_so(desk: Client, receptionist: Actor) -> None:
    response = desk.get("/tiny/allocate/")
    assert response.status_code == 403
    assert "Receptionist cannot allocate a referral to a coach." in response.content.decode()
    assert [event.action for event in events(actor=receptionist.label, kind="refused")] == ["tiny.allocate"]


def test_a_mistake_of_ours_is_a_500_in_plain_words(desk: Client) -> None:
    desk.raise_request_exception = False
    response = desk.get("/tiny/broken/")
    assert response.status_code == 500
    assert "Sorry, there is a problem" in response.content.decode()


def test_whoever_may_not_open_a_page_gets_no_door_but_that_of_the_refusal(desk: Client) -> None:
    with CaptureQueriesContext(connection) as asked:
        assert desk.get("/tiny/allocate/").status_code == 403
    doors = [query["sql"] for query in asked.captured_queries if "set_config('pilot.user'" in query["sql"]]
    assert len(doors) == 1, doors


def test_a_stream_is_refused(desk: Client) -> None:
    with pytest.raises(ImproperlyConfigured, match="stream"):
        desk.get("/tiny/streams/")


def test_a_public_page_sees_nobody(client: Client, pilot: factories.Pilot, site: None) -> None:
    factories.make_patient(pilot.practice)
    assert "sees 0" in client.get("/tiny/open/").content.decode()


def test_a_public_form_may_act_as_the_system_and_is_logged_as_such(
    client: Client, pilot: factories.Pilot, site: None
) -> None:
    factories.make_patient(pilot.practice, given_name="Zuleika")
    page = "/tiny/letter/"
    hidden = hidden_in(client.get(page))
    wrong = client.post(page, {**hidden, **ANSWERS, "given_name": "Nobody"})
    assert wrong.status_code == 422
    assert "We cannot find that name. Check your letter" in wrong.content.decode()
    assert client.post(page, {**hidden, **ANSWERS, "given_name": "Zuleika"}).headers["Location"] == "/help/"
    guardian = factories.make_staff(Role.CALDICOTT_GUARDIAN, pilot.office)
    with acting(guardian, "test.looked"):
        assert Event.objects.filter(actor="system:letter.opened", action="tiny.letter", kind="read").exists()


def test_a_stale_row_outside_a_form_is_a_409(desk: Client) -> None:
    response = desk.get("/tiny/stale/")
    assert response.status_code == 409
    assert "Somebody else changed this first" in response.content.decode()


def test_keys_of_old_forms_are_forgotten_and_recent_ones_kept(module_database: str) -> None:
    kept, old = uuid4(), uuid4()
    actions.claim_key(kept)
    actions.settle_key(kept, "/kept/")
    with time_machine.travel(timezone.now() - 2 * actions.KEPT_FOR):
        actions.claim_key(old)
    assert forget_old_keys() is None
    assert actions.claim_key(kept) == "/kept/"
    assert actions.claim_key(old) is None


def test_a_form_that_is_sent_does_its_deed_and_leads_on(desk: Client, pilot: factories.Pilot) -> None:
    hidden = hidden_in(desk.get(ADD))
    response = desk.post(ADD, {**hidden, **ANSWERS})
    [patient] = patients(pilot)
    assert response.status_code == 302
    assert response.headers["Location"] == f"/tiny/patients/{patient.pk}/"
    assert "Added" in desk.get("/tiny/patients/").content.decode()


def test_a_form_that_is_sent_twice_acts_once_and_leads_to_the_same_place(
    desk: Client, pilot: factories.Pilot
) -> None:
    hidden = hidden_in(desk.get(ADD))
    first, second = (desk.post(ADD, {**hidden, **ANSWERS}) for _ in range(2))
    assert first.headers["Location"] == second.headers["Location"]
    assert len(patients(pilot)) == 1


def test_a_double_click_acts_once(desk: Client, receptionist: Actor, pilot: factories.Pilot) -> None:
    hidden = hidden_in(desk.get(ADD))

    def send() -> str:
        browser = Client()
        browser.cookies = desk.cookies
        return browser.post(ADD, {**hidden, **ANSWERS}).headers["Location"]

    places = at_once(*[send] * 4)
    assert len(places) == 4
    assert len(set(places)) == 1
    assert len(patients(pilot)) == 1


def test_a_corrected_form_may_use_the_key_of_the_wrong_one(desk: Client) -> None:
    hidden = hidden_in(desk.get(ADD))
    wrong = desk.post(ADD, {**hidden, **ANSWERS, "given_name": ""})
    html = wrong.content.decode()
    assert wrong.status_code == 422
    assert "<title>Error: Add a patient" in html
    assert 'href="#id_given_name"' in html
    assert 'value="Reyes"' in html
    assert desk.post(ADD, {**hidden, **ANSWERS}).status_code == 302


def test_what_an_action_refuses_is_said_at_its_field_and_leaves_nothing(
    desk: Client, pilot: factories.Pilot
) -> None:
    hidden = hidden_in(desk.get(ADD))
    response = desk.post(ADD, {**hidden, **ANSWERS, "date_of_birth_year": "2020"})
    html = response.content.decode()
    assert response.status_code == 422
    assert 'href="#id_date_of_birth_day"' in html
    assert patients(pilot) == []


@pytest.mark.parametrize("key", ["", "forged", "elsewhere"])
def test_a_key_that_is_missing_forged_or_of_another_page_keeps_the_text(
    desk: Client, key: str, pilot: factories.Pilot
) -> None:
    hidden = hidden_in(desk.get(ADD))
    if key == "elsewhere":
        key = hidden_in(desk.get("/role/"))["form_key"]
    response = desk.post(ADD, {**hidden, "form_key": key, **ANSWERS})
    html = response.content.decode()
    assert response.status_code == 422
    assert "This page was open for a long time" in html
    assert 'value="Reyes"' in html
    assert patients(pilot) == []


def test_an_edit_of_a_row_that_changed_meanwhile_overwrites_nothing(
    desk: Client, pilot: factories.Pilot
) -> None:
    patient = factories.make_patient(pilot.practice, given_name="Ana", family_name="Reyes")
    page = f"/tiny/patients/{patient.pk}/"
    mine, theirs = (hidden_in(desk.get(page)) for _ in range(2))
    assert desk.post(page, {**theirs, **ANSWERS, "given_name": "Anna"}).status_code == 302

    response = desk.post(page, {**mine, **ANSWERS, "given_name": "Hanna"})
    html = response.content.decode()
    assert response.status_code == 409
    assert "Somebody else changed this while you were writing" in html
    assert 'value="Hanna"' in html
    assert ">Anna</dd>" in html
    assert patients(pilot)[0].given_name == "Anna"

    assert desk.post(page, {**hidden_in(response), **ANSWERS, "given_name": "Hanna"}).status_code == 302
    assert patients(pilot)[0].given_name == "Hanna"


@pytest.mark.parametrize("key", ["whole", "broken"])
@pytest.mark.parametrize("version", ["9" * 5000, "-1", "²", "one"])
def test_a_version_that_is_none_is_one_that_changed(
    version: str, key: str, desk: Client, pilot: factories.Pilot
) -> None:
    """Python refuses to read a number of thousands of digits."""
    patient = factories.make_patient(pilot.practice)
    page = f"/tiny/patients/{patient.pk}/"
    sent = {**hidden_in(desk.get(page)), **ANSWERS, "version": version}
    sent |= {"form_key": "x"} if key == "broken" else {}
    assert desk.post(page, sent).status_code == 409


def test_a_form_from_another_site_is_refused_in_plain_words(
    pilot: factories.Pilot, receptionist: Actor, site: None
) -> None:
    browser = factories.sign_in(Client(enforce_csrf_checks=True), receptionist)
    response = browser.post(ADD, ANSWERS)
    assert response.status_code == 403
    assert "This page was open for too long" in response.content.decode()


def test_a_list_is_paged_both_ways_without_losing_or_repeating_a_row(
    desk: Client, pilot: factories.Pilot
) -> None:
    # Two of one name: the key settles their order.
    names = ["Ash", "Birch", "Cedar", "Cedar", "Elm", "Fir", "Gorse", "Hazel"]
    for name in names:
        factories.make_patient(pilot.practice, family_name=name)

    forwards, address = [], "/tiny/patients/"
    while address:
        page = desk.get(address).context_data["page"]
        forwards.append([row.pk for row in page])
        last, address = page, page.next_href
    assert [len(page) for page in forwards] == [3, 3, 2]
    assert len({key for page in forwards for key in page}) == len(names)

    backwards, address = [forwards[-1]], last.previous_href
    while address:
        page = desk.get(address).context_data["page"]
        backwards.append([row.pk for row in page])
        address = page.previous_href
    assert backwards[::-1] == forwards


def test_only_the_rows_shown_are_recorded_as_looked_at(
    desk: Client, pilot: factories.Pilot, receptionist: Actor
) -> None:
    for name in ("Ash", "Birch", "Cedar", "Dogwood"):
        factories.make_patient(pilot.practice, family_name=name)
    desk.get("/tiny/patients/")
    [look] = events(actor=receptionist.label, kind="read")
    with acting(factories.make_staff(Role.CALDICOTT_GUARDIAN, pilot.office), "test.looked"):
        assert Subject.objects.filter(event_id=look.pk).count() == 3


@pytest.mark.parametrize("query", ["?after=nonsense", "?before=&after=", "?sort=password", "?page=2"])
def test_a_list_survives_any_address(desk: Client, pilot: factories.Pilot, query: str) -> None:
    factories.make_patient(pilot.practice)
    response = desk.get(f"/tiny/patients/{query}")
    assert response.status_code == 200
    assert len(response.context_data["page"]) == 1


@pytest.mark.parametrize("name", ["after", "before", "sort", "search", "\0"])
def test_a_character_that_no_column_holds_is_refused_in_any_address(
    desk: Client, pilot: factories.Pilot, name: str
) -> None:
    answer = desk.get("/tiny/patients/", {name: "a\0"})
    assert answer.status_code == 400
    assert desk.get("/tiny/patients/%00/").status_code in (400, 404)


def test_a_page_that_began_at_a_row_now_gone_leads_back_to_the_first(
    desk: Client, pilot: factories.Pilot
) -> None:
    factories.make_patient(pilot.practice)
    html = desk.get("/tiny/patients/?after=00000000-0000-0000-0000-000000000000").content.decode()
    assert "There is nothing more here." in html
    assert 'href="/tiny/patients/"' in html


def test_what_is_searched_for_never_stands_in_an_address(desk: Client, pilot: factories.Pilot) -> None:
    factories.make_patient(pilot.practice, family_name="Hazelwood")
    factories.make_patient(pilot.practice, family_name="Ash")
    response = desk.post("/tiny/patients/", {"search": " hazel\x00 "}, follow=True)
    address = response.redirect_chain[-1][0]
    assert "hazel" not in address.lower()
    assert [row.family_name for row in response.context_data["page"]] == ["Hazelwood"]
    assert "matches “hazel”" in response.content.decode()
    assert len(desk.get("/tiny/patients/?search=made-up").context_data["page"]) == 2


def test_a_list_costs_the_same_whatever_its_length(
    desk: Client, pilot: factories.Pilot, django_assert_max_num_queries: object
) -> None:
    for _ in range(4):
        factories.make_patient(pilot.practice)
    second = desk.get("/tiny/patients/").context_data["page"].next_href
    for address in ("/tiny/patients/", second):
        with django_assert_max_num_queries(8):  # six, and the transaction's beginning and end
            desk.get(address)


def test_a_patient_has_a_role_without_a_membership(
    client: Client, pilot: factories.Pilot, site: None
) -> None:
    patient = factories.make_patient(pilot.practice, account=True)
    factories.sign_in(client, factories.patient_actor(patient))
    assert client.get("/account/").status_code == 200
    assert client.get("/").headers["Location"]
