-- Keeping records as long as they have to be kept, and erasing them then. What stands in braces is generated from the
-- privacy declarations and from what apps registered. Only `pilot.erase` puts up tombstones: with one of its own making
-- in the same transaction, and never else, the triggers of append-only tables let a patient's rows go.

-- The day from which a record may be erased: so many years after the latest of its beginning, its end, and the last time
-- that a person wrote in it. NULL while support goes on, where there is no such record, and for whoever may not ask.
CREATE OR REPLACE FUNCTION pilot.retained_until(whom uuid) RETURNS date LANGUAGE sql STABLE SECURITY DEFINER
    SET search_path = pg_catalog, public, pilot, pg_temp AS $$
    SELECT CASE WHEN NOT coalesce({under_way}, false) THEN
        ((greatest(p.created_at, {ended}, (
            SELECT e.at FROM public.audit_event e
            WHERE e.patient_id = whom AND e.kind IN ('created', 'changed', 'deleted') AND e.role <> 'system'
            ORDER BY e.id DESC LIMIT 1)) AT TIME ZONE '{time_zone}')::date + interval '{years} years')::date END
    FROM {patients} p WHERE p.id = whom AND pilot.everywhere('erase_records')
$$;

-- Records whose time is over, those over longest first. No name, no content.
CREATE OR REPLACE FUNCTION pilot.records_due() RETURNS TABLE (patient uuid, practice uuid, until date) LANGUAGE sql STABLE
    SECURITY DEFINER SET search_path = pg_catalog, public, pilot, pg_temp AS $$
    SELECT p.id, p.{practice}, over.until
    FROM {patients} p CROSS JOIN LATERAL (SELECT pilot.retained_until(p.id) AS until) over
    -- No younger record can be due: this spares asking for each.
    WHERE pilot.everywhere('erase_records') AND p.created_at < now() - interval '{years} years'
        AND over.until <= pilot.today()
    ORDER BY over.until, p.id
$$;

-- How many rows of which table would go.
CREATE OR REPLACE FUNCTION pilot.what_would_go(whom uuid) RETURNS jsonb LANGUAGE plpgsql STABLE SECURITY DEFINER
    SET search_path = pg_catalog, public, pilot, pg_temp AS $$
DECLARE
    account uuid := {account};
BEGIN
    IF NOT pilot.everywhere('erase_records') THEN RETURN '{}'::jsonb; END IF;
    RETURN (SELECT coalesce(jsonb_object_agg(name, n), '{}'::jsonb) FROM (VALUES {counts}, ('{reasons}', (
            SELECT count(*) FROM public.audit_event e WHERE e.reason IS NOT NULL AND (e.patient_id = whom
                OR e.id IN (SELECT s.event_id FROM public.audit_subject s WHERE s.patient_id = whom))))
        ) AS counted(name, n) WHERE n > 0);
END;
$$;

-- Erase everything that is held of a patient but keys: rows, history with its nonces, the lines of the ledger of
-- disclosures, reasons that were given, and the account. Events stay as they are. Returns the number of the event.
-- Refused unless whoever acts may erase, the patient is the one subject of the action, and the time is over by the data.
CREATE OR REPLACE FUNCTION pilot.erase(whom uuid, why text) RETURNS bigint LANGUAGE plpgsql SECURITY DEFINER
    SET search_path = pg_catalog, public, pilot, pg_temp SET client_encoding = 'UTF8' AS $$
DECLARE
    account uuid;
    stone public.audit_erasure;
BEGIN
    IF NOT pilot.everywhere('erase_records') THEN
        RAISE EXCEPTION 'Refused: erasing is not for this role' USING ERRCODE = 'insufficient_privilege';
    END IF;
    IF whom IS NULL OR pilot.patients() <> ARRAY[whom] THEN
        RAISE EXCEPTION 'Refused: erasing somebody who is not the one subject of the action'
            USING ERRCODE = 'insufficient_privilege';
    END IF;
    -- Nothing is added meanwhile: actions wait for the one lock, rows that would point here for the other.
    PERFORM pg_advisory_xact_lock(hashtextextended(whom::text, 0));
    PERFORM FROM {patients} p WHERE p.id = whom FOR UPDATE;
    stone.retained_until := pilot.retained_until(whom);
    IF stone.retained_until IS NULL OR stone.retained_until > pilot.today() THEN
        RAISE EXCEPTION 'Refused: this record is kept until %', coalesce(stone.retained_until::text, 'support has ended')
            USING ERRCODE = 'insufficient_privilege';
    END IF;
    -- Why is said by the ground alone: words could bring back what goes.
    PERFORM set_config('pilot.reason', '', true);
    account := {account};
    stone.patient_id := whom;
    stone.account_id := account;
    stone.at := transaction_timestamp();
    stone.transaction := pg_current_xact_id()::text::bigint;
    stone.ground := why;
    stone.rows := pilot.what_would_go(whom);
    INSERT INTO public.audit_event (at, transaction, kind, actor, role, action, request, relation, row_id, patient_id,
            columns, digest)
        VALUES (clock_timestamp(), stone.transaction, 'erased', current_setting('pilot.user'), pilot.role(),
            current_setting('pilot.action'), nullif(current_setting('pilot.request', true), ''), '{relation}', whom::text,
            whom, ARRAY[]::text[], sha256(record_send(ROW(stone.patient_id, stone.account_id, stone.at, stone.transaction,
                stone.ground::text, stone.retained_until, stone.rows))))
        RETURNING id INTO stone.event_id;
    INSERT INTO public.audit_erasure (event_id, patient_id, account_id, at, transaction, ground, retained_until, rows)
        VALUES (stone.event_id, stone.patient_id, stone.account_id, stone.at, stone.transaction, stone.ground,
            stone.retained_until, stone.rows);
    {deletions}
    UPDATE public.audit_event e SET reason = NULL, reason_nonce = NULL WHERE e.reason IS NOT NULL AND (e.patient_id = whom
        OR e.id IN (SELECT s.event_id FROM public.audit_subject s WHERE s.patient_id = whom));
    -- What still points at a row that is gone is found here and not at the commit; then nothing has happened.
    SET CONSTRAINTS ALL IMMEDIATE;
    SET CONSTRAINTS ALL DEFERRED;
    RETURN stone.event_id;
END;
$$;
