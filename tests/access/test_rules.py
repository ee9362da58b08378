"""The rules that the walls are made of, one by one: what mutation testing (docs/mutation.md) found nobody asked."""

from __future__ import annotations

import datetime as dt
from uuid import uuid4

import pytest
from django.core.exceptions import ImproperlyConfigured, PermissionDenied, ValidationError
from django.db import IntegrityError, models, transaction
from django.test.utils import isolate_apps

from audit import privacy as declarations
from audit.history import HistoryRow
from audit.privacy import Impersonal, Personal, privacy_of, require_declarations
from audit.triggers import ChangeTrigger, TruncateTrigger
from pilot.access import (
    Actor,
    NotVisible,
    Permission,
    Reach,
    Role,
    acting,
    can,
    check,
    may,
    roles,
    visible_to,
)
from pilot.access.policies import lookup_for
from pilot.access.records import RecordQuerySet, Versioned, broken_rule
from pilot.access.transitions import StateMachine, Transition
from pilot.people.models import Organisation, Patient
from referrals.models import ClinicalNote
from tests import factories

pytestmark = pytest.mark.django_db(databases=["default", "owner"])


# --- Declarations ----------------------------------------------------------------------------------


@isolate_apps("pilot.people")
def test_an_audited_model_gets_history_and_triggers_without_what_must_not_outlive_the_row() -> None:
    mine = ChangeTrigger(name="of_its_own")
    declaration = Personal(see="see_patients", patient="id", unkept=["words"])

    class Letter(models.Model):
        words = models.TextField()
        sort = models.TextField()
        privacy = declaration

        class Meta:
            app_label = "people"
            triggers = [mine]

    assert Letter.privacy is declaration is privacy_of(Letter)
    assert declaration.model is Letter
    own, change, truncate = Letter._meta.triggers
    assert own is mine
    assert (type(change), type(truncate)) == (ChangeTrigger, TruncateTrigger)
    history = Letter.history.model
    assert issubclass(history, HistoryRow)
    kept = {field.name: field for field in history._meta.concrete_fields}
    assert "sort" in kept
    assert "words" not in kept
    assert isinstance(kept["history_id"], models.BigAutoField)
    # No foreign key: history outlives accounts.
    assert type(kept["history_user_id"]) is models.UUIDField
    assert type(kept["history_change_reason"]) is models.TextField
    assert kept["history_user_id"].null
    assert kept["history_change_reason"].null


@isolate_apps("pilot.people")
def test_a_secret_is_kept_out_of_history_and_what_is_not_audited_has_none() -> None:
    class Key(models.Model):
        name = models.TextField()
        value = models.TextField()
        privacy = Impersonal("tests", audited=True, secret=["value"])

        class Meta:
            app_label = "people"

    class Colour(models.Model):
        privacy = Impersonal("tests")

        class Meta:
            app_label = "people"

    kept = {field.name for field in Key.history.model._meta.concrete_fields}
    assert "name" in kept
    assert "value" not in kept
    assert [type(trigger) for trigger in Key._meta.triggers] == [ChangeTrigger, TruncateTrigger]
    assert not hasattr(Colour, "history")
    assert not getattr(Colour._meta, "triggers", [])


@isolate_apps("pilot.people")
def test_privacy_is_declared_on_each_concrete_model_and_not_inherited() -> None:
    with pytest.raises(ImproperlyConfigured, match="Base: privacy is declared on concrete models"):

        class Base(models.Model):
            privacy = Impersonal("tests")

            class Meta:
                abstract = True
                app_label = "people"

    class Parent(models.Model):
        privacy = Impersonal("tests")

        class Meta:
            app_label = "people"

    class Child(Parent):
        class Meta:
            app_label = "people"

    class Careless(models.Model):
        privacy = "none of your business"

        class Meta:
            app_label = "people"

    for model in (Child, Careless):
        with pytest.raises(ImproperlyConfigured, match=f"people.{model.__name__} does not say whose data"):
            privacy_of(model)


