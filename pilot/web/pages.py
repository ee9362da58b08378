"""The pages that belong to nobody's subject: the way home, the choice of role, help."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from typing import Any

from django.http import HttpResponseBase, HttpResponseRedirect, JsonResponse
from django.urls import reverse
from django.utils.functional import cached_property
from django.utils.http import url_has_allowed_host_and_scheme
from django.utils.translation import gettext_lazy as _

from pilot.web.fields import RadioField
from pilot.web.forms import Form
from pilot.web.middleware import PilotRequest, take_role
from pilot.web.navigation import home_of, public_home
from pilot.web.selectors import ActingRole, acting_roles
from pilot.web.views import PublicFormPage, PublicPage, PublicView


class Home(PublicView):
    """Where everybody starts: staff and patients at their first page, visitors at the public one."""

    why = "It shows nothing, and only leads to where the person may go."

    def get(self, request: PilotRequest) -> HttpResponseBase:
        is_visitor = request.session_ends_in is None
        if is_visitor:
            return HttpResponseRedirect(public_home())
        if request.needs_second_step:
            return HttpResponseRedirect(reverse("sign_in:second-step"))
        return HttpResponseRedirect(home_of(request) or reverse("web:choose-role"))


class RoleForm(Form):
    role = RadioField(label=_("Role"), missing=_("Choose the role you want to act in"))

    def __init__(self, *args: Any, roles: list[ActingRole], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["role"].choices = [(one.key, _name_of(one)) for one in roles]  # type: ignore[attr-defined]
        if not roles:
            del self.fields["role"]


class ChooseRole(PublicFormPage):
    """For people with several roles, or with none left."""

    why = "Whoever signs in has to say in which role, before any permission can be asked about."
    signed_in = True
    template_name = "web/choose_role.jinja"
    title = _("Choose your role")
    form_class = RoleForm

    def open_door(self) -> AbstractContextManager[Any]:
        # Nobody acts yet.
        return nullcontext()

    @cached_property
    def roles(self) -> list[ActingRole]:
        return acting_roles(self.request.user)

    def form_arguments(self) -> dict[str, Any]:
        return {"roles": self.roles}

    def context(self) -> dict[str, Any]:
        return {"has_roles": bool(self.roles)}

    def act(self, form: Form) -> str:
        take_role(self.request, next(one for one in self.roles if one.key == form.cleaned_data["role"]))
        there = self.request.GET.get("next", "")
        is_ours = url_has_allowed_host_and_scheme(there, {self.request.get_host()}, self.request.is_secure())
        return there if is_ours else reverse("web:home")


class Stay(PublicView):
    """The script's way to keep the session: asking is enough, the middleware notes it."""

    why = "It says only how long the session has left."
    signed_in = True

    def get(self, request: PilotRequest) -> HttpResponseBase:
        return JsonResponse({"ends_in": request.session_ends_in})


class Help(PublicPage):
    why = "Whoever cannot sign in needs it most."
    template_name = "web/help.jinja"
    title = _("Help")


class Accessibility(PublicPage):
    why = "The law asks for it to be public."
    template_name = "web/accessibility.jinja"
    title = _("Accessibility")


class Privacy(PublicPage):
    why = "People read it before they decide."
    template_name = "web/privacy.jinja"
    title = _("Privacy and cookies")


def _name_of(one: ActingRole) -> str:
    if one.membership is None:
        return str(_("Myself: my own record"))
    return str(one.membership)
