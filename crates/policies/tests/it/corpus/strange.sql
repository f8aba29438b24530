-- Schemas that are strange, right or wrong. `-- says: OBJECT proven|tested|refuted KIND` for each object that matters.
SET LOCAL search_path = public, extensions;
-- case: names that need quoting
-- says: We"ird  %s tablé proven
CREATE TYPE "Kind, of {it}" AS ENUM ('it''s', 'a "b", {c}', 'Ä%s'); CREATE TABLE "We""ird  %s tablé" ("or" int PRIMARY KEY, "User Id""s" {user}, "Sel,ect" "Kind, of {it}" NOT NULL);
CREATE POLICY "p %s ""q""" ON "We""ird  %s tablé" USING ("User Id""s" = {uid}) WITH CHECK ("User Id""s" = {uid} AND "Sel,ect" <> 'a "b", {c}');
-- case: names that need quoting, and a flaw in one label
-- says: We"ird  %s tablé refuted sees
CREATE TYPE "Kind, of {it}" AS ENUM ('it''s', 'a "b", {c}', 'Ä%s'); CREATE TABLE "We""ird  %s tablé" ("or" int PRIMARY KEY, "User Id""s" {user}, "Sel,ect" "Kind, of {it}" NOT NULL);
CREATE POLICY "p %s ""q""" ON "We""ird  %s tablé" USING ("User Id""s" = {uid} OR "Sel,ect" = 'a "b", {c}') WITH CHECK ("User Id""s" = {uid});
-- case: columns with our names
-- says: notes proven
CREATE TABLE notes (palisade_n int PRIMARY KEY, user_id {user}, palisade_parts text, rows int); CREATE POLICY p ON notes USING (user_id = {uid} AND rows IS NOT NULL) WITH CHECK (user_id = {uid});
-- case: a function that asks whether there are rows, whatever is in them
-- says: docs proven
CREATE TABLE members (org_id int, user_id {user}, PRIMARY KEY (org_id, user_id)); CREATE POLICY m ON members FOR SELECT USING (user_id = {uid});
CREATE FUNCTION may(org int) RETURNS boolean LANGUAGE sql STABLE SECURITY DEFINER SET search_path = '' AS 'SELECT EXISTS (SELECT * FROM public.members m WHERE m.org_id = org AND m.user_id = auth.uid())';
CREATE TABLE docs (id int PRIMARY KEY, org_id int NOT NULL); COMMENT ON TABLE docs IS '@palisade tenant: org_id via members(org_id, user_id)'; CREATE POLICY p ON docs FOR SELECT USING (may(org_id));
-- case: a function that joins by a comma
-- says: docs refuted sees
CREATE TABLE orgs (id int PRIMARY KEY, open boolean NOT NULL); CREATE TABLE members (org_id int, user_id {user}, PRIMARY KEY (org_id, user_id)); CREATE POLICY m ON members FOR SELECT USING (user_id = {uid});
CREATE FUNCTION may(org int) RETURNS boolean LANGUAGE sql STABLE SECURITY DEFINER SET search_path = '' AS 'SELECT EXISTS (SELECT FROM public.orgs o, public.members m WHERE o.id = org AND m.org_id = org)';
CREATE TABLE docs (id int PRIMARY KEY, org_id int NOT NULL); COMMENT ON TABLE docs IS '@palisade tenant: org_id via members(org_id, user_id)'; CREATE POLICY p ON docs FOR SELECT USING (may(org_id));
-- case: a function that looks into a table after a comma alone
-- says: notes refuted sees
CREATE TABLE a (id int PRIMARY KEY); CREATE TABLE open_to (id int PRIMARY KEY, viewer uuid); CREATE POLICY p ON open_to FOR SELECT USING (viewer = {uid});
CREATE FUNCTION may() RETURNS boolean LANGUAGE sql STABLE SECURITY DEFINER SET search_path = '' AS 'SELECT EXISTS (SELECT FROM pg_catalog.generate_series(1, 1) g, public.open_to o)';
CREATE TABLE notes (id int PRIMARY KEY, user_id {user}); CREATE POLICY p ON notes FOR SELECT USING (user_id = {uid} OR may());
-- case: a comment with an apostrophe hides nothing
-- says: notes refuted sees
CREATE TABLE open_to (id int PRIMARY KEY, viewer uuid); CREATE POLICY p ON open_to FOR SELECT USING (viewer = {uid});
CREATE FUNCTION may() RETURNS boolean LANGUAGE sql STABLE SECURITY DEFINER SET search_path = '' AS $f$/* don't ask */ SELECT EXISTS (SELECT FROM public.open_to)$f$;
CREATE TABLE notes (id int PRIMARY KEY, user_id {user}); CREATE POLICY p ON notes FOR SELECT USING (user_id = {uid} OR may());
-- case: a name whose capital only Unicode knows
-- says: notes refuted sees
CREATE TABLE "Öffen" (id int PRIMARY KEY, viewer uuid); CREATE POLICY p ON "Öffen" FOR SELECT USING (viewer = {uid});
CREATE FUNCTION may() RETURNS boolean LANGUAGE sql STABLE SECURITY DEFINER SET search_path = '' AS $f$SELECT EXISTS (SELECT FROM public.ÖFFEN)$f$;
CREATE TABLE notes (id int PRIMARY KEY, user_id {user}); CREATE POLICY p ON notes FOR SELECT USING (user_id = {uid} OR may());
-- case: a function of the whole row
-- says: notes tested
CREATE TABLE notes (id int PRIMARY KEY, user_id {user});
CREATE FUNCTION mine(one notes) RETURNS boolean LANGUAGE sql STABLE SET search_path = '' AS 'SELECT one.user_id = auth.uid()';
CREATE POLICY p ON notes USING (mine(notes)) WITH CHECK (mine(notes));
-- case: a function of the whole row that shows too much
-- says: notes refuted sees
CREATE TABLE notes (id int PRIMARY KEY, user_id {user}, open boolean NOT NULL);
CREATE FUNCTION mine(one notes) RETURNS boolean LANGUAGE sql STABLE SET search_path = '' AS 'SELECT one.user_id = auth.uid() OR one.open';
CREATE POLICY p ON notes FOR SELECT USING (mine(notes));
-- case: the whole row as JSON
-- says: notes tested
CREATE TABLE notes (id int PRIMARY KEY, user_id {user}); CREATE POLICY p ON notes FOR SELECT USING (to_jsonb(notes) ->> 'user_id' = {uid}::text);
-- case: seven views deep
-- says: v7 refuted sees
CREATE TABLE notes (id int PRIMARY KEY, user_id {user}); {own notes}; CREATE VIEW v1 AS SELECT * FROM notes; CREATE VIEW v2 AS SELECT * FROM v1; REVOKE ALL ON v1, v2 FROM anon, authenticated;
CREATE VIEW v3 AS SELECT * FROM v2; CREATE VIEW v4 AS SELECT * FROM v3; CREATE VIEW v5 AS SELECT * FROM v4; CREATE VIEW v6 AS SELECT * FROM v5; CREATE VIEW v7 AS SELECT * FROM v6; REVOKE ALL ON v3, v4, v5, v6 FROM anon, authenticated;
-- case: a view that asks as its caller, over one that does not
-- says: shown refuted sees
CREATE TABLE notes (id int PRIMARY KEY, user_id {user}); {own notes}; CREATE SCHEMA hidden; GRANT USAGE ON SCHEMA hidden TO authenticated; CREATE VIEW hidden.v AS SELECT * FROM notes; GRANT SELECT ON hidden.v TO authenticated;
CREATE VIEW shown WITH (security_invoker) AS SELECT * FROM hidden.v;
-- case: a view that asks as its caller, over a materialised one
-- says: shown refuted sees
CREATE TABLE notes (id int PRIMARY KEY, user_id {user}); {own notes}; CREATE SCHEMA hidden; GRANT USAGE ON SCHEMA hidden TO authenticated; CREATE MATERIALIZED VIEW hidden.m AS SELECT * FROM notes; GRANT SELECT ON hidden.m TO authenticated;
CREATE VIEW shown WITH (security_invoker) AS SELECT * FROM hidden.m;
-- case: views that ask as their caller, all the way down
-- says: notes proven
CREATE TABLE notes (id int PRIMARY KEY, user_id {user}); {own notes}; CREATE VIEW v1 WITH (security_invoker) AS SELECT * FROM notes; CREATE VIEW v2 WITH (security_invoker) AS SELECT * FROM v1;
-- case: a policy that looks through views of views
-- says: docs refuted sees
CREATE TABLE members (org_id int, user_id {user}, PRIMARY KEY (org_id, user_id)); CREATE POLICY m ON members FOR SELECT USING (user_id = {uid});
CREATE VIEW mine AS SELECT org_id, user_id FROM members; CREATE VIEW mine2 AS SELECT org_id, user_id FROM mine; REVOKE ALL ON mine FROM anon, authenticated; REVOKE ALL ON mine2 FROM anon;
CREATE TABLE docs (id int PRIMARY KEY, org_id int NOT NULL); COMMENT ON TABLE docs IS '@palisade tenant: org_id via members(org_id, user_id)'; CREATE POLICY p ON docs FOR SELECT TO authenticated USING (org_id IN (SELECT m.org_id FROM mine2 m));
-- case: a table that inherits from one that everybody reads
-- says: posts refuted sees
CREATE TABLE posts (id int PRIMARY KEY, user_id {user}); COMMENT ON TABLE posts IS '@palisade shared: true'; CREATE POLICY s ON posts FOR SELECT USING (true);
CREATE TABLE private (secret text) INHERITS (posts); COMMENT ON TABLE private IS '@palisade owner: user_id'; {own private};
-- case: a table that inherits from one as strict
-- says: private proven
-- says: posts proven
CREATE TABLE posts (id int PRIMARY KEY, user_id {user}); {own posts}; CREATE TABLE private (secret text) INHERITS (posts); COMMENT ON TABLE private IS '@palisade owner: user_id'; {own private};
-- case: partitions by what decides
-- says: notes proven
CREATE TABLE notes (id int, user_id {user}, kind text NOT NULL, PRIMARY KEY (id, kind)) PARTITION BY LIST (kind); CREATE TABLE notes_a PARTITION OF notes FOR VALUES IN ('a'); CREATE TABLE notes_b PARTITION OF notes FOR VALUES IN ('b');
CREATE POLICY p ON notes USING (user_id = {uid} AND kind = 'a') WITH CHECK (user_id = {uid}); COMMENT ON TABLE notes IS '@palisade owner: user_id';
-- case: an owner of a domain
-- says: notes refuted sees
CREATE DOMAIN person AS uuid CHECK (value::text <> ''); CREATE DOMAIN somebody AS person NOT NULL; CREATE TABLE notes (id int PRIMARY KEY, author somebody, kind text NOT NULL); COMMENT ON TABLE notes IS '@palisade owner: author';
CREATE POLICY p ON notes FOR SELECT USING (author = {uid} OR kind = 'open');
-- case: an owner of a domain, kept apart
-- says: notes proven
CREATE DOMAIN person AS uuid CHECK (value::text <> ''); CREATE DOMAIN somebody AS person NOT NULL; CREATE TABLE notes (id int PRIMARY KEY, author somebody); COMMENT ON TABLE notes IS '@palisade owner: author'; CREATE POLICY p ON notes USING (author = {uid}) WITH CHECK (author = {uid});
-- case: a composite owner
-- says: notes tested
CREATE TYPE ref AS (id uuid, kind text); CREATE TABLE notes (id int PRIMARY KEY, owner ref NOT NULL, user_id {user}); CREATE POLICY p ON notes USING ((owner).id = {uid} AND user_id = {uid}) WITH CHECK ((owner).id = {uid} AND user_id = {uid});
-- case: owners in an array of numbers
-- says: notes tested
CREATE TABLE notes (id int PRIMARY KEY, user_id {user}, groups int[] NOT NULL); CREATE POLICY p ON notes USING (user_id = {uid} AND 1 = ANY (groups)) WITH CHECK (user_id = {uid});
-- case: an owner that is generated
-- says: notes tested
CREATE TABLE notes (id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY, data jsonb NOT NULL DEFAULT '{}', owner uuid GENERATED ALWAYS AS ((data ->> 'owner')::uuid) STORED); COMMENT ON TABLE notes IS '@palisade owner: owner'; CREATE POLICY p ON notes USING (owner = {uid}) WITH CHECK (owner = {uid});
-- case: keys in a circle
-- says: a proven
-- says: b proven
CREATE TABLE a (id int PRIMARY KEY, user_id {user}, b_id int NOT NULL); CREATE TABLE b (id int PRIMARY KEY, user_id {user}, a_id int NOT NULL REFERENCES a DEFERRABLE INITIALLY DEFERRED); ALTER TABLE a ADD FOREIGN KEY (b_id) REFERENCES b DEFERRABLE INITIALLY DEFERRED; {own a}; {own b};
-- case: belonging in a circle
-- says: b proven
CREATE TABLE a (id int PRIMARY KEY, b_id int NOT NULL); CREATE TABLE b (id int PRIMARY KEY, a_id int NOT NULL REFERENCES a); ALTER TABLE a ADD FOREIGN KEY (b_id) REFERENCES b; COMMENT ON TABLE a IS '@palisade through: b_id via b(id)'; COMMENT ON TABLE b IS '@palisade through: a_id via a(id)';
CREATE POLICY p ON a FOR SELECT USING (false); CREATE POLICY p ON b FOR SELECT USING (false);
-- case: replies to one's own
-- says: notes refuted sees
CREATE TABLE notes (id int PRIMARY KEY, user_id {user}, reply_to int REFERENCES notes); CREATE FUNCTION mine() RETURNS SETOF int LANGUAGE sql STABLE SECURITY DEFINER SET search_path = '' AS 'SELECT id FROM public.notes WHERE user_id = auth.uid()';
CREATE POLICY p ON notes FOR SELECT USING (user_id = {uid} OR reply_to IN (SELECT mine()));
-- case: dynamic SQL in a policy's function
-- says: notes tested
CREATE TABLE open_to (id int PRIMARY KEY, viewer uuid); CREATE POLICY p ON open_to FOR SELECT USING (viewer = {uid});
CREATE FUNCTION may() RETURNS boolean LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = '' AS $f$DECLARE found boolean; BEGIN EXECUTE 'SELECT EXISTS (SELECT FROM public.' || 'open_to)' INTO found; RETURN found; END$f$;
CREATE TABLE notes (id int PRIMARY KEY, user_id {user}); CREATE POLICY p ON notes FOR SELECT USING (user_id = {uid} OR may());
-- case: dynamic SQL that gives everything out
-- says: everything() refuted sees
CREATE TABLE notes (id int PRIMARY KEY, user_id {user}); {own notes}; CREATE FUNCTION everything() RETURNS SETOF notes LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = '' AS $f$BEGIN RETURN QUERY EXECUTE 'SELECT * FROM public.no' || 'tes'; END$f$;
-- case: a function with arguments that gives rows out
-- says: by_kind(of integer) tested
CREATE TABLE notes (id int PRIMARY KEY, user_id {user}, kind int); {own notes}; CREATE FUNCTION by_kind(of int) RETURNS SETOF notes LANGUAGE sql STABLE SECURITY DEFINER SET search_path = '' AS 'SELECT * FROM public.notes WHERE kind = $1';
-- case: which table a row is in
-- says: notes tested
CREATE TABLE notes (id int PRIMARY KEY, user_id {user}); CREATE POLICY p ON notes FOR SELECT USING (user_id = {uid} OR tableoid = 'notes'::regclass::oid AND false);
-- case: rows compared as a whole
-- says: docs tested
CREATE TABLE members (org_id int, user_id {user}, PRIMARY KEY (org_id, user_id)); CREATE POLICY m ON members FOR SELECT USING (user_id = {uid});
CREATE FUNCTION may(org int) RETURNS boolean LANGUAGE sql STABLE SECURITY DEFINER SET search_path = '' AS 'SELECT (org, auth.uid()) IN (SELECT * FROM public.members)';
CREATE TABLE docs (id int PRIMARY KEY, org_id int NOT NULL); COMMENT ON TABLE docs IS '@palisade tenant: org_id via members(org_id, user_id)'; CREATE POLICY p ON docs FOR SELECT USING (may(org_id));
