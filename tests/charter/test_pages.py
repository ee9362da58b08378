"""The public pages about the pilot, and the charter behind them."""

import pytest
from django.core.exceptions import PermissionDenied
from django.core.management import call_command
from django.db import DatabaseError, transaction
from django.urls import reverse

from pilot.access import Role, acting
from pilot.charter import drafts
from pilot.charter.actions import publish_charter
from pilot.charter.markdown import render
from pilot.charter.models import PARTS, QUESTIONS, Charter
from tests import factories

pytestmark = pytest.mark.django_db


@pytest.fixture
def published(db):
    call_command("publish_sheets", verbosity=0)
    return Charter.objects.in_force()


def draft(version):
    return Charter(version=version, **dict.fromkeys(PARTS, f"Answer of version {version}."))


def test_a_visitor_begins_at_the_page_that_says_it_is_a_choice(client):
    page = client.get("/", follow=True)
    assert page.redirect_chain[-1][0] == reverse("charter:about")
    assert "It is your choice" in page.content.decode()


@pytest.mark.parametrize("question", QUESTIONS.values())
def test_the_charter_answers_the_six_questions(client, published, question):
    assert question in client.get(reverse("charter:charter")).content.decode()


def test_the_charter_says_who_was_asked_and_what_changed(client, published):
    text = client.get(reverse("charter:charter")).content.decode()
    assert "Who was asked?" in text
    assert "What changed because of it?" in text


def test_before_the_first_version_the_page_says_so(client):
    assert "is not published yet" in client.get(reverse("charter:charter")).content.decode()


def test_an_earlier_version_can_be_read_and_says_that_it_is_one(client, published):
    publish_charter(draft(2), by=factories.TESTS)
    assert "Answer of version 2." in client.get(reverse("charter:charter")).content.decode()
    old = client.get(reverse("charter:version", args=[1])).content.decode()
    assert "This is an earlier version." in old
    assert "Answer of version 2." not in old


def test_a_version_that_was_never_published_is_not_found(client, published):
    assert client.get(reverse("charter:version", args=[2])).status_code == 404


def test_a_published_charter_cannot_be_altered(published):
    with (
        pytest.raises(DatabaseError, match="stays as it is"),
        transaction.atomic(),
        acting(factories.TESTS, "t"),
    ):
        Charter.objects.filter(pk=published.pk).update(aim="Something else.")


def test_only_the_pilot_manager_publishes_one(published):
    pilot = factories.make_pilot()
    with pytest.raises(PermissionDenied):
        publish_charter(draft(2), by=factories.make_staff(Role.RECEPTIONIST, pilot.practice))
    manager = factories.make_staff(Role.PILOT_MANAGER, pilot.office)
    assert publish_charter(draft(2), by=manager) == Charter.objects.in_force()


def test_every_written_charter_has_every_part():
    assert [charter.version for charter in drafts.drafts()] == [1]


def test_a_written_charter_with_a_part_missing_is_refused_by_name(tmp_path):
    (tmp_path / "1.md").write_text("## What is the aim?\n\nHelp.\n\n## What else?\n\nNothing.\n")
    with pytest.raises(ValueError, match="Is this therapy"):
        list(drafts.drafts(tmp_path))


def test_markdown_uses_the_design_system_and_escapes_everything_else():
    html = render("## Title\n\n- one\n\n1. two\n\n<b>x</b> ![a cat](https://example.org/cat.png)")
    assert '<h2 class="nhsuk-heading-m">Title</h2>' in html
    assert 'class="nhsuk-list nhsuk-list--bullet"' in html
    assert 'class="nhsuk-list nhsuk-list--number"' in html
    assert "&lt;b&gt;x&lt;/b&gt; a cat" in html


def test_a_picture_stands_beside_its_paragraph():
    html = render("![Two people talk](picture:talk) Hello.")
    assert html.startswith('<p class="pilot-pictured"><img class="pilot-picture" src="')
    assert 'alt="Two people talk"' in html