def test_a_personal_model_names_whose_it_is_and_sorts_its_fields_into_known_classes() -> None:
    with pytest.raises(ImproperlyConfigured, match=r"Unknown field classes: \['gossip'\]"):
        Personal(see="see_patients", patient="id", classes={"gossip": ["words"]})
    with pytest.raises(ImproperlyConfigured, match=r"Unknown field classes: \['rumour'\]"):
        Personal(see="see_patients", patient="id", default="rumour")
    with pytest.raises(ImproperlyConfigured, match="name the column"):
        Personal(see="see_patients", provider="provider_id", referral="referral_id")
    Personal(see="see_patients", practice="practice_id")
    declaration = Personal(
        see="see_patients", patient="id", classes={"clinical": ["note"], "identity": ["name"]}
    )
    assert declaration.classes_of(["note"]) == {"clinical"}
    assert declaration.classes_of(["name", "id"]) == {"identity", "case"}
    assert declaration.classes_of(["name", "id"]) == {"identity", "case"}
    assert declaration.classes_of([]) == frozenset()


def test_start_up_stops_while_a_table_is_not_accounted_for(monkeypatch: pytest.MonkeyPatch) -> None:
    require_declarations()
    for table, label in (
        ("django_session", "sessions.Session"),
        # Made by Django for a relation between many and many.
        ("people_user_groups", "people.User_groups"),
    ):
        rest = [item for item in declarations.THIRD_PARTY if item.table != table]
        with monkeypatch.context() as patch:
            patch.setattr(declarations, "THIRD_PARTY", rest)
            with pytest.raises(ImproperlyConfigured, match=label):
                require_declarations()
    monkeypatch.delattr(Patient, "privacy")
    with pytest.raises(ImproperlyConfigured, match=r"people\.Patient"):
        require_declarations()


def test_every_declared_model_is_named_once_in_a_fixed_order() -> None:
    labels = [model._meta.label for model in declarations.declared()]
    assert labels == sorted(set(labels))
    assert "people.Patient" in labels
    assert "people.HistoricalPatient" not in labels


# --- Who may ---------------------------------------------------------------------------------------


def test_a_refusal_says_whether_the_row_is_there_only_to_whoever_may_know() -> None:
    pilot = factories.make_pilot()
    patient = factories.make_patient(pilot.practice)
    receptionist = factories.make_staff(Role.RECEPTIONIST, pilot.practice)
    stranger = factories.make_staff(Role.RECEPTIONIST, pilot.other_practice)
    with acting(receptionist, "page.opened") as context:
        check(receptionist, Permission.SEE_PATIENTS, patient)
        assert context.decisions == {Patient}
        check(receptionist, Permission.REGISTER_PATIENTS, pilot.practice)
        with pytest.raises(PermissionDenied, match=r"Receptionist cannot give, .* here"):
            check(receptionist, Permission.DECIDE, patient)
        with pytest.raises(
            PermissionDenied, match="Receptionist cannot add a patient and correct their details here"
        ):
            check(receptionist, Permission.REGISTER_PATIENTS, pilot.other_practice)
        with pytest.raises(PermissionDenied, match="Receptionist cannot give, refuse"):
            check(receptionist, Permission.DECIDE)
        check(receptionist, Permission.SEE_PATIENTS)
        assert context.decisions == {Patient, Organisation, None}
    with acting(stranger, "page.opened"):
        with pytest.raises(NotVisible, match="No patient found"):
            check(stranger, Permission.SEE_PATIENTS, patient)
        with pytest.raises(NotVisible):
            check(stranger, Permission.DECIDE, patient)
        assert not can(stranger, Permission.SEE_PATIENTS, patient)


def test_an_organisation_is_reached_by_membership_or_from_everywhere_and_not_otherwise() -> None:
    pilot = factories.make_pilot()
    staff = {
        Role.RECEPTIONIST: pilot.practice,
        Role.SUPERVISOR: pilot.provider,
        Role.COACH: pilot.provider,
        Role.PILOT_MANAGER: pilot.office,
    }
    permission = {
        Role.RECEPTIONIST: Permission.REGISTER_PATIENTS,
        Role.SUPERVISOR: Permission.ALLOCATE,
        Role.COACH: Permission.SEE_CASELOAD,
        Role.PILOT_MANAGER: Permission.MANAGE_PILOT,
    }
    reached = {}
    for role, home in staff.items():
        actor = factories.make_staff(role, home)
        with acting(actor, "page.opened"):
            reached[role] = [
                can(actor, permission[role], each)
                for each in (home, pilot.other_practice, pilot.other_provider, pilot.commissioner)
            ]
    assert reached == {
        Role.RECEPTIONIST: [True, False, False, False],
        Role.SUPERVISOR: [True, False, False, False],
        # A coach reaches people, not places.
        Role.COACH: [False, False, False, False],
        Role.PILOT_MANAGER: [True, True, True, True],
    }


