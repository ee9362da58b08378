"""What is sealed of an event is another row of bytes now, and fewer nodes of the tree are kept.

No log of the old form was ever in use, but a developer's clone may hold one of demonstration data. It would look as if every
event had been changed, so it is refused here, in words.
"""

from django.db import migrations

REFUSED = """
DO $$ BEGIN
    IF EXISTS (SELECT FROM public.audit_leaf) THEN
        RAISE EXCEPTION 'The log of this database was sealed in a form that was given up before the first release.'
            USING HINT = 'It can only be demonstration data. Run "make reset" and begin again.';
    END IF;
END $$
"""


class Migration(migrations.Migration):
    dependencies = [
        ("audit", "0005_answers"),
    ]

    operations = [
        migrations.RunSQL(REFUSED, migrations.RunSQL.noop),
    ]
