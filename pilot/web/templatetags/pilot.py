"""Draws allauth's pages, which are Django templates, in the project's own layout and design system."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django import template
from django.template.loader import render_to_string
from django.utils.html import strip_tags
from django.utils.safestring import SafeString, mark_safe

from pilot.web.fields.foreign import field_group
from pilot.web.forms import error_summary
from pilot.web.jinja import design_system_macro

if TYPE_CHECKING:
    from django.forms import BaseForm
    from django.template.base import Parser, Token
    from django.template.context import Context

register = template.Library()


class PageNode(template.Node):
    """What stands between `{% page %}` and `{% endpage %}` becomes the content of the Jinja layout."""

    child_nodelists = ("title", "content")

    def __init__(self, title: template.NodeList, content: template.NodeList) -> None:
        self.title = title
        self.content = content

    def render(self, context: Context) -> SafeString:
        parts = {
            "title": strip_tags(self.title.render(context)).strip(),
            "content": mark_safe(self.content.render(context)),  # noqa: S308 (rendered by Django just now)
            "form": context.get("form"),
            "errors": error_summary(context["form"]) if context.get("form") else "",
        }
        return mark_safe(render_to_string("layouts/account.jinja", parts, context.get("request")))  # noqa: S308


@register.tag
def page(parser: Parser, token: Token) -> PageNode:
    """`{% page %}title{% pagecontent %}content{% endpage %}`."""
    title = parser.parse(("pagecontent",))
    parser.delete_first_token()
    content = parser.parse(("endpage",))
    parser.delete_first_token()
    return PageNode(title, content)


@register.simple_tag
def field_groups(form: BaseForm) -> SafeString:
    """Every field of a form, in the design system."""
    return mark_safe("".join(field_group(field) for field in form.visible_fields()))  # noqa: S308


@register.simple_tag
def design_system(component: str, **params: Any) -> SafeString:
    """One component of the design system: `{% design_system "button" text="Save" %}`."""
    return mark_safe(design_system_macro(component)(params))  # noqa: S308
