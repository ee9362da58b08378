-- What the Caldicott Guardian may learn beyond the log itself: each only for whoever reviews it, and what shows something
-- of a record only with a reason, which the database writes into the log before it answers.

CREATE OR REPLACE FUNCTION pilot.require_review(with_reason boolean) RETURNS void LANGUAGE plpgsql STABLE
    SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    IF pilot.everywhere('review_audit') IS NOT TRUE THEN
        RAISE EXCEPTION 'Refused: only whoever reviews the log may ask this' USING ERRCODE = 'insufficient_privilege';
    END IF;
    -- Spaces of any width are no reason, those of no width included.
    IF with_reason AND coalesce(translate(current_setting('pilot.reason', true), concat(' ', chr(9), chr(10), chr(13),
            chr(160), chr(8203), chr(8204), chr(8205), chr(8288), chr(65279)), ''), '') = '' THEN
        RAISE EXCEPTION 'Refused: nothing of a record is shown without a reason' USING ERRCODE = 'insufficient_privilege';
    END IF;
END;
$$;

-- What the event changed: the columns of the row before it and after it. Of a change only those that changed. No row where
-- the event changed nothing, NULLs where the content is gone. `shown` is which classes of field these columns are.
CREATE OR REPLACE FUNCTION pilot.open_values(event bigint, shown text[]) RETURNS TABLE (earlier jsonb, later jsonb)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE
    e public.audit_event;
    past text;
BEGIN
    PERFORM pilot.require_review(true);
    -- Only the triggers write these kinds: what names the table here is never what somebody typed.
    SELECT * INTO e FROM public.audit_event a WHERE a.id = event AND a.kind IN ('created', 'changed', 'deleted');
    IF NOT FOUND THEN RETURN; END IF;
    PERFORM pilot.record('read', array_remove(ARRAY[e.patient_id], NULL), shown, e.relation, e.row_id);
    past := format('public.%I', regexp_replace(e.relation, '_([^_]*)$', '_historical\1'));
    EXECUTE format('SELECT to_jsonb(h) - ''nonce'' FROM %s h WHERE h.event_id = $1', past) INTO later USING event;
    IF e.kind = 'changed' THEN
        EXECUTE format('SELECT to_jsonb(b) FROM %1$s h JOIN %1$s b ON b.id = h.id AND b.history_id < h.history_id'
            ' WHERE h.event_id = $1 ORDER BY b.history_id DESC LIMIT 1', past) INTO earlier USING event;
        earlier := (SELECT jsonb_object_agg(key, value) FROM jsonb_each(earlier) WHERE key = ANY(e.columns));
        later := (SELECT jsonb_object_agg(key, value) FROM jsonb_each(later) WHERE key = ANY(e.columns));
    ELSIF e.kind = 'deleted' THEN
        earlier := later;
        later := NULL;
    END IF;
    RETURN NEXT;
END;
$$;

-- The keys of whoever is described exactly, by NHS number or else by first name, last name and birthday: whoever asks has
-- to know them already. What was asked is not kept; that it was, and whom it found, is.
CREATE OR REPLACE FUNCTION pilot.find_patient(number text, given text, family text, born date)
RETURNS TABLE (patient uuid, practice uuid)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE
    found_here uuid[];
BEGIN
    PERFORM pilot.require_review(true);
    found_here := ARRAY(SELECT p.id FROM public.people_patient p WHERE CASE WHEN number <> '' THEN p.nhs_number = number
        ELSE p.date_of_birth = born AND lower(p.family_name) = lower(family)
            AND lower(given) IN (lower(p.given_name), lower(p.preferred_name)) END);
    PERFORM pilot.record('read', found_here, ARRAY['identity'], NULL, NULL);
    RETURN QUERY SELECT p.id, p.practice_id FROM public.people_patient p WHERE p.id = ANY(found_here) ORDER BY 1;
END;
$$;

-- Looks among these events that somebody may want to ask about, by person, patient and day: at what may be their `own`
-- record, at one with the same `surname`, or at one with which nothing of the pilot's links them (`relation`).
CREATE OR REPLACE FUNCTION pilot.looks_to_ask_about(first_event bigint, last_event bigint, zone text)
RETURNS TABLE (why text, actor text, role text, patient uuid, day date, began timestamptz, ended timestamptz)
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
BEGIN
    PERFORM pilot.require_review(false);
    RETURN QUERY
    WITH looks AS (
        SELECT e.actor, e.role, coalesce(e.patient_id, s.patient_id) AS patient, (e.at AT TIME ZONE zone)::date AS day,
            min(e.at) AS began, max(e.at) AS ended
        FROM public.audit_event e
        LEFT JOIN public.audit_subject s ON s.event_id = e.id AND e.patient_id IS NULL
        WHERE e.id BETWEEN first_event AND last_event AND e.kind = 'read' AND e.role NOT IN ('patient', 'system')
            AND e.columns && ARRAY['identity', 'case', 'consent', 'clinical']
            -- What a guardian opens with a reason is asked about by itself.
            AND e.role <> 'caldicott_guardian'
        GROUP BY 1, 2, 3, 4
    )
    SELECT asked.why, l.actor::text, l.role::text, l.patient, l.day, l.began, l.ended
    FROM looks l
    JOIN public.people_user u ON u.id::text = l.actor
    JOIN public.people_patient p ON p.id = l.patient
    CROSS JOIN LATERAL (SELECT p.account_id = u.id OR lower(p.email) = lower(u.email) OR lower(u.display_name)
        IN (lower(p.given_name || ' ' || p.family_name), lower(p.preferred_name || ' ' || p.family_name))) AS self(is_own)
    CROSS JOIN LATERAL (
        SELECT 'own' WHERE self.is_own
        UNION ALL
        SELECT 'surname' WHERE self.is_own IS NOT TRUE
            AND lower(p.family_name) = lower(substring(u.display_name FROM '([^ ]+) *$'))
        UNION ALL
        SELECT 'relation' WHERE NOT CASE
            WHEN l.role IN ('receptionist', 'clinician') THEN EXISTS (
                SELECT FROM public.people_membership m
                WHERE m.user_id = u.id AND m.role = l.role AND m.valid_from <= l.day
                    AND (m.valid_until IS NULL OR m.valid_until >= l.day)
                    AND (m.organisation_id = p.practice_id OR EXISTS (SELECT FROM public.people_historicalpatient h
                        WHERE h.id = p.id AND h.practice_id = m.organisation_id)))
            WHEN l.role IN ('coach', 'supervisor') THEN EXISTS (
                SELECT FROM public.referrals_allocation a
                WHERE a.patient_id = p.id AND a.person_id = u.id AND a.begun_at <= l.ended
                    AND (a.ended_at IS NULL OR a.ended_at >= l.began))
                -- A supervisor goes through everybody who waits for their provider, without names.
                OR (l.role = 'supervisor' AND EXISTS (
                    SELECT FROM public.people_membership m JOIN public.people_organisation o ON o.served_by_id = m.organisation_id
                    WHERE m.user_id = u.id AND m.role = l.role AND o.id = p.practice_id))
            ELSE false END
    ) AS asked(why);
END;
$$;
