"""The Jinja environment of every page: the design system's macros as `nhs.…`, filters, gettext."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from functools import cache
from typing import TYPE_CHECKING, Any, NoReturn

import jinja2
from django.conf import settings
from django.contrib.messages import get_messages
from django.templatetags.static import static
from django.urls import reverse
from django.utils import translation
from markupsafe import Markup

from pilot.web import formats, navigation

if TYPE_CHECKING:
    from django.http import HttpRequest


Params = dict[str, Any]


class Missing(jinja2.Undefined):
    """A name that nobody set: may be asked about (`if name`), never printed as a blank."""

    def __str__(self) -> NoReturn:  # noqa: PLE0307 (raising is the point)
        self._fail_with_undefined_error()

    def __html__(self) -> NoReturn:
        self._fail_with_undefined_error()


def environment(**options: Any) -> jinja2.Environment:
    """Our own templates (`*.jinja` only, so that Django's engine keeps the libraries' `*.html`)."""
    project_files = options.pop("loader")
    env = jinja2.Environment(  # noqa: S701 (Django passes autoescape=True)
        **{
            **options,
            "loader": jinja2.ChoiceLoader([OnlyJinja(project_files), DesignSystemImports()]),
            "undefined": Missing,
            "trim_blocks": True,
            "lstrip_blocks": True,
            "extensions": ["jinja2.ext.i18n", "jinja2.ext.do"],
        }
    )
    env.install_gettext_callables(  # type: ignore[attr-defined]
        translation.gettext,
        translation.ngettext,
        newstyle=True,
        pgettext=translation.pgettext,
        npgettext=translation.npgettext,
    )
    env.filters.update(
        date=formats.date,
        day=formats.day,
        short_date=formats.short_date,
        time=formats.time,
        date_and_time=formats.date_and_time,
        ago=formats.ago,
        age=formats.age,
        nhs_number=formats.nhs_number,
        phone=formats.phone,
    )
    env.globals.update(
        nhs=DesignSystem(),
        url=reverse_url,
        breadcrumb_items=breadcrumb_items,
        form_tokens=form_tokens,
        static=static,
        messages_of=get_messages,
        navigation_for=navigation.navigation_for,
        footer_links=navigation.footer_links,
        alerts_for=navigation.alerts_for,
        urgent_address=navigation.urgent_address,
        service_name=settings.PILOT_NAME,
        is_demo=settings.DEMO,
        shows_nhs_logo=settings.PILOT_SHOW_NHS_LOGO,
        session_warning_seconds=settings.SESSION_WARNING_SECONDS,
        language=translation.get_language,
    )
    return env


def reverse_url(name: str, *args: Any, **kwargs: Any) -> str:
    """`url("referrals:open", referral.pk)`, the address of a named page."""
    return reverse(name, args=args, kwargs=kwargs) if args or kwargs else navigation.address_of(name)


def breadcrumb_items(crumbs: Iterable[tuple[object, str]]) -> list[dict[str, str]]:
    """(label, address) pairs as the design system's macro takes them."""
    return [{"text": str(label), "href": href} for label, href in crumbs]


def form_tokens(request: HttpRequest, address: str) -> str:
    """The hidden inputs of a one-button form that is sent to another page's address."""
    from pilot.web.forms import hidden_fields

    return hidden_fields(request, address=address)


class DesignSystem:
    """The design system's macros as attributes: `nhs.button({…})`, `nhs.dateInput({…})`."""

    def __getattr__(self, name: str) -> Callable[..., str]:
        if name.startswith("_"):
            raise AttributeError(name)
        macro = design_system_macro(name)
        setattr(self, name, macro)
        return macro


# Where the design system's own defaults do not suit our pages.
DEFAULTS: dict[str, Params] = {"warningCallout": {"headingLevel": 2}}  # it stands right below the h1


@cache
def design_system_macro(name: str) -> Callable[..., str]:
    """The macro of a component, by its name in the design system ("dateInput"). Raises for an unknown one."""
    file = re.sub(r"[A-Z]", lambda letter: f"-{letter[0].lower()}", name)
    macro = getattr(_design_system().get_template(f"nhsuk/components/{file}/macro.jinja").module, name)

    def draw(params: Params | None = None, **options: Any) -> str:
        drawn: str = macro({**DEFAULTS.get(name, {}), **as_text(params or {})}, **options)
        return drawn

    return draw


def as_text(params: Any, key: str = "") -> Any:
    """The parameters with text where a translation has made markup of it.

    The macros take a parameter like `heading` as text or as HTML, whichever it is; gettext's result counts as
    both, and would be drawn twice. HTML is what stands under `html`.
    """
    if isinstance(params, dict):
        return {name: as_text(value, name) for name, value in params.items()}
    if isinstance(params, list | tuple):
        return [as_text(value) for value in params]
    if isinstance(params, Markup) and key not in ("html", "attributes"):
        return params.unescape()
    return params


@cache
def _design_system() -> jinja2.Environment:
    # Apart from our own: these macros count on missing parameters being silent, and our pages must not be.
    return jinja2.Environment(
        loader=jinja2.PackageLoader("nhsuk_frontend_jinja"),
        undefined=jinja2.ChainableUndefined,
        autoescape=True,
        auto_reload=False,
        trim_blocks=True,
        lstrip_blocks=True,
    )


class OnlyJinja(jinja2.BaseLoader):
    """Hides every template that is not Jinja's."""

    def __init__(self, loader: jinja2.BaseLoader) -> None:
        self.loader = loader

    def get_source(self, environment: jinja2.Environment, template: str) -> Any:
        if not template.endswith(".jinja"):
            raise jinja2.TemplateNotFound(template)
        return self.loader.get_source(environment, template)

    def list_templates(self) -> list[str]:
        return [name for name in self.loader.list_templates() if name.endswith(".jinja")]


class DesignSystemImports(jinja2.BaseLoader):
    """Makes the manuals' `{% from "nhsuk/components/tag/macro.jinja" import tag %}` work."""

    def get_source(self, environment: jinja2.Environment, template: str) -> Any:
        found = re.fullmatch(r"nhsuk/components/([a-z-]+)/macro\.jinja", template)
        if not found:
            raise jinja2.TemplateNotFound(template)
        name = re.sub(r"-([a-z])", lambda part: part[1].upper(), found[1])
        return f"{{% set {name} = nhs.{name} %}}", None, lambda: True