def test_what_is_impersonal_cannot_be_narrowed_and_a_role_without_the_permission_sees_nothing() -> None:
    pilot = factories.make_pilot()
    factories.make_patient(pilot.practice)
    manager = factories.make_staff(Role.PILOT_MANAGER, pilot.office)
    system = factories.TESTS
    with acting(manager, "page.opened") as context:
        with pytest.raises(TypeError, match="Organisation holds nothing personal"):
            visible_to(Organisation.objects.all(), manager)
        found = visible_to(Patient.objects.all(), manager)
        assert found.query.is_empty()
        assert context.decisions == {Patient}
    with acting(system, "page.opened"):
        # Everywhere: no filter at all.
        assert not visible_to(Patient.objects.all(), system).query.where.children
        assert visible_to(Patient.objects.all(), system).exists()
        assert visible_to(Patient.objects.all(), system, Permission.READ_CLINICAL_NOTES).query.is_empty()


def test_each_relation_is_a_filter_on_the_column_that_the_model_names_for_it() -> None:
    pilot = factories.make_pilot()
    with acting(factories.TESTS, "page.opened") as context:
        grants = context.grants
        grants.organisations, grants.referrals, grants.patients = [uuid4()], [uuid4()], [uuid4()]
        every = Personal(see="see_patients", patient="p", practice="pr", provider="pv", referral="r")
        assert lookup_for(every, Reach.PRACTICE, context) == {"pr__in": grants.organisations}
        assert lookup_for(every, Reach.PROVIDER, context) == {"pv__in": grants.organisations}
        assert lookup_for(every, Reach.REFERRAL, context) == {"r__in": grants.referrals}
        assert lookup_for(every, Reach.SELF, context) == {"p__in": grants.patients}
        about_patient = Personal(see="see_patients", patient="p")
        assert lookup_for(about_patient, Reach.REFERRAL, context) == {"p__in": grants.patients}
        assert lookup_for(about_patient, Reach.SELF, context) == {"p__in": grants.patients}
        assert lookup_for(about_patient, Reach.PRACTICE, context) is None
        assert lookup_for(about_patient, Reach.PROVIDER, context) is None
        of_practice = Personal(see="see_patients", practice="pr")
        for reach in (Reach.SELF, Reach.REFERRAL, Reach.PROVIDER, Reach.EVERYWHERE):
            assert lookup_for(of_practice, reach, context) is None
    assert pilot.practice.pk not in grants.organisations


def test_a_row_hidden_from_its_patient_is_hidden_by_the_application_too() -> None:
    pilot = factories.make_pilot()
    patient = factories.make_patient(pilot.practice, account=True)
    clinician = factories.make_staff(Role.CLINICIAN, pilot.practice)
    shown = factories.make_note(patient, clinician)
    factories.make_note(patient, clinician, withheld_at=dt.datetime.now(dt.UTC), withheld_on="serious_harm")
    told = factories.patient_actor(patient)
    with acting(told, "record.opened"):
        asked = visible_to(ClinicalNote.objects.all(), told)
        assert [note.pk for note in asked] == [shown.pk]
        assert "withheld_at" in str(asked.query.where)
    with acting(clinician, "notes.opened"):
        asked = visible_to(ClinicalNote.objects.all(), clinician)
        assert asked.count() == 2
        assert "withheld_at" not in str(asked.query.where)


def test_the_queryset_asks_for_the_permission_that_is_named() -> None:
    pilot = factories.make_pilot()
    patient = factories.make_patient(pilot.practice)
    receptionist = factories.make_staff(Role.RECEPTIONIST, pilot.practice)
    with acting(receptionist, "page.opened"):
        rows: RecordQuerySet[Patient] = Patient.objects.filter(pk=patient.pk)
        assert rows.visible_to(receptionist).exists()
        assert rows.visible_to(receptionist, Permission.REGISTER_PATIENTS).exists()
        assert not rows.visible_to(receptionist, Permission.DECIDE).exists()
        assert not Patient.objects.filter(pk=uuid4()).visible_to(receptionist).exists()


