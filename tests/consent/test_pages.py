"""The practice's pages about one patient's consent, and the public sheets."""

import re

import pytest
from django.core.exceptions import PermissionDenied, ValidationError
from django.core.management import CommandError, call_command
from django.db import DatabaseError, transaction
from django.urls import reverse

from consent import consequences
from consent.actions import decide, not_now
from consent.consequences import Consequence
from consent.forms import FREE_CHOICE, QUESTIONS
from consent.models import NEEDED_TO_BEGIN, Decision, InformationSheet, NotNow, Purpose, Receipt
from consent.policies import standing
from consent.publishing import drafts
from consent.publishing.actions import publish_sheet
from pilot.access import Role, acting
from pilot.charter import drafts as charters
from pilot.charter.models import PARTS, Charter
from pilot.people.models import Patient
from tests import factories
from tests.forms import hidden_in, send

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("nothing_registered")]


@pytest.fixture
def published(db):
    call_command("publish_sheets", verbosity=0)
    return InformationSheet.objects.in_force()


@pytest.fixture
def desk(client, receptionist):
    return factories.sign_in(client, receptionist)


def altering(*patients):
    return acting(factories.TESTS, "test.altered", patients=patients)


def record_of(patient):
    return reverse("consent:record", args=[patient.pk])


def stands(patient):
    with acting(factories.TESTS, "test.looked", patients=[patient.pk]):
        return {purpose.value: each.answer for purpose, each in standing(patient).items() if each}


def yes_to_both(sheet, **more):
    return {
        "take_part": "yes",
        "share_with_coach": "yes",
        "reminders": "yes",
        "contact_employers": "no",
        "evaluation": "no",
        "sheet": str(sheet.pk),
        "method": "phone",
        "capacity_not_in_doubt": "on",
        "freely_given": "on",
        **more,
    }


class TestRecording:
    def test_writes_down_what_the_patient_says(self, desk, patient, published):
        receipt = send(desk, record_of(patient), **yes_to_both(published, witness="Her sister"))
        assert stands(patient) == {
            "take_part": "given", "share_with_coach": "given", "reminders": "given",
            "contact_employers": "refused", "evaluation": "refused",
        }  # fmt: skip
        assert "You can stop at any time" in receipt.content.decode()

    def test_has_no_answer_chosen_beforehand(self, desk, patient, themselves, published, online):
        assert "checked" not in desk.get(record_of(patient)).content.decode()
        decide(
            patient,
            {**dict.fromkeys(NEEDED_TO_BEGIN, True), Purpose.EVALUATION: False},
            sheet=published,
            how=online,
            by=themselves,
        )
        assert "checked" not in desk.get(record_of(patient)).content.decode()

    def test_says_what_is_missing_and_keeps_what_was_written(self, desk, patient, published):
        answer = send(desk, record_of(patient), take_part="yes", share_with_coach="yes", witness="Her sister")
        text = answer.content.decode()
        assert answer.status_code == 422
        assert "Choose yes or no" in text
        assert "Choose how they answered" in text
        assert "Her sister" in text
        assert stands(patient) == {}

    def test_needs_no_doubt_about_capacity_and_a_free_choice_for_a_yes(self, desk, patient, published):
        answers = yes_to_both(published)
        del answers["capacity_not_in_doubt"], answers["freely_given"]
        text = send(desk, record_of(patient), **answers).content.decode()
        assert "talk to a clinician" in text
        assert "Read the statement out" in text

    def test_a_no_is_not_now_and_leaves_nothing_but_a_day(self, desk, patient, published):
        answer = send(desk, record_of(patient), take_part="no")
        assert "Do not bring this up before" in answer.content.decode()
        assert stands(patient) == {}
        with acting(factories.TESTS, "test.looked", patients=[patient.pk]):
            assert not Receipt.objects.filter(patient=patient).exists()
        assert NotNow.objects.get().count == 1

    def test_asks_whether_the_patient_brought_it_up_while_nobody_is_to(
        self, desk, patient, themselves, published
    ):
        not_now(patient, by=themselves)
        answer = send(desk, record_of(patient), **yes_to_both(published))
        assert "Go on only if they brought it up themselves" in answer.content.decode()
        send(desk, record_of(patient), **yes_to_both(published, patient_asked="on"))
        assert stands(patient)["take_part"] == "given"

    def test_asks_afterwards_only_what_does_not_hold(self, desk, patient, themselves, published, online):
        decide(patient, dict.fromkeys(NEEDED_TO_BEGIN, True), sheet=published, how=online, by=themselves)
        text = desk.get(record_of(patient)).content.decode()
        assert 'name="reminders"' in text
        assert 'name="take_part"' not in text
        send(desk, record_of(patient), reminders="yes", sheet=str(published.pk), method="in_person",
             capacity_not_in_doubt="on", freely_given="on")  # fmt: skip
        assert stands(patient)["reminders"] == "given"

    def test_the_second_of_two_people_sees_what_the_first_recorded_and_loses_no_word(
        self, desk, patient, themselves, published, online
    ):
        page = desk.get(record_of(patient))
        decide(patient, dict.fromkeys(NEEDED_TO_BEGIN, True), sheet=published, how=online, by=themselves)
        late = desk.post(record_of(patient), {**hidden_in(page), "take_part": "no", "witness": "Her sister"})
        text = late.content.decode()
        assert late.status_code == 409
        assert "Somebody else changed this" in text
        assert "Her sister" in text
        assert stands(patient)["take_part"] == "given"


