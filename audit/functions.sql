-- The only ways into the log besides the change triggers. Each runs as the owner and takes who, in which role and for
-- which action from the surrounding `acting(…)`; none can be told to name somebody else.

CREATE OR REPLACE FUNCTION pilot.record(happened text, subjects uuid[], shown text[], what text, which text)
RETURNS bigint LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp
SET client_encoding = 'UTF8' AS $$
DECLARE
    who text := nullif(current_setting('pilot.user', true), '');
    acting_role text := nullif(current_setting('pilot.role', true), '');
    doing text := nullif(current_setting('pilot.action', true), '');
    because text := nullif(current_setting('pilot.reason', true), '');
    reason_nonce uuid := CASE WHEN because IS NOT NULL THEN gen_random_uuid() END;
    whom uuid[] := ARRAY(SELECT DISTINCT unnest(subjects) ORDER BY 1);
    event bigint;
BEGIN
    IF who IS NULL OR acting_role IS NULL OR doing IS NULL THEN
        RAISE EXCEPTION 'Refused: a look by nobody, or for no named action' USING ERRCODE = 'insufficient_privilege';
    END IF;
    IF happened NOT IN ('read', 'refused', 'sign_in') THEN
        RAISE EXCEPTION 'Refused: changes and disclosures are recorded by what makes them'
            USING ERRCODE = 'insufficient_privilege';
    END IF;
    INSERT INTO public.audit_event (at, transaction, kind, actor, role, action, reason, reason_nonce, reason_digest,
            request, relation, row_id, patient_id, columns, digest)
        VALUES (clock_timestamp(), pg_current_xact_id()::text::bigint, happened, who, acting_role, doing, because,
            reason_nonce, sha256(uuid_send(reason_nonce) || textsend(because)),
            nullif(current_setting('pilot.request', true), ''), what, which,
            CASE WHEN cardinality(whom) = 1 THEN whom[1] END, coalesce(shown, ARRAY[]::text[]),
            CASE WHEN cardinality(whom) > 1
                THEN sha256((SELECT string_agg(uuid_send(each), ''::bytea ORDER BY each) FROM unnest(whom) AS each)) END)
        RETURNING id INTO event;
    IF cardinality(whom) > 1 THEN
        INSERT INTO public.audit_subject (event_id, patient_id) SELECT event, unnest(whom);
    END IF;
    RETURN event;
END;
$$;

-- Something about a patient leaves the pilot: one event, and one line of the ledger that it is bound to by a digest.
CREATE OR REPLACE FUNCTION pilot.disclose(patient uuid, kind_of_recipient text, whom text, what_for text, decision uuid,
    shown text[], named text[], what text, which text)
RETURNS bigint LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp
SET client_encoding = 'UTF8' AS $$
DECLARE
    who text := nullif(current_setting('pilot.user', true), '');
    acting_role text := nullif(current_setting('pilot.role', true), '');
    doing text := nullif(current_setting('pilot.action', true), '');
    because text := nullif(current_setting('pilot.reason', true), '');
    reason_nonce uuid := CASE WHEN because IS NOT NULL THEN gen_random_uuid() END;
    line public.audit_disclosure;
BEGIN
    IF who IS NULL OR acting_role IS NULL OR doing IS NULL THEN
        RAISE EXCEPTION 'Refused: a disclosure by nobody, or for no named action' USING ERRCODE = 'insufficient_privilege';
    END IF;
    IF patient IS NULL OR NOT patient = ANY(pilot.patients()) THEN
        RAISE EXCEPTION 'Refused: a disclosure about somebody who is not the subject of the action'
            USING ERRCODE = 'insufficient_privilege';
    END IF;
    line.at := clock_timestamp();
    line.patient_id := patient;
    line.recipient_kind := kind_of_recipient;
    line.recipient := whom;
    line.purpose := what_for;
    line.decision_id := decision;
    line.classes := coalesce(shown, ARRAY[]::text[]);
    line.fields := coalesce(named, ARRAY[]::text[]);
    line.relation := what;
    line.row_id := which;
    line.nonce := gen_random_uuid();
    INSERT INTO public.audit_event (at, transaction, kind, actor, role, action, reason, reason_nonce, reason_digest,
            request, relation, row_id, patient_id, columns, digest)
        VALUES (line.at, pg_current_xact_id()::text::bigint, 'disclosed', who, acting_role, doing, because,
            reason_nonce, sha256(uuid_send(reason_nonce) || textsend(because)),
            nullif(current_setting('pilot.request', true), ''), what, which, patient, line.classes,
            sha256(uuid_send(line.nonce) || record_send(ROW(line.at, line.patient_id, line.recipient_kind::text,
                line.recipient, line.purpose::text, line.decision_id, line.classes, line.fields, line.relation::text,
                line.row_id::text))))
        RETURNING id INTO line.event_id;
    INSERT INTO public.audit_disclosure (event_id, at, patient_id, recipient_kind, recipient, purpose, decision_id, classes,
            fields, relation, row_id, nonce)
        VALUES (line.event_id, line.at, line.patient_id, line.recipient_kind, line.recipient, line.purpose,
            line.decision_id, line.classes, line.fields, line.relation, line.row_id, line.nonce);
    RETURN line.event_id;
END;
$$;
