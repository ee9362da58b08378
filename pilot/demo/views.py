"""The demo's own page: be anybody with one button. Exists only where the demo is switched on."""

from __future__ import annotations

from typing import Any

from django.contrib import auth
from django.http import Http404, HttpRequest, HttpResponseBase, HttpResponseRedirect, JsonResponse

from pilot.demo import selectors
from pilot.demo.personas import Persona, persona
from pilot.sign_in.sessions import pass_second_step, sign_in
from pilot.web.views import PublicPage, PublicView

WHY = "Everybody in the demo is invented, and anybody may be any of them."


class Personas(PublicPage):
    why = WHY
    acts_as = "demo.personas"
    template_name = "demo/personas.jinja"
    title = "Try the pilot as somebody in it"

    def context(self) -> dict[str, Any]:
        return {
            "groups": selectors.groups(),
            "invitations": selectors.open_invitations(self.actor),
        }


class PersonasJson(PublicView):
    """The same for programs."""

    why = WHY

    def get(self, request: HttpRequest) -> HttpResponseBase:
        return JsonResponse(
            [
                {
                    "slug": each.slug,
                    "name": each.name,
                    "role": each.role.value,
                    "organisation": each.organisation,
                    "home": each.home,
                }
                for each in selectors.personas()
            ],
            safe=False,
        )


class SignIn(PublicView):
    """Sign in as a persona, without a password or a second step: they have none. Whoever was signed in is signed out."""

    why = WHY
    acts_as = "demo"
    about = {"slug": Persona}

    def post(self, request: HttpRequest, slug: str) -> HttpResponseBase:
        chosen = persona(slug)
        account = selectors.account_of(chosen) if chosen else None
        if chosen is None or account is None:
            raise Http404("There is nobody of that name in the demo.")
        auth.logout(request)
        sign_in(request, account, by=self.actor)
        pass_second_step(request)
        return HttpResponseRedirect(chosen.home)