class TestNotNow:
    def test_is_kept_until_the_day(self, desk, patient):
        address = reverse("consent:not_now", args=[patient.pk])
        answer = send(desk, address, until_day="3", until_month="5", until_year="2099")
        assert "Do not bring this up before 3 May 2099" in answer.content.decode()
        with acting(factories.TESTS, "test.looked", patients=[patient.pk]):
            assert Patient.objects.get(pk=patient.pk).do_not_raise_until.year == 2099


class TestStopping:
    @pytest.fixture
    def taking_part(self, patient, themselves, published, online):
        decide(patient, dict.fromkeys(Purpose, True), sheet=published, how=online, by=themselves)
        return patient

    def address(self, patient):
        return reverse("consent:withdraw", args=[patient.pk])

    def test_everything_for_a_patient_who_phones(self, desk, taking_part):
        answer = send(desk, self.address(taking_part), what="everything", method="phone")
        assert set(stands(taking_part).values()) == {"withdrawn"}
        assert "What is kept, and why" in answer.content.decode()

    def test_one_thing_only(self, desk, taking_part):
        send(desk, self.address(taking_part) + "?what=reminders", what="reminders", method="in_person")
        assert stands(taking_part)["reminders"] == "withdrawn"
        assert stands(taking_part)["take_part"] == "given"

    def test_shows_first_what_would_stop(self, desk, taking_part):
        consequences.register(
            Consequence("sessions", lambda *_: "A session is called off.", lambda *_, by: None)
        )
        assert "A session is called off." in desk.get(self.address(taking_part)).content.decode()

    def test_asks_for_no_reason(self, desk, taking_part):
        text = desk.get(self.address(taking_part)).content.decode()
        assert "textarea" not in text
        assert "reason" not in text.lower()

    def test_again_says_there_is_nothing_to_stop(self, desk, taking_part):
        send(desk, self.address(taking_part), what="everything", method="phone")
        assert "There is nothing to stop" in desk.get(self.address(taking_part)).content.decode()

    def test_sent_twice_acts_once(self, desk, taking_part):
        page = desk.get(self.address(taking_part))
        sent = {**hidden_in(page), "what": "everything", "method": "phone"}
        first, second = desk.post(self.address(taking_part), sent), desk.post(self.address(taking_part), sent)
        assert first.url == second.url


