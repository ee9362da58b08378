"""A tiny site on the base views, for testing them: patients to list, to add and to edit."""

from typing import Any

from django.core.exceptions import ValidationError
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBase
from django.template.loader import get_template
from django.urls import include, path

from pilot.access import Permission
from pilot.people.actions import PatientDetails, StaleVersion, change_details, register_patient
from pilot.people.models import Patient
from pilot.web import errors, fields
from pilot.web.forms import Form
from pilot.web.lists import ListPage, Sort
from pilot.web.views import FormPage, Page, PublicFormPage, PublicPage


class NameForm(Form):
    given_name = fields.TextField(label="First name")
    family_name = fields.TextField(label="Last name")
    date_of_birth = fields.DateField(label="Date of birth", past=True)


class Add(FormPage):
    permission = Permission.REGISTER_PATIENTS
    title = "Add a patient"
    form_class = NameForm
    submit_label = "Add"

    def act(self, form: Form) -> str:
        patient = register_patient(self.request.membership.organisation, details(form), by=self.actor)
        self.say("Added")
        return f"/tiny/patients/{patient.pk}/"


class Edit(FormPage):
    permission = Permission.REGISTER_PATIENTS
    title = "Change a patient's name"
    form_class = NameForm
    edits_row = True

    def get_row(self) -> Patient:
        found = Patient.objects.visible_to(self.actor).filter(pk=self.kwargs["pk"]).first()
        if found is None:
            raise Http404
        return found

    def initial(self) -> dict[str, Any]:
        return {name: getattr(self.row, name) for name in NameForm.base_fields}

    def act(self, form: Form) -> str:
        change_details(self.row, details(form), version=self.version, by=self.actor)
        return "/tiny/patients/"


class Listing(ListPage):
    permission = Permission.SEE_PATIENTS
    title = "Patients"
    template_name = "layouts/list.jinja"
    sorts = {"name": Sort("Name", "family_name"), "newest": Sort("Newest", "created_at", descending=True)}
    page_size = 3
    search_label = "Name"

    def rows(self) -> Any:
        return Patient.objects.visible_to(self.actor)

    def search(self, rows: Any, text: str) -> Any:
        return rows.find(text)


class Allocate(Page):
    permission = Permission.ALLOCATE
    template_name = "layouts/page.jinja"


