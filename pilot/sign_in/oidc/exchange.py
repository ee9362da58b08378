"""Sending somebody to a provider and reading what it sends back: allauth's client, with what it leaves to others.

Added here: the nonce, `vtr`, `private_key_jwt`, signatures checked always, and no parameter taken from an address.
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from functools import cached_property
from typing import Any
from urllib.parse import urlsplit

import requests
from allauth.socialaccount.adapter import DefaultSocialAccountAdapter
from allauth.socialaccount.models import SocialApp
from allauth.socialaccount.providers.oauth2.client import OAuth2Error
from allauth.socialaccount.providers.openid_connect.provider import OpenIDConnectProvider
from allauth.socialaccount.providers.openid_connect.views import OpenIDConnectOAuth2Adapter
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest
from django.urls import reverse
from django.utils.crypto import get_random_string

from pilot.sign_in.oidc.configuration import Provider
from pilot.sign_in.oidc.tokens import ASSERTION_TYPE, Answer, NotBelieved, assertion_for, read_id_token

SIGN_IN, CONNECT = "login", "connect"
WELL_KNOWN = "/.well-known/openid-configuration"
NEEDED = ("authorization_endpoint", "token_endpoint", "userinfo_endpoint", "jwks_uri")


class NoAnswer(Exception):  # noqa: N818 (what is the matter, not an error of ours)
    """The provider cannot be reached, or says that it cannot help now."""


class StateUnknown(Exception):  # noqa: N818
    """Somebody comes back whom we did not send from this browser, not lately, or for the second time."""


class SocialAccountAdapter(DefaultSocialAccountAdapter):
    """Requests go where they are sent and nowhere else."""

    def get_requests_session(self) -> requests.Session:
        session: requests.Session = super().get_requests_session()
        session.max_redirects = 0
        return session

    def generate_state_param(self, state: dict[str, Any]) -> str:
        return get_random_string(32)


@dataclass(frozen=True)
class Visit:
    """Why somebody was sent to a provider, as kept in their session until they are back, once."""

    process: str
    nonce: str
    user: str
    next: str
    verifier: str


class Door:
    """One provider, seen from one request."""

    def __init__(self, request: HttpRequest, provider: Provider) -> None:
        self.request = request
        self.provider = provider
        app = SocialApp(
            provider="openid_connect",
            provider_id=provider.slug,
            name=provider.name,
            client_id=provider.client_id,
            # Where we sign, no secret is sent: allauth's client leaves out what is empty.
            secret=provider.client_secret,
            settings={
                "server_url": provider.issuer.rstrip("/") + WELL_KNOWN,
                "oauth_pkce_enabled": True,
                "token_auth_method": "private_key_jwt" if provider.private_key else None,
                "scope": list(provider.scope),
            },
        )
        self.library = _Library(request, app=app)

    def address(self, process: str, *, user: str = "", next_url: str = "") -> str:
        """The provider's address to send this person to. What belongs to the visit stays in their session.

        Raises `NoAnswer` where the provider does not say where its pages are, `NotBelieved` where it says it wrongly.
        """
        nonce = secrets.token_urlsafe(32)
        params = {"nonce": nonce}
        if self.provider.vectors:
            params["vtr"] = "[" + ",".join(f'"{vector}"' for vector in self.provider.vectors) + "]"
        if self.provider.acr:
            params["acr_values"] = " ".join(sorted(self.provider.acr))
        self.endpoints  # noqa: B018 (asked first: where there is no answer, nothing is left in the session)
        response = self.library.redirect(
            self.request,
            process,
            next_url=next_url,
            data={"nonce": nonce, "user": user},
            auth_params=params,
        )
        return str(response["Location"])

    def visit(self) -> Visit:
        """Take the visit that this person comes back from out of their session. Raises `StateUnknown` for none."""
        try:
            kept = self.library.unstash_redirect_state(self.request, self.request.GET.get("state", ""))
        except PermissionDenied as nothing:
            raise StateUnknown from nothing
        return Visit(
            process=kept["process"],
            nonce=kept["data"]["nonce"],
            user=kept["data"]["user"],
            next=kept.get("next", ""),
            verifier=kept.get("pkce_code_verifier", ""),
        )

    def answer(self, visit: Visit) -> Answer:
        """Exchange the code that came back for what the provider vouches for, checked. It says nothing of who it is.

        Raises `NoAnswer` or `NotBelieved`.
        """
        sender = self.request.GET.get("iss", self.provider.issuer)
        if sender != self.provider.issuer:
            raise NotBelieved("The answer came from another provider.")
        tokens = self._exchange(visit)
        if not isinstance(tokens.get("id_token"), str):
            raise NotBelieved("There is no ID token.")
        keys = self._fetch(self.endpoints["jwks_uri"])
        claims = read_id_token(tokens["id_token"], keys, self.provider, visit.nonce)
        bearer = {"Authorization": f"Bearer {tokens['access_token']}"}
        userinfo = self._fetch(self.endpoints["userinfo_endpoint"], headers=bearer)
        if userinfo.get("sub") != claims["sub"]:
            raise NotBelieved("The user information is about somebody else.")
        return Answer(self.provider, claims["sub"], claims, userinfo)

    @cached_property
    def endpoints(self) -> dict[str, Any]:
        """Where the provider's parts are, as the configured issuer itself says."""
        said = self._fetch(self.library.server_url)
        if said.get("issuer") != self.provider.issuer:
            raise NotBelieved("The provider calls itself by another name than the one configured.")
        scheme = urlsplit(self.provider.issuer).scheme
        if any(_scheme_of(said.get(name, "")) != scheme for name in NEEDED):
            raise NotBelieved("The provider leaves out an address, or gives one without encryption.")
        self.library.endpoints = said
        return said

    def _exchange(self, visit: Visit) -> dict[str, Any]:
        address = self.endpoints["token_endpoint"]
        more = {}
        if self.provider.private_key:
            more = {
                "client_assertion_type": ASSERTION_TYPE,
                "client_assertion": assertion_for(self.provider, address),
            }
        client = self.library.get_oauth2_adapter(self.request).get_client(self.request, self.library.app)
        try:
            tokens: dict[str, Any] = client.get_access_token(
                self.request.GET["code"], pkce_code_verifier=visit.verifier, extra_data=more
            )
        except (requests.ConnectionError, requests.Timeout) as problem:
            raise NoAnswer from problem
        except (OAuth2Error, requests.RequestException, KeyError, TypeError, ValueError) as problem:
            # Its text may quote the answer, so it goes nowhere.
            raise NotBelieved("The code was not taken.") from problem
        return tokens

    def _fetch(self, address: str, **how: Any) -> dict[str, Any]:
        try:
            with SocialAccountAdapter(self.request).get_requests_session() as session:
                response = session.get(address, **how)
                response.raise_for_status()
                said = response.json()
        except requests.RequestException as problem:
            raise NoAnswer from problem
        if not isinstance(said, dict):
            raise NotBelieved("The provider's answer has another shape than it should.")
        return said


def _scheme_of(address: object) -> str:
    try:
        return urlsplit(str(address)).scheme
    except ValueError:
        return ""


class _Adapter(OpenIDConnectOAuth2Adapter):
    """allauth's adapter, told what the door has found out and checked already."""

    library: _Library

    def get_provider(self) -> _Library:
        return self.library

    @property
    def openid_config(self) -> dict[str, Any]:
        return self.library.endpoints

    def get_callback_url(self, request: HttpRequest, app: SocialApp) -> str:
        return request.build_absolute_uri(reverse(f"oidc:{app.provider_id}-callback"))


class _Library(OpenIDConnectProvider):
    """allauth's provider, made of our configuration instead of a table."""

    endpoints: dict[str, Any]

    def get_oauth2_adapter(self, request: HttpRequest) -> _Adapter:
        adapter = _Adapter(request, self.app.provider_id)
        adapter.library = self
        return adapter
