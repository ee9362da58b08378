"""Django's admin: for pilot managers, over configuration, by actions. Nothing personal is in it or reached from it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from django.contrib import admin
from django.contrib.admin.models import LogEntry
from django.db import connection, models
from django.test import Client
from django.urls import URLPattern, URLResolver, get_resolver, reverse
from django.utils import timezone

from audit.history import revision_of
from audit.privacy import Impersonal, Personal, privacy_of
from consent.models import InformationSheet
from pilot.access import Actor, Role, acting
from pilot.charter.models import PARTS, Charter
from pilot.office.admin import site
from pilot.people.models import ROLE_BELONGS_TO, Membership, Organisation, User
from tests import factories
from tests.factories import Pilot
from tests.log import events
from tests.office.conftest import send

WORDS = {name: f"What we say about {name}." for name in PARTS}
CHARTER_ADD = "admin:charter_charter_add"


@pytest.fixture(scope="module", autouse=True)
def charter(pilot: Pilot) -> Charter:
    """A charter and a sheet are in force: made with the sheet."""
    return factories.make_sheet().charter


@pytest.fixture
def draft(office: Client) -> Iterator[Charter]:
    """A draft, written on its page."""
    send(office, reverse(CHARTER_ADD), version="77", **WORDS)
    found = Charter.objects.get(version=77)
    yield found
    with acting(factories.TESTS, "test.cleared"):
        Charter.objects.filter(pk=found.pk, published_at=None).delete()


def page(name: str, row: models.Model) -> str:
    return reverse(f"admin:{row._meta.app_label}_{row._meta.model_name}_{name}", args=[row.pk])


def text(answer: Any) -> str:
    return str(answer.content.decode())


def every_pattern() -> Iterator[tuple[str, Any]]:
    def within(patterns: list[Any], prefix: str) -> Iterator[tuple[str, Any]]:
        for each in patterns:
            if isinstance(each, URLResolver):
                yield from within(each.url_patterns, prefix + str(each.pattern))
            elif isinstance(each, URLPattern):
                yield prefix + str(each.pattern), each

    return within(get_resolver().url_patterns, "")


def in_admin() -> list[Any]:
    return [each for route, each in every_pattern() if route.startswith("admin/")]


class TestWhatIsInIt:
    def test_only_configuration_is_registered(self) -> None:
        assert set(site._registry) == {Charter, InformationSheet, Organisation}
        for model in site._registry:
            privacy = privacy_of(model)
            assert isinstance(privacy, Impersonal)
            assert privacy.is_audited, "whoever changes it leaves an event"

    def test_nothing_personal_is_reached_from_it(self) -> None:
        for model, each in site._registry.items():
            assert list(each.inlines) == []
            shown = {*each.raw_id_fields, *each.autocomplete_fields, *each.filter_horizontal}
            assert shown == set()
            named = [*(each.fields or getattr(each, "words", ())), *each.search_fields, *each.list_filter]
            for name in [*named, *(column for column in each.list_display if column != "__str__")]:
                column = model._meta.get_field(str(name))
                reached = column.related_model if column.is_relation else model
                assert not isinstance(privacy_of(reached), Personal)
                assert reached is not User

    def test_the_site_that_libraries_register_with_is_nowhere(self) -> None:
        wrapped = [route for route, each in every_pattern() if getattr(each.callback, "admin_site", None)]
        assert wrapped == []
        assert User not in admin.site._registry

    def test_every_address_in_it_is_a_page_of_ours(self) -> None:
        assert len(in_admin()) > 15
        for each in in_admin():
            assert each.callback.view_class.permission == "manage_pilot"

    def test_nobody_becomes_staff_of_djangos(self, manager: Actor) -> None:
        assert factories.user_of(manager).is_staff is False

    def test_its_own_notes_are_off(self, office: Client, draft: Charter) -> None:
        send(office, page("change", draft), **{**WORDS, "aim": "Other words."}, version="77")
        with connection.cursor() as cursor:
            cursor.execute("SELECT has_table_privilege('django_admin_log', 'SELECT, INSERT')")
            assert cursor.fetchone() == (False,)
        assert LogEntry.objects.using("owner").count() == 0


class TestWhoComesIn:
    @pytest.mark.parametrize("model", sorted(each._meta.model_name for each in site._registry))
    def test_no_address_of_a_list_is_a_mishap(self, office: Client, model: str) -> None:
        app = next(each._meta.app_label for each in site._registry if each._meta.model_name == model)
        address = reverse(f"admin:{app}_{model}_changelist")
        for name in ("format__exact", "kind__exact", "q", "o", "p", "e", "_facets"):
            assert office.get(address, {name: "\0"}).status_code == 400, name
            assert office.get(address, {name: "x" * 3000}).status_code in (200, 302, 400), name
        assert office.get(f"{address}%00/change/").status_code in (400, 404)

    def test_a_visitor_is_led_to_our_own_sign_in(self) -> None:
        for address in ("/admin/", "/admin/login/", "/admin/charter/charter/", "/admin/logout/"):
            answer = Client().get(address)
            assert answer.status_code == 302
            assert answer["Location"].startswith(reverse("account_login"))

    def test_there_is_no_sign_in_form_of_its_own(self, office: Client) -> None:
        assert office.get("/admin/login/")["Location"] == "/admin/"
        assert office.get("/admin/logout/")["Location"] == reverse("account_logout")
        assert office.get("/admin/password_change/").status_code == 404

    @pytest.mark.parametrize("role", [role for role in ROLE_BELONGS_TO if role is not Role.PILOT_MANAGER])
    def test_no_other_role_opens_it(self, pilot: Pilot, client: Client, role: Role) -> None:
        actor = factories.make_staff(role, factories.make_organisation(ROLE_BELONGS_TO[role]))
        factories.sign_in(client, actor)
        before = Charter.objects.count()
        for address in ("/admin/", reverse(CHARTER_ADD), page("change", pilot.practice)):
            assert client.get(address).status_code == 403
        assert client.post(reverse(CHARTER_ADD), {"version": 5, **WORDS}).status_code == 403
        assert Charter.objects.count() == before

    def test_a_patient_does_not(self, pilot: Pilot, client: Client) -> None:
        patient = factories.patient_actor(factories.make_patient(pilot.practice))
        assert factories.sign_in(client, patient).get("/admin/").status_code == 403

    def test_a_django_superuser_without_the_role_does_not(self, pilot: Pilot, client: Client) -> None:
        with acting(factories.TESTS, "test.made"):
            root = User.objects.create_superuser("root@example.org", factories.PASSWORD, display_name="Root")
            client.force_login(root)
        assert client.get("/admin/")["Location"].startswith(reverse("web:choose-role"))
        receptionist = factories.make_staff(Role.RECEPTIONIST, pilot.practice, user=root)
        assert factories.sign_in(client, receptionist).get("/admin/").status_code == 403

    def test_a_manager_passes_the_second_step_first(self, manager: Actor) -> None:
        client = Client()
        with acting(factories.TESTS, "test.made"):
            client.force_login(factories.user_of(manager))
        assert client.get("/admin/")["Location"].startswith(reverse("sign_in:second-step"))

    def test_a_manager_who_acts_in_another_role_does_not(self, pilot: Pilot, client: Client) -> None:
        both = factories.make_staff(Role.PILOT_MANAGER, pilot.office)
        user = factories.user_of(both)
        commissioner = factories.make_staff(Role.COMMISSIONER, pilot.commissioner, user=user)
        assert factories.sign_in(client, both).get("/admin/").status_code == 200
        assert factories.sign_in(client, commissioner).get("/admin/").status_code == 403

    def test_a_refusal_is_in_the_log(self, pilot: Pilot, client: Client) -> None:
        actor = factories.make_staff(Role.RECEPTIONIST, pilot.practice)
        factories.sign_in(client, actor).get(page("change", pilot.practice))
        event = events(actor=str(actor.user_id), kind="refused")[-1]
        assert event.action == "admin.people_organisation_change"


class TestWriting:
    def test_a_draft_begins_with_the_words_that_stand(self, office: Client, charter: Charter) -> None:
        shown = text(office.get(reverse(CHARTER_ADD)))
        assert f'name="version" value="{charter.version + 1}"' in shown
        assert charter.aim in shown

    def test_writing_goes_through_the_action_and_leaves_its_event(
        self, office: Client, manager: Actor, draft: Charter
    ) -> None:
        assert (draft.published_at, draft.aim) == (None, WORDS["aim"])
        event = events(action="charter.drafted", row_id=str(draft.pk))[0]
        assert (event.actor, event.role) == (str(manager.user_id), "pilot_manager")

    def test_what_is_missing_is_said(self, office: Client) -> None:
        answer = send(office, reverse(CHARTER_ADD), version="78", **{**WORDS, "aim": ""})
        assert answer.status_code == 422
        assert not Charter.objects.filter(version=78).exists()

    def test_a_stale_draft_is_not_overwritten_and_keeps_the_text(
        self, office: Client, draft: Charter
    ) -> None:
        seen = revision_of(draft)
        send(office, page("change", draft), **{**WORDS, "aim": "Saved by another."}, version="77")
        mine = {**WORDS, "aim": "My own words.", "version": "77"}
        answer = office.post(page("change", draft), {**mine, "seen": seen})
        assert answer.status_code == 409
        assert "Saved now: Saved by another." in text(answer)
        assert "My own words." in text(answer)
        draft.refresh_from_db()
        assert draft.aim == "Saved by another."
        # Sent again, knowingly, it is saved.
        assert f'name="seen" value="{revision_of(draft)}"' in text(answer)
        assert office.post(page("change", draft), {**mine, "seen": revision_of(draft)}).status_code == 302

    @pytest.mark.parametrize("seen", ["", "0", "-1", "9" * 18, "9" * 19, "9" * 5000, "1.0", "²", "\0"])
    def test_no_number_that_is_not_the_one_seen_saves_or_publishes(
        self, office: Client, draft: Charter, seen: str
    ) -> None:
        assert office.post(page("publish", draft), {"seen": seen}).status_code == 409
        changed = {**WORDS, "aim": "Slipped in.", "version": "77", "seen": seen}
        assert office.post(page("change", draft), changed).status_code in (409, 422)
        draft.refresh_from_db()
        assert (draft.published_at, draft.aim) == (None, WORDS["aim"])

    def test_publishing_is_for_ever(self, office: Client, pilot: Pilot) -> None:
        send(office, reverse(CHARTER_ADD), version="80", **WORDS)
        row = Charter.objects.get(version=80)
        there = page("publish", row)
        shown = text(office.get(there))
        assert WORDS["aim"] in shown
        assert send(office, there).status_code == 302
        row.refresh_from_db()
        assert row.published_at is not None
        assert office.get(there).status_code == 404
        assert office.post(there, {}).status_code == 404
        assert office.post(page("discard", row)).status_code == 404
        published = text(office.get(page("change", row)))
        assert "<textarea" not in published
        assert office.post(page("change", row), {**WORDS, "version": "80"}).status_code == 403
        row.refresh_from_db()
        assert row.aim == WORDS["aim"]

    def test_nobody_publishes_words_that_they_have_not_seen(self, office: Client, draft: Charter) -> None:
        seen = revision_of(draft)
        send(office, page("change", draft), **{**WORDS, "aim": "Slipped in."}, version="77")
        answer = office.post(page("publish", draft), {"seen": seen})
        assert answer.status_code == 409
        assert "Slipped in." in text(answer)
        draft.refresh_from_db()
        assert draft.published_at is None

    def test_a_draft_is_thrown_away_and_the_log_keeps_that_it_was_there(self, office: Client) -> None:
        send(office, reverse(CHARTER_ADD), version="79", **WORDS)
        row = Charter.objects.get(version=79)
        key = str(row.pk)
        send(office, page("discard", row))
        assert not Charter.objects.filter(pk=key).exists()
        assert events(action="charter.discarded", row_id=key)

    def test_a_sheet_is_written_and_published_under_the_charter_in_force(self, office: Client) -> None:
        answers = {"version": "90", "language": "en", "format": "easy_read", "readers": "adults"}
        added = send(
            office,
            reverse("admin:consent_informationsheet_add"),
            **answers,
            change="material",
            title="Short",
            text="# Yes or no",
            what_changed="It is **shorter**.",
        )
        assert added.status_code == 302
        sheet = InformationSheet.objects.get(version=90)
        shown = text(office.get(page("publish", sheet)))
        assert "Yes or no</h" in shown, "as people will read it"
        assert "It is <strong>shorter</strong>." in shown
        send(office, page("publish", sheet))
        sheet.refresh_from_db()
        assert sheet.published_at is not None
        assert sheet.charter == Charter.objects.in_force()

    def test_a_sheet_is_thrown_away(self, office: Client) -> None:
        answers = {"version": "91", "language": "en", "format": "plain", "readers": "adults"}
        answers["change"] = "minor"
        send(office, reverse("admin:consent_informationsheet_add"), **answers, title="T", text="T")
        sheet = InformationSheet.objects.get(version=91)
        send(office, page("discard", sheet))
        assert not InformationSheet.objects.filter(version=91).exists()


class TestLooking:
    def test_organisations_are_looked_at_and_changed_elsewhere(self, office: Client, pilot: Pilot) -> None:
        shown = text(office.get(page("change", pilot.practice)))
        assert pilot.practice.name in shown
        assert 'type="submit"' not in shown
        assert reverse("office:organisation", args=[pilot.practice.pk]) in shown
        for name in ("change", "history"):
            assert office.post(page(name, pilot.practice), {"name": "X"}).status_code == 405
        for name in ("add/", f"{pilot.practice.pk}/delete/"):
            assert office.get(f"/admin/people/organisation/{name}").status_code == 404
        assert (
            office.post(reverse("admin:people_organisation_changelist"), {"action": "x"}).status_code == 405
        )

    def test_history_says_who_changed_what(self, office: Client, manager: Actor, pilot: Pilot) -> None:
        there = reverse("office:organisation-edit", args=[pilot.other_practice.pk])
        send(office, there, name="Renamed", phone="")
        row = text(office.get(page("history", pilot.other_practice))).split("<tbody>")[1].split("</tr>")[0]
        for words in (manager.name, "organisation.details_changed", "name"):
            assert words in row

    def test_lists_and_indexes_open(self, office: Client, pilot: Pilot) -> None:
        for address in (
            "/admin/",
            "/admin/charter/",
            "/admin/charter/charter/",
            "/admin/consent/informationsheet/?format__exact=plain",
            "/admin/people/organisation/?q=practice",
        ):
            assert office.get(address).status_code == 200

    @pytest.mark.parametrize("key", ["00000000-0000-4000-8000-000000000000", "rubbish", "1"])
    def test_what_is_not_there_is_not_found(self, office: Client, key: str) -> None:
        for name in ("change", "history"):
            assert office.get(f"/admin/people/organisation/{key}/{name}/").status_code == 404

    def test_staff_are_not_in_it(self, office: Client) -> None:
        for model in (Membership, User):
            assert office.get(f"/admin/people/{model._meta.model_name}/").status_code == 404


def test_a_page_of_it_acts_under_its_own_name(office: Client, draft: Charter) -> None:
    """What the database saw of a write: the manager, the role, the action, and the request."""
    event = events(action="charter.drafted")[-1]
    assert event.request
    assert event.at <= timezone.now()
