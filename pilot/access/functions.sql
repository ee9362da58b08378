-- What row policies ask. Each runs as the owner with a pinned search path, so that asking needs no rights on the tables
-- about and cannot recurse into their policies. What stands in braces is generated from the roles and relations.

-- Today where the pilot is, whatever time zone the connection keeps: a day must not end an hour late in summer.
CREATE OR REPLACE FUNCTION pilot.today() RETURNS date LANGUAGE sql STABLE PARALLEL SAFE
    SET search_path = pg_catalog, pg_temp AS $$
    SELECT (now() AT TIME ZONE '{time_zone}')::date
$$;

CREATE OR REPLACE FUNCTION pilot.user_id() RETURNS uuid LANGUAGE sql STABLE PARALLEL SAFE
    SET search_path = pg_catalog, pg_temp AS $$
    SELECT CASE WHEN current_setting('pilot.user', true) ~ '^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$'
        THEN current_setting('pilot.user', true)::uuid END
$$;

CREATE OR REPLACE FUNCTION pilot.role() RETURNS text LANGUAGE sql STABLE PARALLEL SAFE
    SET search_path = pg_catalog, pg_temp AS $$
    SELECT nullif(current_setting('pilot.role', true), '')
$$;

CREATE OR REPLACE FUNCTION pilot.in_action() RETURNS boolean LANGUAGE sql STABLE PARALLEL SAFE
    SET search_path = pg_catalog, pg_temp AS $$
    SELECT coalesce(current_setting('pilot.action', true), '') <> ''
        AND coalesce(current_setting('pilot.user', true), '') <> ''
        AND coalesce(current_setting('pilot.role', true), '') <> ''
$$;

-- The patients whose rows the current action may write. Every write asks it several times: PL/pgSQL keeps its plan between
-- statements, where one function of SQL that calls another prepares both anew.
CREATE OR REPLACE FUNCTION pilot.patients() RETURNS uuid[] LANGUAGE plpgsql STABLE PARALLEL SAFE
    SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    RETURN CASE WHEN coalesce(current_setting('pilot.action', true), '') <> ''
            AND coalesce(current_setting('pilot.user', true), '') <> ''
            AND coalesce(current_setting('pilot.role', true), '') <> ''
        THEN coalesce(string_to_array(nullif(current_setting('pilot.patients', true), ''), ',')::uuid[], ARRAY[]::uuid[])
        ELSE ARRAY[]::uuid[] END;
END
$$;

CREATE OR REPLACE FUNCTION pilot.roles_with(permission text, reach text) RETURNS text[] LANGUAGE sql IMMUTABLE PARALLEL SAFE
    SET search_path = pg_catalog, pg_temp AS $$
    SELECT {roles_with}
$$;

-- Whether the acting user may act in the acting role at all: a member of staff by a current membership, or the system.
CREATE OR REPLACE FUNCTION pilot.acts_in_role() RETURNS boolean LANGUAGE sql STABLE SECURITY DEFINER
    SET search_path = pg_catalog, public, pilot, pg_temp AS $$
    SELECT CASE pilot.role()
        WHEN 'system' THEN current_setting('pilot.user', true) LIKE 'system:_%'
        ELSE EXISTS (
            SELECT FROM public.people_membership m
            JOIN public.people_user u ON u.id = m.user_id AND u.is_active
            JOIN public.people_organisation o ON o.id = m.organisation_id
            WHERE m.user_id = pilot.user_id() AND m.role = pilot.role()
                AND m.valid_from <= pilot.today() AND (m.valid_until IS NULL OR m.valid_until > pilot.today())
                AND o.valid_from <= pilot.today() AND (o.valid_until IS NULL OR o.valid_until > pilot.today()))
        END
$$;

-- Organisations where the acting user holds the acting role now.
CREATE OR REPLACE FUNCTION pilot.granted_organisations() RETURNS SETOF uuid LANGUAGE sql STABLE SECURITY DEFINER
    SET search_path = pg_catalog, public, pilot, pg_temp AS $$
    SELECT g.content_object_id
    FROM public.access_organisationgrant g
    JOIN public.auth_permission p ON p.id = g.permission_id AND p.codename = 'act_as_' || pilot.role()
    JOIN public.people_membership m ON m.user_id = g.user_id AND m.organisation_id = g.content_object_id
        AND m.role = pilot.role() AND m.valid_from <= pilot.today()
        AND (m.valid_until IS NULL OR m.valid_until > pilot.today())
    JOIN public.people_organisation o ON o.id = m.organisation_id AND o.valid_from <= pilot.today()
        AND (o.valid_until IS NULL OR o.valid_until > pilot.today())
    JOIN public.people_user u ON u.id = g.user_id AND u.is_active
    WHERE g.user_id = pilot.user_id()
