-- The only ways into the log besides the change triggers. Each runs as the owner and takes who, in which role and for
-- which action from the surrounding `acting(…)`; none can be told to name somebody else.

CREATE OR REPLACE FUNCTION pilot.record(happened text, subjects uuid[], shown text[], what text, which text)
RETURNS bigint LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE
    who text := nullif(current_setting('pilot.user', true), '');
    acting_role text := nullif(current_setting('pilot.role', true), '');
    doing text := nullif(current_setting('pilot.action', true), '');
    event bigint;
BEGIN
    IF who IS NULL OR acting_role IS NULL OR doing IS NULL THEN
        RAISE EXCEPTION 'Refused: a look by nobody, or for no named action' USING ERRCODE = 'insufficient_privilege';
    END IF;
    IF happened NOT IN ('read', 'refused', 'disclosed', 'sign_in') THEN
        RAISE EXCEPTION 'Refused: changes are recorded by the change itself' USING ERRCODE = 'insufficient_privilege';
    END IF;
    INSERT INTO public.audit_event (at, transaction, kind, actor, role, action, reason, request, relation, row_id,
            patient_id, columns)
        VALUES (clock_timestamp(), pg_current_xact_id()::text::bigint, happened, who, acting_role, doing,
            nullif(current_setting('pilot.reason', true), ''), nullif(current_setting('pilot.request', true), ''),
            what, which, CASE WHEN cardinality(subjects) = 1 THEN subjects[1] END, coalesce(shown, ARRAY[]::text[]))
        RETURNING id INTO event;
    IF cardinality(subjects) > 1 THEN
        INSERT INTO public.audit_subject (event_id, patient_id) SELECT event, unnest(subjects);
    END IF;
    RETURN event;
END;
$$;
