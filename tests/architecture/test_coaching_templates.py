"""The red button cannot be forgotten: every coaching page is made from the one template that draws it."""

from __future__ import annotations

import re

import pytest
from django.conf import settings

FOLDER = settings.BASE_DIR / "templates" / "coaching"
BASE = FOLDER / "base.jinja"
PAGES = sorted(set(FOLDER.rglob("*.jinja")) - {BASE})


def test_the_base_draws_the_button_where_no_page_can_leave_it_out() -> None:
    text = BASE.read_text()
    urgent = re.search(r"{% block urgent %}(.*?){% endblock %}", text, re.DOTALL)
    assert urgent
    assert "distress_button(distress_href)" in urgent[1]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_coaching_template_extends_the_base_and_leaves_its_button_alone(page) -> None:
    text = re.sub(r"{#.*?#}", "", page.read_text(), flags=re.DOTALL)
    extended = re.match(r'\s*{% extends "coaching/(\w+\.jinja)" %}', text)
    assert extended
    assert FOLDER / extended[1] in {BASE, *PAGES}
    assert "block urgent" not in text


def test_every_coaching_view_draws_such_a_template() -> None:
    from coaching import urls
    from coaching.views import CoachingParts
    from pilot.access import Permission

    for pattern in urls.urlpatterns:
        view = pattern.callback.view_class
        if view.permission is Permission.ACCEPT_DISTRESS:
            continue
        assert issubclass(view, CoachingParts), view
        assert view.template_name.startswith("coaching/"), view