class Broken(Page):
    permission = Permission.USE_OWN_ACCOUNT

    def get(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        raise RuntimeError


class Open(PublicPage):
    why = "A test needs one."
    title = "How many"
    template_name = "layouts/page.jinja"

    def context(self) -> dict[str, Any]:
        return {"caption": f"sees {Patient.objects.count()}"}


class Stale(Page):
    permission = Permission.USE_OWN_ACCOUNT

    def get(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        raise StaleVersion


class Letter(PublicFormPage):
    """A visitor who gives a name that the system knows is shown it, as an invitation would."""

    why = "A test needs one."
    acts_as = "letter.opened"
    title = "Who are you?"
    form_class = NameForm

    def act(self, form: Form) -> str:
        found = Patient.objects.visible_to(self.actor).filter(given_name=form.cleaned_data["given_name"])
        if not found:
            raise ValidationError({"given_name": "We cannot find that name. Check your letter"})
        return "/help/"


class Streams(Page):
    permission = Permission.USE_OWN_ACCOUNT

    def get(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        from django.http import StreamingHttpResponse

        return StreamingHttpResponse(iter(["late"]))


class Everything(Form):
    """One field of each kind."""

    name = fields.TextField(label="First name", help_text="As on your letters")
    story = fields.TextAreaField(label="What would you like?", max_length=200, required=False)
    email = fields.EmailField(label="Email address", required=False)
    phone = fields.PhoneField(label="Phone number", required=False)
    born_on = fields.DateField(label="Date of birth", past=True, help_text="For example, 27 3 1984")
    at = fields.TimeField(label="Time", required=False)
    number = fields.NHSNumberField(required=False)
    contact = fields.RadioField(
        label="How should we contact you?",
        choices=[("3", "Phone"), ("4", "Email")],
        choice_hints={"3": "Between 9am and 5pm"},
    )
    agreed = fields.YesNoField(label="Is that right?", required=False)
    needs = fields.CheckboxesField(
        label="Needs",
        choices=[("a", "Large print"), ("b", "Braille"), ("none", "None of these")],
        none="none",
        required=False,
    )
    slots = fields.TimeSlotsField(label="Good times", required=False)
    load = fields.WholeNumberField(label="Limit", required=False, min_value=1)
    place = fields.SelectField(label="Place", choices=[("x", "Here"), ("y", "There")], required=False)
    sure = fields.TickField(label="I am sure", required=False)
    file = fields.FileField(label="List", endings=[".csv"], megabytes=1, required=False)


class EveryField(FormPage):
    permission = Permission.USE_OWN_ACCOUNT
    title = "Every field"
    form_class = Everything

    def breadcrumbs(self) -> list[tuple[Any, str]]:
        return [("Your account", "/account/")]

    def act(self, form: Form) -> str:
        self.say("Saved")
        return "/tiny/fields/"


COMPONENTS = """
{% extends "layouts/page.jinja" %}
{% from "components/pilot.jinja" import status_tag, person, summary, table, empty_state, tabs %}
{% from "components/pilot.jinja" import distress_button, needs_banner, button_form, print_button %}
{% set title = "Every component" %}
{% block urgent %}
  {{ distress_button("/help/") }}
  {{ needs_banner(["Large print", "Interpreter"], "Speaks Portuguese; the daughter does not interpret.") }}
{% endblock %}
{% block content %}
  {{ tabs([("Waiting", 12, "#", true), ("With a coach", 103, "#a", false), ("Ended", none, "#b", false)],
    "Referrals") }}
  {{ person("Maria da Conceição Albuquerque-Featherstonehaugh", "9990000018", "/help/") }}
  <p>{{ status_tag("Waiting", "yellow") }} {{ status_tag("With a coach", "green") }}</p>
  {{ summary([
    ("Name", "Ana Reyes", [("Change", "#", "name")]),
    ("Own words", "Two mornings.\\nNear home."),
    ("Email", ""),
  ], "Details") }}
  {{ table("Waiting longest first", ["Person", "Since", "Status", ""], [
    [person("Ana Reyes", "9990000018", "#"), "3 October 2026", status_tag("Waiting"),
      button_form("/help/", "", "Allocate")],
    [person("Ben Okafor"), "4 October 2026", status_tag("Paused", "grey"), "Nothing to do"],
  ]) }}
  {{ empty_state("Nobody is waiting.", "/help/", "What happens next?") }}
  {{ print_button() }}
{% endblock %}
"""


class EveryComponent(Page):
    permission = Permission.USE_OWN_ACCOUNT

    def get(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        environment = get_template("layouts/page.jinja").template.environment
        return HttpResponse(environment.from_string(COMPONENTS).render(request=request, csrf_input=""))


def details(form: Form) -> PatientDetails:
    return PatientDetails(**form.cleaned_data)


def plain(request: HttpRequest) -> HttpResponse:
    return HttpResponse("plain")


site = [
    path("patients/", Listing.as_view(), name="list"),
    path("patients/add/", Add.as_view(), name="add"),
    path("patients/<uuid:pk>/", Edit.as_view(), name="edit"),
    path("allocate/", Allocate.as_view(), name="allocate"),
    path("broken/", Broken.as_view(), name="broken"),
    path("open/", Open.as_view(), name="open"),
    path("stale/", Stale.as_view(), name="stale"),
    path("letter/", Letter.as_view(), name="letter"),
    path("streams/", Streams.as_view(), name="streams"),
    path("plain/", plain, name="plain"),
    path("fields/", EveryField.as_view(), name="fields"),
    path("components/", EveryComponent.as_view(), name="components"),
]

urlpatterns = [path("", include("pilot.urls")), path("tiny/", include((site, "tiny")))]

handler400 = errors.bad_request
handler403 = errors.permission_denied
handler404 = errors.not_found
handler429 = errors.too_many_requests
handler500 = errors.server_error
