"""The buttons of other providers, for pages that are Django templates."""

from __future__ import annotations

from django import template
from django.template.context import Context
from django.template.loader import render_to_string
from django.utils.safestring import SafeString, mark_safe

from pilot.sign_in.oidc.selectors import providers

register = template.Library()


@register.simple_tag(takes_context=True)
def sign_in_offers(context: Context) -> SafeString:
    """One button for each configured provider; nothing at all where there is none."""
    offered = {"providers": providers(), "next": context["request"].GET.get("next", "")}
    return mark_safe(render_to_string("socialaccount/offers.jinja", offered, context["request"]))  # noqa: S308
