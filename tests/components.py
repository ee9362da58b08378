"""Draws each component of the design system once for the same parameters, as a third of a page's time goes into them.

Their macros are a library's, and look at nothing but their parameters: what is remembered is what would be drawn.
"""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import jinja2
import pytest
from django.utils.functional import Promise

from pilot.web import jinja

# So many of each macro: a page that is asked for again finds its own.
KEPT = 2000


def draw_once(patch: pytest.MonkeyPatch) -> None:
    """From now on, while the patch lasts."""
    patch.setattr(jinja, "_design_system", lambda: SimpleNamespace(get_template=_template))
    jinja.design_system_macro.cache_clear()


def _template(name: str, _real: Callable[[], jinja2.Environment] = jinja._design_system) -> Any:
    module = _real().get_template(name).module
    return SimpleNamespace(module=_Module(module))


class _Module:
    """A module of macros, each of which remembers."""

    def __init__(self, module: Any) -> None:
        self.module = module

    def __getattr__(self, name: str) -> Callable[..., str]:
        return _remembering(getattr(self.module, name))


def _remembering(macro: Callable[..., str]) -> Callable[..., str]:
    drawn: dict[Any, str] = {}

    def draw(params: Any, **options: Any) -> str:
        # With `caller`, what stands inside is a macro of the page's own.
        key = None if options else _key(params)
        if key is None:
            return macro(params, **options)
        if key not in drawn:
            if len(drawn) >= KEPT:
                drawn.clear()
            drawn[key] = macro(params)
        return drawn[key]

    return draw


def _key(value: Any) -> Any:
    """What says the same only of parameters that are drawn alike; None where that cannot be said."""
    if isinstance(value, dict):
        parts = [(name, _key(each)) for name, each in value.items()]
        return None if any(part is None for _name, part in parts) else ("dict", *parts)
    if isinstance(value, list | tuple):
        parts = [_key(each) for each in value]
        return None if None in parts else ("list", *parts)
    if isinstance(value, Promise):
        return (str, str(value))
    # Markup is not drawn as text is, nor True as 1.
    return (type(value), value) if isinstance(value, str | int | float | None) else None