$$;

-- Referrals allocated to the acting user in the acting role, while the patient's consent lasts.
CREATE OR REPLACE FUNCTION pilot.granted_referrals() RETURNS SETOF uuid LANGUAGE sql STABLE SECURITY DEFINER
    SET search_path = pg_catalog, public, pilot, pg_temp AS $$
    {referral_relation}
$$;

-- The acting patient's own record, with those of theirs that were closed because they had two; or the patients of the
-- referrals allocated to the acting user.
CREATE OR REPLACE FUNCTION pilot.granted_patients() RETURNS SETOF uuid LANGUAGE sql STABLE SECURITY DEFINER
    SET search_path = pg_catalog, public, pilot, pg_temp AS $$
    SELECT own.id
    FROM public.access_patientgrant g
    JOIN public.auth_permission p ON p.id = g.permission_id AND p.codename = 'act_as_' || pilot.role()
    JOIN public.people_patient patient ON patient.id = g.content_object_id AND patient.account_id = g.user_id
        AND patient.died_on IS NULL AND patient.merged_into_id IS NULL
    CROSS JOIN LATERAL (
        SELECT patient.id UNION ALL SELECT double.id FROM public.people_patient double WHERE double.merged_into_id = patient.id
    ) own
    JOIN public.people_user u ON u.id = g.user_id AND u.is_active
    WHERE g.user_id = pilot.user_id() AND pilot.role() = 'patient'
    UNION ALL
    {patients_of_referrals}
$$;

-- Whose withdrawal would shut the acting user out: the keys of everybody allocated to them, to hold their locks by.
CREATE OR REPLACE FUNCTION pilot.allocated_patients() RETURNS SETOF uuid LANGUAGE sql STABLE SECURITY DEFINER
    SET search_path = pg_catalog, public, pilot, pg_temp AS $$
    {allocated_patients}
$$;

-- Where the role reaches nothing this way, (SELECT …) spares the database the question who is related to what.
CREATE OR REPLACE FUNCTION pilot.live_organisations(permission text) RETURNS SETOF uuid LANGUAGE sql STABLE
    SECURITY DEFINER SET search_path = pg_catalog, public, pilot, pg_temp AS $$
    SELECT id FROM pilot.granted_organisations() AS granted(id)
    WHERE (SELECT pilot.role() = ANY(pilot.roles_with(permission, 'practice') || pilot.roles_with(permission, 'provider')))
$$;

CREATE OR REPLACE FUNCTION pilot.live_referrals(permission text) RETURNS SETOF uuid LANGUAGE sql STABLE
    SECURITY DEFINER SET search_path = pg_catalog, public, pilot, pg_temp AS $$
    SELECT id FROM pilot.granted_referrals() AS granted(id)
    WHERE (SELECT pilot.role() = ANY(pilot.roles_with(permission, 'referral')))
$$;

CREATE OR REPLACE FUNCTION pilot.live_patients(permission text) RETURNS SETOF uuid LANGUAGE sql STABLE
    SECURITY DEFINER SET search_path = pg_catalog, public, pilot, pg_temp AS $$
    SELECT id FROM pilot.granted_patients() AS granted(id)
    WHERE (SELECT pilot.role() = ANY(pilot.roles_with(permission, 'self') || pilot.roles_with(permission, 'referral')))
$$;

-- The acting patient's own key and nobody else's, where a row is shown to whoever helps by its referral alone.
CREATE OR REPLACE FUNCTION pilot.own_patients(permission text) RETURNS SETOF uuid LANGUAGE sql STABLE
    SECURITY DEFINER SET search_path = pg_catalog, public, pilot, pg_temp AS $$
    SELECT id FROM pilot.granted_patients() AS granted(id)
    WHERE (SELECT pilot.role() = ANY(pilot.roles_with(permission, 'self')))
$$;

CREATE OR REPLACE FUNCTION pilot.everywhere(permission text) RETURNS boolean LANGUAGE sql STABLE SECURITY DEFINER
    SET search_path = pg_catalog, public, pilot, pg_temp AS $$
    SELECT pilot.role() = ANY(pilot.roles_with(permission, 'everywhere')) AND pilot.in_action() AND pilot.acts_in_role()
$$;

-- Whether a clinician keeps this row from the patient it is about: then what happened to it is kept from them too.
-- Asked by anybody else it is false: whether a note exists is nobody's to ask.
CREATE OR REPLACE FUNCTION pilot.is_withheld(relation text, row_id text) RETURNS boolean LANGUAGE sql STABLE
    SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
    SELECT pilot.role() = 'patient' AND {withheld}
$$;
