SET LOCAL search_path = public, extensions;
-- case: 0001 bad
CREATE TABLE a (id int PRIMARY KEY); CREATE TABLE b (id int PRIMARY KEY, a int REFERENCES a);
-- case: 0001 good
CREATE TABLE a (id int PRIMARY KEY); CREATE TABLE b (id int PRIMARY KEY, a int REFERENCES a); CREATE INDEX ON b (a, id);
-- case: 0002 bad
CREATE VIEW people AS SELECT id, email FROM auth.users; GRANT SELECT ON people TO authenticated;
-- case: 0002 good
CREATE VIEW people AS SELECT id, email FROM auth.users; REVOKE ALL ON people FROM anon, authenticated;
CREATE VIEW me WITH (security_invoker = true) AS SELECT id FROM auth.users; GRANT SELECT ON me TO authenticated;
-- case: 0003 bad
CREATE TABLE notes (id int, owner uuid); CREATE POLICY own ON notes FOR SELECT USING (owner = auth.uid());
-- case: 0003 good
CREATE TABLE notes (id int, owner uuid); CREATE POLICY own ON notes FOR SELECT USING (owner = (SELECT auth.uid()));
-- case: 0004 bad
CREATE TABLE bare (id int);
-- case: 0004 good
CREATE TABLE bare (id int PRIMARY KEY); CREATE SCHEMA private; CREATE TABLE private.bare (id int);
-- case: 0005 bad
CREATE TABLE t (id int PRIMARY KEY, word text); CREATE INDEX ON t (word);
-- case: 0005 good
CREATE TABLE t (id int PRIMARY KEY, word text UNIQUE);
-- case: 0006 bad
CREATE TABLE t (id int); ALTER TABLE t ENABLE ROW LEVEL SECURITY;
CREATE POLICY one ON t FOR SELECT TO authenticated USING (id = 1); CREATE POLICY two ON t TO authenticated USING (id = 2);
-- case: 0006 good
CREATE TABLE t (id int); ALTER TABLE t ENABLE ROW LEVEL SECURITY;
CREATE POLICY one ON t FOR SELECT TO authenticated USING (id = 1); CREATE POLICY two ON t FOR DELETE TO authenticated USING (id = 2);
CREATE POLICY three ON t FOR SELECT TO anon USING (id = 3); CREATE POLICY four ON t AS RESTRICTIVE TO authenticated USING (id < 9);
-- case: 0007 bad
CREATE TABLE t (id int); CREATE POLICY one ON t USING (id = 1); ALTER TABLE t DISABLE ROW LEVEL SECURITY;
-- case: 0007 good
CREATE TABLE t (id int); CREATE POLICY one ON t USING (id = 1); ALTER TABLE t ENABLE ROW LEVEL SECURITY;
-- case: 0008 bad
CREATE TABLE t (id int); ALTER TABLE t ENABLE ROW LEVEL SECURITY; GRANT SELECT ON t TO anon;
-- case: 0008 good
CREATE TABLE t (id int); ALTER TABLE t ENABLE ROW LEVEL SECURITY; REVOKE ALL ON t FROM anon, authenticated;
-- case: 0009 bad
CREATE TABLE t (id int PRIMARY KEY, word text); CREATE INDEX a ON t (word); CREATE INDEX b ON t (word);
-- case: 0009 good
CREATE TABLE t (id int PRIMARY KEY, word text); CREATE INDEX a ON t (word); CREATE INDEX b ON t (word) WHERE id > 3; CREATE INDEX c ON t (lower(word));
-- case: 0010 bad
CREATE TABLE t (id int); CREATE VIEW v AS SELECT * FROM t; GRANT SELECT ON v TO anon;
-- case: 0010 good
CREATE TABLE t (id int); CREATE VIEW v WITH (security_invoker = on) AS SELECT * FROM t; GRANT SELECT ON v TO anon;
-- case: 0011 bad
CREATE FUNCTION f() RETURNS int LANGUAGE sql AS 'SELECT 1';
-- case: 0011 good
CREATE FUNCTION f() RETURNS int LANGUAGE sql SET search_path = '' AS 'SELECT 1';
-- case: 0012 bad
INSERT INTO auth.users (id, is_anonymous) VALUES (gen_random_uuid(), true);
CREATE TABLE t (id int); CREATE POLICY p ON t FOR SELECT TO authenticated USING (id > 0);
-- case: 0012 good
INSERT INTO auth.users (id, is_anonymous) VALUES (gen_random_uuid(), true);
CREATE TABLE t (id int); CREATE POLICY p ON t FOR SELECT TO authenticated USING (id > 0);
CREATE POLICY named ON t AS RESTRICTIVE TO authenticated USING ((SELECT (auth.jwt() ->> 'is_anonymous')::boolean) IS NOT TRUE);
-- case: 0012 good
CREATE TABLE t (id int); CREATE POLICY p ON t FOR SELECT TO authenticated USING (id > 0);
-- case: 0013 bad
CREATE TABLE t (id int);
-- case: 0013 good
CREATE TABLE t (id int); ALTER TABLE t ENABLE ROW LEVEL SECURITY; CREATE SCHEMA private; CREATE TABLE private.t (id int);
-- case: 0014 bad
CREATE EXTENSION fuzzystrmatch SCHEMA public;
-- case: 0014 good
CREATE EXTENSION fuzzystrmatch SCHEMA extensions;
-- case: 0015 bad
CREATE TABLE t (id int); CREATE POLICY p ON t USING (((SELECT auth.jwt()) -> 'user_metadata' ->> 'plan') = 'pro');
-- case: 0015 good
CREATE TABLE t (id int, user_metadata_seen bool); CREATE POLICY p ON t USING (((SELECT auth.jwt()) -> 'app_metadata' ->> 'plan') = 'pro' AND user_metadata_seen);
-- case: 0016 bad
CREATE TABLE t (id int); CREATE MATERIALIZED VIEW m AS SELECT * FROM t; GRANT SELECT ON m TO authenticated;
-- case: 0016 good
CREATE TABLE t (id int); CREATE MATERIALIZED VIEW m AS SELECT * FROM t; REVOKE ALL ON m FROM anon, authenticated;
-- case: 0017 bad
CREATE EXTENSION file_fdw SCHEMA extensions; CREATE SERVER s FOREIGN DATA WRAPPER file_fdw;
CREATE FOREIGN TABLE f (line text) SERVER s OPTIONS (filename '/dev/null'); GRANT SELECT ON f TO anon;
-- case: 0017 good
CREATE EXTENSION file_fdw SCHEMA extensions; CREATE SERVER s FOREIGN DATA WRAPPER file_fdw;
CREATE FOREIGN TABLE f (line text) SERVER s OPTIONS (filename '/dev/null'); REVOKE ALL ON f FROM anon, authenticated;
-- case: 0018 bad
CREATE TABLE t (id int PRIMARY KEY, which regproc);
-- case: 0018 good
CREATE TABLE t (id int PRIMARY KEY, which regclass, who regrole);
-- case: 0019 bad
-- exposes: pgmq_public
CREATE SCHEMA pgmq; CREATE SCHEMA pgmq_public; CREATE TABLE pgmq.q_mails (msg_id bigint, message jsonb);
GRANT USAGE ON SCHEMA pgmq TO authenticated; GRANT SELECT, DELETE ON pgmq.q_mails TO authenticated;
-- case: 0019 good
-- exposes: pgmq_public
CREATE SCHEMA pgmq; CREATE SCHEMA pgmq_public; CREATE TABLE pgmq.q_mails (msg_id bigint, message jsonb);
GRANT USAGE ON SCHEMA pgmq TO authenticated; GRANT SELECT, DELETE ON pgmq.q_mails TO authenticated;
ALTER TABLE pgmq.q_mails ENABLE ROW LEVEL SECURITY;
-- case: 0021 bad
ALTER TABLE auth.users ADD CONSTRAINT phones UNIQUE (phone, email); CREATE TABLE t (phone text, email text, FOREIGN KEY (phone, email) REFERENCES auth.users (phone, email));
-- case: 0021 good
CREATE TABLE t (id uuid PRIMARY KEY REFERENCES auth.users);
-- case: 0022 bad
CREATE EXTENSION pg_trgm VERSION '1.4' SCHEMA extensions;
-- case: 0022 good
CREATE EXTENSION pg_trgm SCHEMA extensions;
-- case: 0023 bad
CREATE TABLE t (id int, credit_card text, api_key text); GRANT SELECT ON t TO anon;
-- case: 0023 good
CREATE TABLE t (id int, credit_card text); GRANT SELECT ON t TO anon; ALTER TABLE t ENABLE ROW LEVEL SECURITY;
CREATE TABLE u (id int, secretary text); GRANT SELECT ON u TO anon;
-- case: 0024 bad
CREATE TABLE t (id int); CREATE POLICY p ON t FOR INSERT TO authenticated WITH CHECK (1 = 1);
-- case: 0024 bad
CREATE TABLE t (id int, owner uuid); CREATE POLICY p ON t FOR UPDATE TO authenticated USING (owner = (SELECT auth.uid())) WITH CHECK (true);
-- case: 0024 good
CREATE TABLE t (id int); CREATE POLICY p ON t FOR INSERT TO authenticated WITH CHECK (id = 1);
CREATE POLICY all_of_it ON t FOR ALL TO service_role USING (true);
-- case: 0025 bad
CREATE SCHEMA storage; CREATE TABLE storage.buckets (id text PRIMARY KEY, public bool); CREATE TABLE storage.objects (id int, bucket_id text, owner uuid);
INSERT INTO storage.buckets VALUES ('avatars', true); CREATE POLICY listing ON storage.objects FOR SELECT TO authenticated USING (bucket_id = 'avatars');
-- case: 0025 good
CREATE SCHEMA storage; CREATE TABLE storage.buckets (id text PRIMARY KEY, public bool); CREATE TABLE storage.objects (id int, bucket_id text, owner uuid);
INSERT INTO storage.buckets VALUES ('avatars', true), ('files', false);
CREATE POLICY own ON storage.objects FOR SELECT TO authenticated USING (bucket_id = 'avatars' AND owner = (SELECT auth.uid()));
CREATE POLICY files ON storage.objects FOR SELECT TO authenticated USING (bucket_id = 'files');
-- case: 0026 bad
CREATE TABLE t (id int); REVOKE ALL ON t FROM anon, authenticated; GRANT SELECT (id) ON t TO anon;
-- case: 0026 good
CREATE TABLE t (id int); REVOKE ALL ON t FROM anon, authenticated; GRANT SELECT ON t TO authenticated; GRANT INSERT ON t TO anon;
-- case: 0027 bad
CREATE TABLE t (id int); REVOKE ALL ON t FROM anon, authenticated; GRANT SELECT ON t TO authenticated;
-- case: 0027 good
CREATE TABLE t (id int); REVOKE ALL ON t FROM anon, authenticated; GRANT SELECT ON t TO anon;
-- case: 0028 bad
CREATE FUNCTION f() RETURNS int LANGUAGE sql SECURITY DEFINER SET search_path = '' AS 'SELECT 1';
-- case: 0028 good
CREATE FUNCTION f() RETURNS int LANGUAGE sql SECURITY DEFINER SET search_path = '' AS 'SELECT 1'; REVOKE ALL ON FUNCTION f() FROM PUBLIC, anon;
CREATE FUNCTION g() RETURNS int LANGUAGE sql SET search_path = '' AS 'SELECT 1';
CREATE FUNCTION h() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = '' AS 'BEGIN RETURN new; END';
-- case: 0029 bad
CREATE FUNCTION f() RETURNS int LANGUAGE sql SECURITY DEFINER SET search_path = '' AS 'SELECT 1'; REVOKE ALL ON FUNCTION f() FROM PUBLIC, anon; GRANT EXECUTE ON FUNCTION f() TO authenticated;
-- case: 0029 good
CREATE FUNCTION f() RETURNS int LANGUAGE sql SECURITY DEFINER SET search_path = '' AS 'SELECT 1'; REVOKE ALL ON FUNCTION f() FROM PUBLIC, anon, authenticated;
-- case: P001 bad
CREATE TABLE t (id int, owner uuid); CREATE POLICY p ON t FOR UPDATE TO authenticated USING (owner = (SELECT auth.uid()));
-- case: P001 good
CREATE POLICY admin_full_access ON auth.users FOR ALL USING (current_setting('request.jwt.claims', true)::jsonb->>'role' = 'admin');
CREATE TABLE t (id int, owner uuid); CREATE POLICY p ON t FOR UPDATE TO authenticated USING (owner = (SELECT auth.uid())) WITH CHECK (owner = (SELECT auth.uid()));
CREATE POLICY q ON t FOR SELECT USING (id = 1); CREATE POLICY r ON t FOR DELETE USING (id = 1);
-- case: P002 bad
CREATE TABLE t (id int); CREATE POLICY p ON t FOR SELECT USING (id = 1 OR true);
-- case: P002 good
CREATE TABLE t (id int); CREATE POLICY p ON t FOR SELECT USING (true); CREATE POLICY q ON t AS RESTRICTIVE USING (id = 1);
CREATE TABLE u (id int); CREATE POLICY p ON u FOR SELECT TO service_role USING (true);
-- case: P003 bad
CREATE FUNCTION plan() RETURNS text LANGUAGE sql STABLE AS $$ SELECT auth.jwt() -> 'user_metadata' ->> 'plan' $$;
CREATE FUNCTION is_pro() RETURNS bool LANGUAGE sql STABLE AS $$ SELECT public.plan() = 'pro' $$;
CREATE TABLE t (id int); CREATE POLICY p ON t USING ((SELECT is_pro()));
-- case: P003 good
CREATE FUNCTION is_pro() RETURNS bool LANGUAGE sql STABLE AS $$ SELECT auth.jwt() -> 'app_metadata' ->> 'plan' = 'pro' $$;
CREATE TABLE t (id int); CREATE POLICY p ON t USING ((SELECT is_pro()));
-- case: P004 bad
CREATE FUNCTION is_admin() RETURNS bool LANGUAGE sql STABLE AS $$ SELECT auth.jwt() ->> 'role' = 'admin' $$;
CREATE TABLE t (id int); CREATE POLICY p ON t FOR SELECT USING (is_admin());
-- case: P004 good
CREATE FUNCTION is_admin() RETURNS bool LANGUAGE sql STABLE AS $$ SELECT auth.jwt() ->> 'role' = 'admin' $$;
CREATE FUNCTION mine(x int) RETURNS bool LANGUAGE sql STABLE AS $$ SELECT x = 1 $$;
CREATE TABLE t (id int); CREATE POLICY p ON t FOR SELECT USING ((SELECT is_admin()) OR mine(id));
-- case: P005 bad
CREATE TABLE t (id int PRIMARY KEY, owner uuid); CREATE POLICY p ON t FOR SELECT USING (owner = (SELECT auth.uid()));
-- case: P005 good
CREATE TABLE t (id int PRIMARY KEY, owner uuid, shown bool); CREATE INDEX ON t (owner); CREATE POLICY p ON t FOR SELECT USING (owner = (SELECT auth.uid()) AND shown = true);
CREATE POLICY q ON t FOR INSERT WITH CHECK (owner = (SELECT auth.uid()));
-- case: P006 bad
CREATE TABLE members (team int, person uuid); ALTER TABLE members ENABLE ROW LEVEL SECURITY;
CREATE POLICY p ON members FOR SELECT USING (team IN (SELECT m.team FROM members m WHERE m.person = (SELECT auth.uid())));
-- case: P006 bad
SET LOCAL check_function_bodies = off; CREATE FUNCTION my_teams() RETURNS SETOF int LANGUAGE sql STABLE AS $$ SELECT team FROM public.members WHERE person = auth.uid() $$;
CREATE TABLE members (team int, person uuid); ALTER TABLE members ENABLE ROW LEVEL SECURITY;
CREATE POLICY p ON members FOR SELECT USING (team IN (SELECT my_teams()));
-- case: P006 good
SET LOCAL check_function_bodies = off; CREATE FUNCTION my_teams() RETURNS SETOF int LANGUAGE sql STABLE SECURITY DEFINER AS $$ SELECT team FROM public.members WHERE person = auth.uid() $$;
CREATE TABLE members (team int, person uuid); ALTER TABLE members ENABLE ROW LEVEL SECURITY;
CREATE POLICY p ON members FOR SELECT USING (team IN (SELECT my_teams()));
CREATE TABLE t (id int, team int); ALTER TABLE t ENABLE ROW LEVEL SECURITY;
CREATE POLICY p ON t FOR SELECT USING (EXISTS (SELECT FROM members m WHERE m.team = t.team));
CREATE POLICY q ON t FOR INSERT WITH CHECK (NOT EXISTS (SELECT FROM t other WHERE other.id = t.id));