class TestWho:
    PAGES = ("record", "not_now", "withdraw")

    @pytest.mark.parametrize("name", PAGES)
    def test_another_practice_finds_no_such_page(self, client, pilot, patient, published, name):
        factories.sign_in(client, factories.make_staff(Role.RECEPTIONIST, pilot.other_practice))
        assert client.get(reverse(f"consent:{name}", args=[patient.pk])).status_code == 404

    @pytest.mark.parametrize("name", PAGES)
    @pytest.mark.parametrize("role", [Role.COACH, Role.SUPERVISOR, Role.COMMISSIONER, Role.PILOT_MANAGER])
    def test_nobody_but_the_practice_may_open_them(self, client, pilot, patient, published, name, role):
        factories.sign_in(client, factories.make_staff_of_every_role(pilot)[role])
        assert client.get(reverse(f"consent:{name}", args=[patient.pk])).status_code == 403

    def test_a_receipt_is_found_only_with_its_own_patient(
        self, desk, pilot, patient, themselves, published, online
    ):
        receipt = decide(
            patient, dict.fromkeys(NEEDED_TO_BEGIN, True), sheet=published, how=online, by=themselves
        )
        other = factories.make_patient(pilot.practice)
        assert desk.get(reverse("consent:receipt", args=[patient.pk, receipt.pk])).status_code == 200
        assert desk.get(reverse("consent:receipt", args=[other.pk, receipt.pk])).status_code == 404


class TestSheets:
    @pytest.mark.parametrize("format", ["plain", "easy-read", "large-print"])
    def test_everybody_can_read_them_without_signing_in(self, client, published, format):
        answer = client.get(reverse("consent:sheet", args=[format]))
        assert answer.status_code == 200
        assert "Version 1, published" in answer.content.decode()

    def test_an_old_version_can_be_read_for_ever(self, client, published):
        factories.make_sheet(text="Newer words.")
        assert "Newer words." in client.get(reverse("consent:information")).content.decode()
        old = client.get(reverse("consent:sheet_version", args=["plain", 1])).content.decode()
        assert "Newer words." not in old

    @pytest.mark.parametrize("path", ["/information/braille/", "/information/plain/99/"])
    def test_what_was_never_published_is_not_found(self, client, published, path):
        assert client.get(path).status_code == 404

    def test_show_markup_in_a_text_as_text(self, client, published):
        factories.make_sheet(
            text="Hello <script>alert(1)</script> [x](javascript:alert(1)) ![y](https://example.org/y.png)"
        )
        text = client.get(reverse("consent:information")).content.decode()
        assert "&lt;script&gt;alert(1)" in text
        assert 'href="javascript' not in text
        assert "example.org" not in text

    def test_are_not_found_before_the_first_is_published(self, client, db):
        assert client.get(reverse("consent:information")).status_code == 404

    def test_large_print_says_exactly_what_plain_english_says(self):
        for readers in InformationSheet.Readers:
            texts = {
                each.format: (each.title, each.text) for each in drafts.drafts() if each.readers == readers
            }
            assert texts["plain"] == texts["large_print"]

    def test_have_every_question_and_statement_word_for_word(self):
        """What was asked is proved by the sheet: other words need another version of it."""
        for each in drafts.drafts():
            assert str(FREE_CHOICE) in each.text
            if each.format != InformationSheet.Format.EASY_READ:
                assert all(str(question) in each.text for question, _ in QUESTIONS.values())

    def test_every_picture_is_there_and_is_described(self, client, published, settings):
        text = client.get(reverse("consent:sheet", args=["easy-read"])).content.decode()
        pictures = re.findall(r'<img class="pilot-picture"[^>]*>', text)
        assert len(pictures) > 20
        for picture in pictures:
            assert re.search(r'alt="[^"]{4,}"', picture)
            name = re.search(r'src="[^"]*pictures/([a-z_]+)[.\w]*\.svg"', picture)[1]
            assert (settings.BASE_DIR / f"static/pictures/{name}.svg").exists()

    @pytest.mark.parametrize(
        "said",
        [
            "You do not have to say why", "your care stays the same", "your benefits stay the same",
            "Who runs it, and who pays?", "never takes the place of treatment",
            "does not see your medical record",
            "The Jobcentre and the DWP", "You can stop at any time", "lasts for 12 months", "8 years",
            "Article 6(1)(e)", "Information Commissioner", "call <strong>999</strong>",
        ],
    )  # fmt: skip
    def test_tell_what_valid_consent_needs_to_know(self, client, published, said):
        assert said in client.get(reverse("consent:information")).content.decode()


