"""The pilot office's pages: organisations, the people who work there, and their roles. No case, no patient."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.db.models import QuerySet
from django.urls import reverse
from django.utils.translation import gettext_lazy as _

from pilot.access import NotVisible, Permission, Role
from pilot.office import selectors
from pilot.office.actions import sign_out_everywhere
from pilot.office.forms import (
    NOBODY,
    CloseForm,
    DetailsForm,
    EndForm,
    OrganisationForm,
    PersonForm,
    ProviderForm,
    SuspendForm,
)
from pilot.people import actions, policies
from pilot.people.models import Membership, Organisation, User
from pilot.web.forms import Form
from pilot.web.lists import ListPage, Sort
from pilot.web.views import FormPage, Page

if TYPE_CHECKING:
    from django.utils.functional import _StrOrPromise


class Organisations(ListPage):
    permission = Permission.MANAGE_PILOT
    template_name = "office/organisations.jinja"
    title = _("Organisations")
    sorts = {"name": Sort(_("Name"), "name"), "kind": Sort(_("Kind"), "kind")}
    search_label = _("Name or ODS code")

    def rows(self) -> QuerySet[Organisation]:
        return selectors.organisations(self.actor)

    def search(self, rows: QuerySet[Organisation], text: str) -> QuerySet[Organisation]:
        return selectors.organisations_called(rows, text)

    def context(self) -> dict[str, Any]:
        return {"has_ended": selectors.has_ended}


class AddOrganisation(FormPage):
    permission = Permission.MANAGE_PILOT
    title = _("Add an organisation")
    form_class = OrganisationForm
    submit_label = _("Add")

    def form_arguments(self) -> dict[str, Any]:
        return {"providers": selectors.providers(self.actor)}

    def act(self, form: Form) -> str:
        organisation = actions.add_organisation(Organisation(**form.cleaned_data), by=self.actor)
        self.say(_("Added. Now add the people who work there."))
        return reverse("office:organisation", args=[organisation.pk])

    def breadcrumbs(self) -> list[tuple[_StrOrPromise, str]]:
        return [(Organisations.title, reverse("office:organisations"))]


class OpenOrganisation(Page):
    """One organisation and everybody with a role there, past and future ones too."""

    permission = Permission.MANAGE_PILOT
    about = {"organisation": Organisation}
    template_name = "office/organisation.jinja"

    @property
    def title(self) -> str:  # type: ignore[override]
        return str(self.row.name)

    def get_row(self) -> Organisation:
        return selectors.organisation(self.actor, self.kwargs["organisation"])

    def context(self) -> dict[str, Any]:
        memberships = selectors.memberships_of(self.row)
        return {
            "members": [each for each in memberships if not selectors.has_ended(each)],
            "past": [each for each in memberships if selectors.has_ended(each)],
            "is_over": selectors.has_ended(self.row),
            "can_close": policies.can_close(self.row),
            "can_stay_open": policies.can_stay_open(self.row),
        }

    def breadcrumbs(self) -> list[tuple[_StrOrPromise, str]]:
        return [(Organisations.title, reverse("office:organisations"))]


class _OfOrganisation(FormPage):
    """What the pages with a form about one organisation share."""

    is_base = True
    permission = Permission.MANAGE_PILOT
    about = {"organisation": Organisation}
    edits_row = True
    row: Organisation

    def get_row(self) -> Organisation:
        return selectors.organisation(self.actor, self.kwargs["organisation"])

    def breadcrumbs(self) -> list[tuple[_StrOrPromise, str]]:
        return [(Organisations.title, reverse("office:organisations")), (self.row.name, self.own_page)]

    @property
    def own_page(self) -> str:
        return reverse("office:organisation", args=[self.row.pk])


class ChangeOrganisation(_OfOrganisation):
    permission = Permission.MANAGE_PILOT
    title = _("Change name or phone number")
    form_class = DetailsForm
    submit_label = _("Save")

    def initial(self) -> dict[str, Any]:
        return {"name": self.row.name, "phone": self.row.phone}

    def act(self, form: Form) -> str:
        actions.change_organisation(self.row, **form.cleaned_data, version=self.version, by=self.actor)
        self.say(_("Saved."))
        return self.own_page


class ChangeProvider(_OfOrganisation):
    """Whose coaches work at a practice, and what becomes of those who wait or have a coach."""

    permission = Permission.MANAGE_PILOT
    template_name = "office/provider.jinja"
    title = _("Change whose coaches work here")
    form_class = ProviderForm
    submit_label = _("Change the provider")

    def get_row(self) -> Organisation:
        return selectors.practice(self.actor, self.kwargs["organisation"])

    def form_arguments(self) -> dict[str, Any]:
        return {"providers": selectors.providers(self.actor)}

    def initial(self) -> dict[str, Any]:
        return {"provider": str(self.row.served_by_id or NOBODY)}

    def act(self, form: Form) -> str:
        provider = form.cleaned_data["provider"]
        actions.change_provider(self.row, provider, version=self.version, by=self.actor)
        self.say(_("Changed. Referrals that wait follow within a minute."))
        return self.own_page


class CloseOrganisation(_OfOrganisation):
    """The last day of an organisation, and what ends with it."""

    permission = Permission.MANAGE_PILOT
    template_name = "office/close.jinja"
    title = _("Close this organisation")
    form_class = CloseForm
    submit_label = _("Close it")
    submit_variant = "warning"

    def get_row(self) -> Organisation:
        row = super().get_row()
        if not policies.can_close(row):
            raise NotVisible("This organisation does not close.")
        return row

    def context(self) -> dict[str, Any]:
        members = [each for each in selectors.memberships_of(self.row) if not selectors.has_ended(each)]
        return {"members": members, "practices": selectors.practices_of(self.row)}

    def act(self, form: Form) -> str:
        actions.close_organisation(self.row, on=form.cleaned_data["on"], version=self.version, by=self.actor)
        self.say(_("Closed from that day on."))
        return self.own_page


class KeepOpen(_OfOrganisation):
    """Undo a closing before its day."""

    permission = Permission.MANAGE_PILOT
    template_name = "office/keep_open.jinja"
    title = _("Keep this organisation open")
    submit_label = _("Keep it open")
    edits_row = False

    def get_row(self) -> Organisation:
        row = super().get_row()
        if not policies.can_stay_open(row):
            raise NotVisible("This organisation is not about to close.")
        return row

    def act(self, form: Form) -> str:
        actions.keep_open(self.row, by=self.actor)
        self.say(_("It stays open."))
        return self.own_page


class AddPerson(_OfOrganisation):
    """Give somebody a role at this organisation, and an account if they have none."""

    permission = Permission.MANAGE_PILOT
    title = _("Add a person")
    form_class = PersonForm
    submit_label = _("Add")
    edits_row = False

    def form_arguments(self) -> dict[str, Any]:
        return {"organisation": self.row}

    def act(self, form: Form) -> str:
        details = dict(form.cleaned_data)
        membership = actions.add_person(
            self.row,
            details.pop("email"),
            details.pop("name"),
            Role(details.pop("role")),
            **details,
            by=self.actor,
        )
        self.say(
            _(
                "Added. If they have not signed in before: on the sign-in page they choose to set a new password, "
                "and give this e-mail address."
            )
        )
        return reverse("office:person", args=[membership.user_id])


class People(ListPage):
    permission = Permission.MANAGE_PILOT
    template_name = "office/people.jinja"
    title = _("People")
    sorts = {
        "name": Sort(_("Name"), "display_name"),
        "newest": Sort(_("Newest"), "joined_at", descending=True),
    }
    search_label = _("Name or e-mail address")

    def rows(self) -> QuerySet[User]:
        return selectors.people(self.actor)

    def search(self, rows: QuerySet[User], text: str) -> QuerySet[User]:
        return selectors.people_called(rows, text)

    def context(self) -> dict[str, Any]:
        return {"has_ended": selectors.has_ended}


class OpenPerson(Page):
    """A member of staff, their roles, and whether they can sign in."""

    permission = Permission.MANAGE_PILOT
    about = {"person": User}
    template_name = "office/person.jinja"

    @property
    def title(self) -> str:  # type: ignore[override]
        return str(self.row.display_name)

    def get_row(self) -> User:
        return selectors.person(self.actor, self.kwargs["person"])

    def context(self) -> dict[str, Any]:
        memberships = list(self.row.memberships.all())
        return {
            "memberships": [each for each in memberships if not selectors.has_ended(each)],
            "past": [each for each in memberships if selectors.has_ended(each)],
            "is_own": self.row.pk == self.actor.user_id,
        }

    def breadcrumbs(self) -> list[tuple[_StrOrPromise, str]]:
        return [(People.title, reverse("office:people"))]


class EndMembership(FormPage):
    permission = Permission.MANAGE_PILOT
    about = {"membership": Membership}
    template_name = "office/end.jinja"
    title = _("End this role")
    form_class = EndForm
    submit_label = _("End the role")
    submit_variant = "warning"

    def get_row(self) -> Membership:
        return selectors.membership(self.actor, self.kwargs["membership"])

    def act(self, form: Form) -> str:
        actions.end_membership(self.row, on=form.cleaned_data["on"], by=self.actor)
        self.say(_("The role ends."))
        return reverse("office:person", args=[self.row.user_id])

    def breadcrumbs(self) -> list[tuple[_StrOrPromise, str]]:
        return [
            (People.title, reverse("office:people")),
            (self.row.user.display_name, reverse("office:person", args=[self.row.user_id])),
        ]


class _SignIn(FormPage):
    """What the pages about one person's sign-in share."""

    is_base = True
    permission = Permission.MANAGE_PILOT
    about = {"person": User}
    template_name = "office/sign_in.jinja"

    def get_row(self) -> User:
        return selectors.person(self.actor, self.kwargs["person"])

    def breadcrumbs(self) -> list[tuple[_StrOrPromise, str]]:
        return [
            (People.title, reverse("office:people")),
            (self.row.display_name, self.own_page),
        ]

    @property
    def own_page(self) -> str:
        return reverse("office:person", args=[self.row.pk])


class Suspend(_SignIn):
    permission = Permission.MANAGE_PILOT
    title = _("Suspend this sign-in")
    form_class = SuspendForm
    submit_label = _("Suspend")
    submit_variant = "warning"

    def act(self, form: Form) -> str:
        actions.suspend_sign_in(self.row, reason=form.cleaned_data["reason"], by=self.actor)
        self.say(_("Suspended. They are signed out everywhere and cannot sign in."))
        return self.own_page


class SignOut(_SignIn):
    """For a lost phone or a shared computer: they sign in again, whoever holds the old session does not."""

    permission = Permission.MANAGE_PILOT
    template_name = "office/sign_out.jinja"
    title = _("Sign this person out everywhere")
    submit_label = _("Sign them out everywhere")

    def act(self, form: Form) -> str:
        sign_out_everywhere(self.row, by=self.actor)
        self.say(_("Signed out everywhere. They can sign in again."))
        return self.own_page


class Restore(_SignIn):
    permission = Permission.MANAGE_PILOT
    title = _("Let this person sign in again")
    submit_label = _("Let them sign in")

    def act(self, form: Form) -> str:
        actions.restore_sign_in(self.row, by=self.actor)
        self.say(_("They can sign in again."))
        return self.own_page