# --- Rows ------------------------------------------------------------------------------------------


def test_a_row_knows_which_database_it_came_from() -> None:
    factories.make_patient(factories.make_pilot().practice)
    with acting(factories.TESTS, "page.opened"):
        assert {patient._state.db for patient in Patient.objects.all()} == {"default"}


def test_a_version_moves_on_by_one() -> None:
    class Form:
        version = 4

    form = Form()
    Versioned.move_on(form)  # type: ignore[arg-type]
    assert form.version == 5


def test_the_rule_that_a_write_broke_is_named() -> None:
    pilot = factories.make_pilot()
    with acting(factories.TESTS, "test.made"), pytest.raises(IntegrityError) as refused, transaction.atomic():
        Organisation(kind="practice", name="Again", ods_code=pilot.practice.ods_code).save(force_insert=True)
    assert broken_rule(refused.value) in {rule.name for rule in Organisation._meta.constraints} | {
        "people_organisation_ods_code_key"
    }
    assert broken_rule(IntegrityError("by nobody")) is None


# --- Roles and moves -------------------------------------------------------------------------------


def test_a_role_holds_a_permission_through_one_relation_or_not_at_all() -> None:
    for role, duties in roles.ROLES.items():
        held_once = [permission for permissions in duties.can.values() for permission in permissions]
        assert len(held_once) == len(set(held_once)), role
        for permission in Permission:
            through = [reach for reach, permissions in duties.can.items() if permission in permissions]
            assert [roles.reach_of(role, permission)] == (through or [None])
            assert may(Actor(role, None if role is Role.SYSTEM else uuid4()), permission) is bool(through)
            for reach in Reach:
                assert (role in roles.roles_with(permission, reach)) is (reach in through)
    assert roles.reaches_of(Permission.SEE_PATIENTS) == (
        Reach.PRACTICE,
        Reach.REFERRAL,
        Reach.SELF,
        Reach.EVERYWHERE,
    )
    assert roles.reaches_of(Permission.WRITE_CLINICAL_NOTES) == (Reach.PRACTICE,)


def test_what_each_role_can_do_is_told_without_what_everybody_can() -> None:
    told = {role: (sentence, dict(can_do)) for role, sentence, can_do in roles.in_words()}
    assert told.keys() == roles.ROLES.keys()
    assert told[Role.COMMISSIONER] == (
        "Sees published figures, and never a person.",
        {Reach.EVERYWHERE: ["see published figures"]},
    )
    sentence, coach = told[Role.COACH]
    assert sentence == roles.ROLES[Role.COACH].sentence
    assert coach.keys() == {Reach.REFERRAL}
    assert coach[Reach.REFERRAL] == [str(p.label) for p in roles.ROLES[Role.COACH].can[Reach.REFERRAL]]


class Light(models.TextChoices):
    RED = "red", "Red"
    GREEN = "green", "Green"


class Lamp:
    def __init__(self, status: str) -> None:
        self.status = status

    def get_status_display(self) -> str:
        return str(Light(self.status).label)


LAMPS = StateMachine(
    Light,
    (
        Transition("light", (None,), Light.RED, (Role.COACH,)),
        Transition("go", (Light.RED,), Light.GREEN, (Role.COACH, Role.SYSTEM)),
        Transition("stop", (Light.GREEN,), Light.RED, (Role.SYSTEM,)),
    ),
    "It is %(status)s now.",
)


def test_a_move_is_made_from_where_it_begins_and_by_whom_it_is_for() -> None:
    assert LAMPS.transition("go").target is Light.GREEN
    assert LAMPS.transition("stop").target is Light.RED
    red, green = Lamp("red"), Lamp("green")
    assert LAMPS.can_move(red, "go", Role.COACH)
    assert not LAMPS.can_move(green, "go", Role.COACH)
    assert not LAMPS.can_move(green, "stop", Role.COACH)
    assert not LAMPS.can_move(red, "go", Role.PATIENT)
    LAMPS.check_can_move(red, "go", Role.COACH)
    with pytest.raises(PermissionDenied, match="“stop” is not for a coach to do"):
        LAMPS.check_can_move(green, "stop", Role.COACH)
    with pytest.raises(ValidationError) as refused:
        LAMPS.check_can_move(green, "go", Role.COACH)
    assert refused.value.messages == ["It is Green now."]