class TestPublishing:
    def test_is_safe_to_repeat(self, published):
        before = list(InformationSheet.objects.values_list("pk", "published_at"))
        call_command("publish_sheets", verbosity=0)
        assert list(InformationSheet.objects.values_list("pk", "published_at")) == before
        assert len(before) == 6
        assert Charter.objects.count() == 1

    def test_refuses_a_file_that_was_edited_afterwards(self, published, tmp_path, monkeypatch):
        (tmp_path / "1.en.plain.md").write_text("# Help\nChange: minor\n\nOther words.\n")
        draft = list(drafts.drafts(tmp_path))
        monkeypatch.setattr(drafts, "drafts", lambda: draft)
        with pytest.raises(CommandError, match="Write a new version instead"):
            call_command("publish_sheets", verbosity=0)

    @pytest.mark.parametrize("what", [InformationSheet, Charter])
    def test_a_draft_of_the_same_version_in_the_database_is_said_in_plain_words(self, what):
        file, *_others = drafts.drafts() if what is InformationSheet else charters.drafts()
        with altering():
            if what is InformationSheet:
                file.charter = Charter.objects.create(version=99, **dict.fromkeys(PARTS, "Words."))
            file.save()
        with pytest.raises(CommandError, match="publish that or throw it away"):
            call_command("publish_sheets", verbosity=0)
        assert not what.objects.published().filter(version=file.version).exists()

    def test_refuses_a_file_without_a_title(self, tmp_path):
        (tmp_path / "1.en.plain.md").write_text("Hello\n")
        with pytest.raises(ValueError, match="begin with its title"):
            list(drafts.drafts(tmp_path))

    def test_leaves_what_nobody_can_alter(self, published):
        rows = InformationSheet.objects.filter(pk=published.pk)
        with pytest.raises(DatabaseError, match="stays as it is"), transaction.atomic(), altering():
            rows.update(text="Other words.")

    def test_needs_a_charter(self, db):
        with pytest.raises(ValidationError, match="Publish a charter first"):
            publish_sheet(InformationSheet(version=1, title="T", text="T"), by=factories.TESTS)

    def test_is_for_the_pilot_manager(self, pilot, published, receptionist):
        sheet = InformationSheet(version=2, title="T", text="T", what_changed="All of it.")
        with pytest.raises(PermissionDenied):
            publish_sheet(sheet, by=receptionist)
        manager = factories.make_staff(Role.PILOT_MANAGER, pilot.office)
        published = publish_sheet(sheet, by=manager)
        assert published.charter.version == 1
        assert published.declared_by == manager.name

    def test_a_material_change_says_what_it_is(self, published):
        sheet = InformationSheet(version=2, title="T", text="T")
        with pytest.raises(ValidationError, match="Say what has changed"):
            publish_sheet(sheet, by=factories.TESTS)
        sheet.change = InformationSheet.Change.MINOR
        assert publish_sheet(sheet, by=factories.TESTS).published_at


def test_a_decision_is_never_altered_or_removed(patient):
    decision = factories.DecisionFactory(patient=patient)
    for deed in (lambda rows: rows.update(answer="refused"), lambda rows: rows.delete()):
        with pytest.raises(DatabaseError), transaction.atomic(), altering(patient.pk):
            deed(Decision.objects.filter(pk=decision.pk))
