"""The databases that tests run on."""

import pytest
from django.db import connection, connections


@pytest.mark.django_db
def test_tests_run_as_the_applications_role():
    with connection.cursor() as cursor:
        cursor.execute("SELECT current_user")
        assert cursor.fetchone() == (connection.settings_dict["USER"],)


def test_a_test_may_have_a_database_of_its_own(own_database):
    assert connection.settings_dict["NAME"] == own_database
    for alias in ("default", "owner"):
        with connections[alias].cursor() as cursor:
            cursor.execute("SELECT current_database()")
            assert cursor.fetchone() == (own_database,)
