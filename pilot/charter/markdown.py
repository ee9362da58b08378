"""Published texts as HTML. Raw HTML in them is escaped; pictures are our own, by name."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any

from django.templatetags.static import static
from django.utils.safestring import SafeString, mark_safe
from markdown_it import MarkdownIt

if TYPE_CHECKING:
    from collections.abc import Sequence

    from markdown_it.renderer import RendererHTML
    from markdown_it.token import Token
    from markdown_it.utils import EnvType, OptionsDict

PICTURE = "picture:"
_CLASSES = {
    "h2": "nhsuk-heading-m",
    "h3": "nhsuk-heading-s",
    "ul": "nhsuk-list nhsuk-list--bullet",
    "ol": "nhsuk-list nhsuk-list--number",
}


def render(text: str) -> SafeString:
    """Markdown as HTML in the design system's classes. Safe whatever the text: no HTML, no script, no foreign
    picture.
    """
    return mark_safe(_markdown().render(text))  # noqa: S308 (written by the renderer, which escapes the text)


@cache
def _markdown() -> MarkdownIt:
    markdown = MarkdownIt("commonmark", {"html": False}).enable("table")
    for name in ("heading_open", "bullet_list_open", "ordered_list_open"):
        markdown.add_render_rule(name, _with_class)
    markdown.add_render_rule("paragraph_open", _pictured)
    markdown.add_render_rule("image", _picture)
    return markdown


def _with_class(
    renderer: RendererHTML, tokens: Sequence[Token], index: int, options: OptionsDict, env: EnvType
) -> str:
    tokens[index].attrSet("class", _CLASSES.get(tokens[index].tag, ""))
    return renderer.renderToken(tokens, index, options, env)


def _pictured(
    renderer: RendererHTML, tokens: Sequence[Token], index: int, options: OptionsDict, env: EnvType
) -> str:
    # A picture at the beginning stands beside the whole paragraph.
    inside = tokens[index + 1].children or []
    if inside and inside[0].type == "image":
        tokens[index].attrSet("class", "pilot-pictured")
    return renderer.renderToken(tokens, index, options, env)


def _picture(
    renderer: RendererHTML, tokens: Sequence[Token], index: int, options: OptionsDict, env: EnvType
) -> str:
    token = tokens[index]
    source: Any = token.attrs["src"]
    described = renderer.renderInlineAsText(token.children or [], options, env)
    if not source.startswith(PICTURE):
        return described
    token.attrs = {
        "class": "pilot-picture",
        "src": static(f"pictures/{source.removeprefix(PICTURE)}.svg"),
        "alt": described,
        "width": "96",
        "height": "96",
    }
    return renderer.renderToken(tokens, index, options, env)
