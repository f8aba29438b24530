-- Schemas with one flaw each. `{user}` is a column of people, `{uid}` who is calling, `own` the policy that binds a table
-- to its owner; `-- flaw:` says what the prover must find, and where.
SET LOCAL search_path = public, extensions;
-- case: every row is shown
-- flaw: notes sees
CREATE TABLE notes (id int PRIMARY KEY, user_id {user}, body text);
CREATE POLICY p ON notes FOR SELECT USING (true);
-- case: or true
-- flaw: notes sees
CREATE TABLE notes (id int PRIMARY KEY, user_id {user}); CREATE POLICY p ON notes FOR ALL USING (user_id = {uid} OR 1 = 1) WITH CHECK (user_id = {uid});
-- case: anybody's name on a new row
-- flaw: notes plants
CREATE TABLE notes (id int PRIMARY KEY, user_id {user}); CREATE POLICY s ON notes FOR SELECT USING (user_id = {uid});
CREATE POLICY i ON notes FOR INSERT TO authenticated WITH CHECK (true);
-- case: a row may become anybody's
-- flaw: notes hops
CREATE TABLE notes (id int PRIMARY KEY, user_id {user}); CREATE POLICY s ON notes FOR SELECT USING (user_id = {uid});
CREATE POLICY u ON notes FOR UPDATE USING (user_id = {uid}) WITH CHECK (true);
-- case: rows can be taken over
-- flaw: notes changes
CREATE TABLE notes (id int PRIMARY KEY, user_id {user}); CREATE POLICY s ON notes FOR SELECT USING (user_id = {uid});
CREATE POLICY u ON notes FOR UPDATE USING (true) WITH CHECK (user_id = {uid});
-- case: anybody removes
-- flaw: notes removes
CREATE TABLE notes (id int PRIMARY KEY, user_id {user}); CREATE POLICY s ON notes FOR SELECT USING (user_id = {uid}); CREATE POLICY d ON notes FOR DELETE TO authenticated USING (true);
-- case: signed in is enough
-- flaw: notes sees
CREATE TABLE notes (id int PRIMARY KEY, user_id {user}); CREATE POLICY p ON notes USING (auth.role() = 'authenticated');
-- case: somebody is enough
-- flaw: notes sees
CREATE TABLE notes (id int PRIMARY KEY, user_id {user}); CREATE POLICY p ON notes FOR SELECT USING (auth.uid() IS NOT NULL);
-- case: nobody's rows are everybody's
-- flaw: notes sees
CREATE TABLE notes (id int PRIMARY KEY, user_id uuid REFERENCES auth.users); CREATE POLICY p ON notes FOR SELECT USING (user_id = {uid} OR user_id IS NULL);
-- case: two unknowns are taken for the same
-- flaw: notes sees
CREATE TABLE notes (id int PRIMARY KEY, user_id uuid REFERENCES auth.users); CREATE POLICY p ON notes FOR SELECT USING (user_id IS NOT DISTINCT FROM {uid});
-- case: unknown becomes me
-- flaw: notes sees
CREATE TABLE notes (id int PRIMARY KEY, user_id uuid REFERENCES auth.users); CREATE POLICY p ON notes FOR SELECT USING (coalesce(user_id, {uid}) = {uid});
-- case: the wrong way round
-- flaw: notes sees
CREATE TABLE notes (id int PRIMARY KEY, user_id {user}); CREATE POLICY p ON notes FOR SELECT USING (user_id <> {uid});
-- case: people who call themselves administrators
-- flaw: notes sees
CREATE TABLE notes (id int PRIMARY KEY, user_id {user}); CREATE POLICY p ON notes FOR SELECT USING (user_id = {uid} OR (auth.jwt() -> 'user_metadata' ->> 'is_admin') = 'true');
-- case: people who name their own tenant
-- flaw: docs sees
CREATE TABLE docs (id int PRIMARY KEY, org_id int NOT NULL); COMMENT ON TABLE docs IS '@palisade tenant: org_id via jwt app_metadata.org_id';
CREATE POLICY p ON docs FOR SELECT USING (org_id::text = (auth.jwt() -> 'user_metadata' ->> 'org_id'));
-- case: metadata through a function
-- flaw: notes sees
CREATE FUNCTION is_staff() RETURNS boolean LANGUAGE sql STABLE AS $$ SELECT (auth.jwt() -> 'user_metadata' ->> 'team') = 'staff' $$;
CREATE TABLE notes (id int PRIMARY KEY, user_id {user}); CREATE POLICY p ON notes FOR SELECT USING (user_id = {uid} OR (SELECT is_staff()));
-- case: no row level security at all
-- flaw: notes sees
CREATE TABLE notes (id int PRIMARY KEY, user_id {user}); COMMENT ON TABLE notes IS '@open';
-- case: policies that are switched off
-- flaw: notes sees
CREATE TABLE notes (id int PRIMARY KEY, user_id {user}); {own notes}; COMMENT ON TABLE notes IS '@open';
-- case: strangers are let in
-- flaw: notes sees
CREATE TABLE notes (id int PRIMARY KEY, user_id {user}); {own notes}; CREATE POLICY a ON notes FOR SELECT TO anon USING (true);
-- case: a second policy opens what the first closes
-- flaw: notes sees
CREATE TABLE notes (id int PRIMARY KEY, user_id {user}, body text); {own notes}; CREATE POLICY empty ON notes FOR SELECT USING (body IS NULL);
-- case: meant to restrict and does not
-- flaw: notes sees
CREATE TABLE notes (id int PRIMARY KEY, user_id {user}, deleted boolean NOT NULL); {own notes}; CREATE POLICY live ON notes FOR SELECT USING (NOT deleted);
-- case: a restriction that restricts nothing
-- flaw: notes sees
CREATE TABLE notes (id int PRIMARY KEY, user_id {user}); CREATE POLICY a ON notes FOR SELECT USING (true); CREATE POLICY b ON notes AS RESTRICTIVE FOR SELECT USING (true);
-- case: the wrong column is checked
-- flaw: docs plants
CREATE TABLE docs (id int PRIMARY KEY, owner_id {user}, author_id {user}); COMMENT ON TABLE docs IS '@palisade owner: owner_id';
CREATE POLICY s ON docs FOR SELECT USING (owner_id = {uid}); CREATE POLICY i ON docs FOR INSERT WITH CHECK (author_id = {uid});
-- case: a column compared with itself
-- flaw: notes sees
CREATE TABLE notes (id int PRIMARY KEY, user_id {user}); CREATE POLICY p ON notes FOR SELECT USING (user_id = notes.user_id);
-- case: an address that the row's maker writes
-- flaw: profiles sees
CREATE TABLE profiles (id int PRIMARY KEY, user_id {user}, email text); CREATE POLICY p ON profiles FOR SELECT USING (user_id = {uid} OR email = (auth.jwt() ->> 'email'));
-- case: a role in the row instead of the caller's
-- flaw: people sees
CREATE TABLE people (id int PRIMARY KEY, user_id {user}, role text NOT NULL); CREATE POLICY p ON people FOR SELECT USING (user_id = {uid} OR role = 'admin');
-- case: any membership of anybody
-- flaw: docs sees
CREATE TABLE members (org_id int, user_id {user}, PRIMARY KEY (org_id, user_id)); CREATE POLICY m ON members FOR SELECT USING (true);
CREATE TABLE docs (id int PRIMARY KEY, org_id int NOT NULL); COMMENT ON TABLE docs IS '@palisade tenant: org_id via members(org_id, user_id)';
CREATE POLICY p ON docs FOR SELECT USING (org_id IN (SELECT m.org_id FROM members m));
-- case: a membership anywhere
-- flaw: docs sees
CREATE TABLE members (org_id int, user_id {user}, PRIMARY KEY (org_id, user_id)); CREATE POLICY m ON members FOR SELECT USING (user_id = {uid});
CREATE TABLE docs (id int PRIMARY KEY, org_id int NOT NULL); COMMENT ON TABLE docs IS '@palisade tenant: org_id via members(org_id, user_id)';
CREATE POLICY p ON docs FOR SELECT USING (EXISTS (SELECT 1 FROM members m WHERE m.user_id = {uid}));
-- case: a join with itself
-- flaw: docs sees
CREATE TABLE members (org_id int, user_id {user}, PRIMARY KEY (org_id, user_id)); CREATE POLICY m ON members FOR SELECT USING (user_id = {uid});
CREATE TABLE docs (id int PRIMARY KEY, org_id int NOT NULL); COMMENT ON TABLE docs IS '@palisade tenant: org_id via members(org_id, user_id)';
CREATE POLICY p ON docs FOR SELECT USING (EXISTS (SELECT 1 FROM members m WHERE m.org_id = m.org_id AND m.user_id = {uid}));
-- case: no tenant is every tenant
-- flaw: docs sees
CREATE TABLE members (org_id int, user_id {user}, PRIMARY KEY (org_id, user_id)); CREATE POLICY m ON members FOR SELECT USING (user_id = {uid});
CREATE TABLE docs (id int PRIMARY KEY, org_id int); COMMENT ON TABLE docs IS '@palisade tenant: org_id via members(org_id, user_id)';
CREATE POLICY p ON docs FOR SELECT USING (org_id IS NULL OR org_id IN (SELECT m.org_id FROM members m WHERE m.user_id = {uid}));
-- case: from tenant to tenant
-- flaw: docs hops
CREATE TABLE members (org_id int, user_id {user}, PRIMARY KEY (org_id, user_id)); CREATE POLICY m ON members FOR SELECT USING (user_id = {uid});
CREATE TABLE docs (id int PRIMARY KEY, org_id int NOT NULL); COMMENT ON TABLE docs IS '@palisade tenant: org_id via members(org_id, user_id)';
CREATE POLICY s ON docs FOR SELECT USING (org_id IN (SELECT m.org_id FROM members m WHERE m.user_id = {uid}));
CREATE POLICY u ON docs FOR UPDATE USING (org_id IN (SELECT m.org_id FROM members m WHERE m.user_id = {uid})) WITH CHECK ({uid} IS NOT NULL);
-- case: into another tenant
-- flaw: docs plants
CREATE TABLE members (org_id int, user_id {user}, PRIMARY KEY (org_id, user_id)); CREATE POLICY m ON members FOR SELECT USING (user_id = {uid});
CREATE TABLE docs (id int PRIMARY KEY, org_id int NOT NULL, made_by uuid); COMMENT ON TABLE docs IS '@palisade tenant: org_id via members(org_id, user_id)';
CREATE POLICY s ON docs FOR SELECT USING (org_id IN (SELECT m.org_id FROM members m WHERE m.user_id = {uid}));
CREATE POLICY i ON docs FOR INSERT WITH CHECK (made_by = {uid});
-- case: everybody may make themselves a member
-- flaw: docs joins
CREATE TABLE members (org_id int, user_id {user}, PRIMARY KEY (org_id, user_id)); CREATE POLICY m ON members FOR SELECT USING (user_id = {uid});
CREATE POLICY i ON members FOR INSERT WITH CHECK (user_id = {uid});
CREATE TABLE docs (id int PRIMARY KEY, org_id int NOT NULL); COMMENT ON TABLE docs IS '@palisade tenant: org_id via members(org_id, user_id)';
CREATE POLICY p ON docs FOR SELECT USING (org_id IN (SELECT m.org_id FROM members m WHERE m.user_id = {uid}));
-- case: a membership that moves to another tenant
-- flaw: docs joins
CREATE TABLE members (org_id int, user_id {user}, PRIMARY KEY (org_id, user_id)); CREATE POLICY m ON members FOR SELECT USING (user_id = {uid});
CREATE POLICY u ON members FOR UPDATE USING (user_id = {uid}) WITH CHECK (user_id = {uid});
CREATE TABLE docs (id int PRIMARY KEY, org_id int NOT NULL); COMMENT ON TABLE docs IS '@palisade tenant: org_id via members(org_id, user_id)';
CREATE POLICY p ON docs FOR SELECT USING (org_id IN (SELECT m.org_id FROM members m WHERE m.user_id = {uid}));
-- case: memberships without row level security
-- flaw: members sees
-- flaw: docs joins
CREATE TABLE members (org_id int, user_id {user}, PRIMARY KEY (org_id, user_id)); COMMENT ON TABLE members IS '@open';
CREATE TABLE docs (id int PRIMARY KEY, org_id int NOT NULL); COMMENT ON TABLE docs IS '@palisade tenant: org_id via members(org_id, user_id)';
CREATE POLICY p ON docs FOR SELECT USING (org_id IN (SELECT m.org_id FROM members m WHERE m.user_id = {uid}));
-- case: a helper that forgets its argument
-- flaw: docs sees
CREATE TABLE members (org_id int, user_id {user}, PRIMARY KEY (org_id, user_id));
CREATE FUNCTION is_member(org int) RETURNS boolean LANGUAGE sql STABLE SECURITY DEFINER SET search_path = '' AS 'SELECT EXISTS (SELECT FROM public.members WHERE user_id = auth.uid())';
CREATE TABLE docs (id int PRIMARY KEY, org_id int NOT NULL); COMMENT ON TABLE docs IS '@palisade tenant: org_id via members(org_id, user_id)';
CREATE POLICY p ON docs FOR SELECT USING (is_member(org_id));
-- case: a helper that forgets who asks
-- flaw: docs sees
CREATE TABLE members (org_id int, user_id {user}, PRIMARY KEY (org_id, user_id));
CREATE FUNCTION my_orgs() RETURNS SETOF int LANGUAGE sql STABLE SECURITY DEFINER SET search_path = '' AS 'SELECT org_id FROM public.members';
CREATE TABLE docs (id int PRIMARY KEY, org_id int NOT NULL); COMMENT ON TABLE docs IS '@palisade tenant: org_id via members(org_id, user_id)';
CREATE POLICY p ON docs FOR SELECT USING (org_id IN (SELECT my_orgs()));
-- case: a helper whose condition binds the wrong way
-- flaw: docs sees
CREATE TABLE members (org_id int, user_id {user}, role text NOT NULL, PRIMARY KEY (org_id, user_id));
CREATE FUNCTION may(org int) RETURNS boolean LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = '' AS $$ BEGIN
  RETURN EXISTS (SELECT FROM public.members m WHERE m.org_id = org AND m.role = 'owner' OR m.user_id = auth.uid()); END $$;
CREATE TABLE docs (id int PRIMARY KEY, org_id int NOT NULL); COMMENT ON TABLE docs IS '@palisade tenant: org_id via members(org_id, user_id)';
CREATE POLICY p ON docs FOR SELECT USING (may(org_id));
-- case: a view past the policies
-- flaw: all_notes sees
CREATE TABLE notes (id int PRIMARY KEY, user_id {user}); {own notes}; CREATE VIEW all_notes AS SELECT * FROM notes;
-- case: a barrier is no policy
-- flaw: all_notes sees
CREATE TABLE notes (id int PRIMARY KEY, user_id {user}); {own notes}; CREATE VIEW all_notes WITH (security_barrier) AS SELECT id FROM notes;
-- case: a view on a view
-- flaw: inner_notes sees
CREATE TABLE notes (id int PRIMARY KEY, user_id {user}); {own notes}; CREATE VIEW inner_notes AS SELECT * FROM notes;
CREATE VIEW outer_notes WITH (security_invoker = true) AS SELECT * FROM inner_notes;
-- case: a copy
-- flaw: copied sees
CREATE TABLE notes (id int PRIMARY KEY, user_id {user}); {own notes}; CREATE MATERIALIZED VIEW copied AS SELECT * FROM notes;
-- case: a function that gives out rows
-- flaw: all_notes() sees
CREATE TABLE notes (id int PRIMARY KEY, user_id {user}); {own notes};
CREATE FUNCTION all_notes() RETURNS SETOF notes LANGUAGE sql STABLE SECURITY DEFINER SET search_path = '' AS 'SELECT * FROM public.notes';
-- case: a function that gives out columns
-- flaw: emails() sees
CREATE TABLE profiles (id int PRIMARY KEY, user_id {user}, email text); {own profiles};
CREATE FUNCTION emails() RETURNS TABLE (address text) LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = '' AS 'BEGIN RETURN QUERY SELECT p.email FROM public.profiles p; END';
-- case: a policy that asks itself
-- flaw: members fails
CREATE TABLE members (org_id int, user_id {user}, PRIMARY KEY (org_id, user_id));
CREATE POLICY p ON members FOR SELECT USING (org_id IN (SELECT m.org_id FROM members m WHERE m.user_id = {uid}));
-- case: two policies that ask each other
-- flaw: a fails
-- flaw: b fails
CREATE TABLE a (id int PRIMARY KEY, user_id {user}); CREATE TABLE b (id int PRIMARY KEY, user_id {user});
CREATE POLICY p ON a FOR SELECT USING (EXISTS (SELECT FROM b WHERE b.id = a.id)); CREATE POLICY p ON b FOR SELECT USING (EXISTS (SELECT FROM a WHERE a.id = b.id));
-- case: a policy that asks itself through a function
-- flaw: members fails
CREATE TABLE members (org_id int, user_id {user}, PRIMARY KEY (org_id, user_id));
CREATE FUNCTION in_org(org int) RETURNS boolean LANGUAGE plpgsql STABLE AS $$ BEGIN RETURN EXISTS (SELECT FROM public.members m WHERE m.org_id = org); END $$;
CREATE POLICY p ON members FOR SELECT USING (in_org(org_id));
-- case: a parent that everybody sees
-- flaw: tasks sees
CREATE TABLE projects (id int PRIMARY KEY, owner_id {user}); CREATE POLICY p ON projects FOR SELECT USING (true); COMMENT ON TABLE projects IS '@palisade owner: owner_id
@palisade shared: true';
CREATE TABLE tasks (id int PRIMARY KEY, project_id int NOT NULL REFERENCES projects); CREATE POLICY p ON tasks FOR SELECT USING (EXISTS (SELECT FROM projects p WHERE p.id = project_id));
-- case: into another's project
-- flaw: tasks plants
CREATE TABLE projects (id int PRIMARY KEY, owner_id {user}); CREATE POLICY p ON projects FOR SELECT USING (owner_id = {uid});
CREATE TABLE tasks (id int PRIMARY KEY, project_id int NOT NULL REFERENCES projects); CREATE POLICY s ON tasks FOR SELECT USING (project_id IN (SELECT p.id FROM projects p WHERE p.owner_id = {uid}));
CREATE POLICY i ON tasks FOR INSERT TO authenticated WITH CHECK (project_id IS NOT NULL);
-- case: from project to project
-- flaw: tasks hops
CREATE TABLE projects (id int PRIMARY KEY, owner_id {user}); CREATE POLICY p ON projects FOR SELECT USING (owner_id = {uid});
CREATE TABLE tasks (id int PRIMARY KEY, project_id int NOT NULL REFERENCES projects); CREATE POLICY s ON tasks FOR SELECT USING (project_id IN (SELECT p.id FROM projects p WHERE p.owner_id = {uid}));
CREATE POLICY u ON tasks FOR UPDATE USING (project_id IN (SELECT p.id FROM projects p WHERE p.owner_id = {uid})) WITH CHECK (true);
-- case: any project of mine
-- flaw: tasks sees
CREATE TABLE projects (id int PRIMARY KEY, owner_id {user}); CREATE POLICY p ON projects FOR SELECT USING (owner_id = {uid});
CREATE TABLE tasks (id int PRIMARY KEY, project_id int NOT NULL REFERENCES projects); CREATE POLICY p ON tasks FOR SELECT USING (EXISTS (SELECT FROM projects p WHERE p.owner_id = {uid}));
-- case: letters in another's name
-- flaw: letters plants
CREATE TABLE letters (id int PRIMARY KEY, sender {user}, recipient {user}); COMMENT ON TABLE letters IS '@palisade owner: sender, recipient
@palisade writer: sender';
CREATE POLICY s ON letters FOR SELECT USING ({uid} IN (sender, recipient)); CREATE POLICY i ON letters FOR INSERT WITH CHECK ({uid} IN (sender, recipient));
-- case: a letter that changes its sender
-- flaw: letters hops
CREATE TABLE letters (id int PRIMARY KEY, sender {user}, recipient {user}); COMMENT ON TABLE letters IS '@palisade owner: sender, recipient
@palisade writer: sender';
CREATE POLICY s ON letters FOR SELECT USING ({uid} IN (sender, recipient)); CREATE POLICY i ON letters FOR INSERT WITH CHECK (sender = {uid});
CREATE POLICY u ON letters FOR UPDATE USING (sender = {uid}) WITH CHECK ({uid} IN (sender, recipient));
-- case: what is public may be changed
-- flaw: posts changes
CREATE TABLE posts (id int PRIMARY KEY, user_id {user}, is_public boolean); COMMENT ON TABLE posts IS '@palisade shared: is_public';
CREATE POLICY s ON posts FOR SELECT USING (user_id = {uid} OR is_public); CREATE POLICY u ON posts FOR UPDATE USING (user_id = {uid} OR is_public);
-- case: what is public may be removed
-- flaw: posts removes
CREATE TABLE posts (id int PRIMARY KEY, user_id {user}, is_public boolean); COMMENT ON TABLE posts IS '@palisade shared: is_public';
CREATE POLICY s ON posts FOR SELECT USING (user_id = {uid} OR is_public); CREATE POLICY d ON posts FOR DELETE USING (user_id = {uid} OR is_public = true);
-- case: not marked is taken for public
-- flaw: posts sees
CREATE TABLE posts (id int PRIMARY KEY, user_id {user}, is_public boolean); COMMENT ON TABLE posts IS '@palisade shared: is_public';
CREATE POLICY s ON posts FOR SELECT USING (user_id = {uid} OR is_public IS NOT FALSE);
-- case: everything but drafts
-- flaw: posts sees
CREATE TABLE posts (id int PRIMARY KEY, user_id {user}, status text NOT NULL); COMMENT ON TABLE posts IS '@palisade shared: status = ''published''';
CREATE POLICY s ON posts FOR SELECT USING (CASE WHEN status = 'draft' THEN user_id = {uid} ELSE true END);
-- case: an empty list is taken for everybody
-- flaw: files sees
CREATE TABLE files (id int PRIMARY KEY, user_id {user}, shared_with uuid[] NOT NULL); COMMENT ON TABLE files IS '@palisade owner: user_id, shared_with';
CREATE POLICY s ON files FOR SELECT USING (user_id = {uid} OR {uid} = ANY (shared_with) OR shared_with = '{}');
-- case: readers give a file away
-- flaw: files hops
CREATE TABLE files (id int PRIMARY KEY, user_id {user}, shared_with uuid[] NOT NULL); COMMENT ON TABLE files IS '@palisade owner: user_id, shared_with
@palisade writer: user_id';
CREATE POLICY s ON files FOR SELECT USING (user_id = {uid} OR {uid} = ANY (shared_with));
CREATE POLICY u ON files FOR UPDATE USING (user_id = {uid}) WITH CHECK (user_id = {uid} OR {uid} = ANY (shared_with));
-- case: a token without a tenant
-- flaw: docs sees
CREATE TABLE docs (id int PRIMARY KEY, org_id text NOT NULL); COMMENT ON TABLE docs IS '@palisade tenant: org_id via jwt app_metadata.org_id';
CREATE POLICY p ON docs FOR SELECT TO authenticated USING (org_id = (auth.jwt() -> 'app_metadata' ->> 'org_id') OR (auth.jwt() -> 'app_metadata' ->> 'org_id') IS NULL);
-- case: a missing tenant is made up from the row
-- flaw: docs sees
CREATE TABLE docs (id int PRIMARY KEY, org_id text NOT NULL); COMMENT ON TABLE docs IS '@palisade tenant: org_id via jwt app_metadata.org_id';
CREATE POLICY p ON docs FOR SELECT TO authenticated USING (coalesce(auth.jwt() -> 'app_metadata' ->> 'org_id', org_id) = org_id);
-- case: a new row in any tenant of a token
-- flaw: docs plants
CREATE TABLE docs (id int PRIMARY KEY, org_id text NOT NULL); COMMENT ON TABLE docs IS '@palisade tenant: org_id via jwt app_metadata.org_id';
CREATE POLICY s ON docs FOR SELECT TO authenticated USING (org_id = (auth.jwt() -> 'app_metadata' ->> 'org_id'));
CREATE POLICY i ON docs FOR INSERT TO authenticated WITH CHECK ((auth.jwt() -> 'app_metadata' ->> 'org_id') IS NOT NULL);
-- case: who follows sees
-- flaw: posts joins
CREATE TABLE friends (user_id {user}, friend_id {user}, PRIMARY KEY (user_id, friend_id)); COMMENT ON TABLE friends IS '@palisade owner: user_id';
CREATE POLICY f ON friends USING (user_id = {uid}) WITH CHECK (user_id = {uid});
CREATE TABLE posts (id int PRIMARY KEY, user_id {user}); COMMENT ON TABLE posts IS '@palisade owner: user_id
@palisade tenant: user_id via friends(friend_id, user_id)';
CREATE POLICY p ON posts FOR SELECT USING (user_id = {uid} OR EXISTS (SELECT FROM friends f WHERE f.user_id = {uid} AND f.friend_id = posts.user_id));
-- case: who shares with themselves
-- flaw: files joins
CREATE TABLE files (id int PRIMARY KEY, user_id {user}); CREATE TABLE shares (file_id int, user_id {user}, PRIMARY KEY (file_id, user_id));
COMMENT ON TABLE files IS '@palisade owner: user_id
@palisade tenant: id via shares(file_id, user_id)';
CREATE POLICY h ON shares USING (user_id = {uid}) WITH CHECK (user_id = {uid});
CREATE POLICY p ON files FOR SELECT USING (user_id = {uid} OR id IN (SELECT s.file_id FROM shares s WHERE s.user_id = {uid}));
-- case: anybody marks anything as gone
-- flaw: notes changes
CREATE TABLE notes (id int PRIMARY KEY, user_id {user}, gone boolean NOT NULL); CREATE POLICY s ON notes FOR SELECT USING (user_id = {uid});
CREATE POLICY u ON notes FOR UPDATE TO authenticated USING (NOT gone) WITH CHECK (gone);
-- case: strangers write in people's names
-- flaw: notes plants
CREATE TABLE notes (id int PRIMARY KEY, user_id {user}); {own notes}; CREATE POLICY a ON notes FOR INSERT TO anon WITH CHECK (true);
-- case: nobody is taken for the operator
-- flaw: notes sees
CREATE TABLE notes (id int PRIMARY KEY, user_id {user}); CREATE POLICY p ON notes USING (user_id = {uid} OR {uid} IS NULL);
-- case: a block list instead of a list of friends
-- flaw: posts sees
CREATE TABLE blocks (blocker {user}, blocked {user}, PRIMARY KEY (blocker, blocked)); COMMENT ON TABLE blocks IS '@palisade owner: blocker, blocked'; CREATE POLICY b ON blocks FOR SELECT USING ({uid} IN (blocker, blocked));
CREATE TABLE posts (id int PRIMARY KEY, user_id {user}); CREATE POLICY p ON posts FOR SELECT TO authenticated USING (NOT EXISTS (SELECT FROM blocks b WHERE b.blocker = posts.user_id AND b.blocked = {uid}));
-- case: a number is no owner
-- flaw: notes sees
CREATE TABLE notes (id int PRIMARY KEY, user_id {user}, level int NOT NULL); CREATE POLICY p ON notes FOR SELECT USING (user_id = {uid} OR level < 5);
-- case: whoever is not a stranger
-- flaw: notes sees
CREATE TABLE notes (id int PRIMARY KEY, user_id {user}); CREATE POLICY p ON notes FOR SELECT USING (current_setting('request.jwt.claims', true)::json ->> 'role' <> 'anon');
-- case: readers of a tenant change it
-- flaw: docs changes
CREATE TABLE members (org_id int, user_id {user}, PRIMARY KEY (org_id, user_id)); CREATE POLICY m ON members FOR SELECT USING (user_id = {uid});
CREATE TABLE docs (id int PRIMARY KEY, org_id int NOT NULL, open boolean NOT NULL); COMMENT ON TABLE docs IS '@palisade tenant: org_id via members(org_id, user_id)
@palisade shared: open';
CREATE POLICY s ON docs FOR SELECT USING (open OR org_id IN (SELECT m.org_id FROM members m WHERE m.user_id = {uid})); CREATE POLICY u ON docs FOR UPDATE TO authenticated USING (open) WITH CHECK (true);
-- case: checks on columns that the policies never look at
-- flaw: notes sees
CREATE DOMAIN handle AS text CHECK (VALUE ~ '^[a-z_]{2,20}$'); CREATE DOMAIN cents AS int CHECK (VALUE >= 5) NOT NULL;
CREATE TABLE notes (id int PRIMARY KEY, user_id {user}, land char(2) NOT NULL, state text NOT NULL CHECK (state IN ('draft', 'final')), who handle NOT NULL, amount cents);
CREATE POLICY p ON notes FOR SELECT USING (user_id = {uid} OR user_id IS NULL OR {uid} IS NOT NULL);
-- case: a membership with a kind of its own
-- flaw: docs sees
CREATE TABLE members (org_id int, user_id {user}, kind text NOT NULL CHECK (kind IN ('a', 'b')), PRIMARY KEY (org_id, user_id)); CREATE POLICY m ON members FOR SELECT USING (true);
COMMENT ON TABLE members IS '@palisade shared: true';
CREATE TABLE docs (id int PRIMARY KEY, org_id int NOT NULL); COMMENT ON TABLE docs IS '@palisade tenant: org_id via members(org_id, user_id)';
CREATE POLICY p ON docs FOR SELECT TO authenticated USING (org_id IN (SELECT m.org_id FROM members m));
-- case: every team of the same organisation
-- flaw: plans sees
CREATE TABLE teams (org_id int, no int, PRIMARY KEY (org_id, no));
CREATE TABLE members (org_id int, team_no int, user_id {user}, PRIMARY KEY (org_id, team_no, user_id), FOREIGN KEY (org_id, team_no) REFERENCES teams); CREATE POLICY m ON members FOR SELECT USING (user_id = {uid});
CREATE TABLE plans (id int PRIMARY KEY, org_id int NOT NULL, team_no int NOT NULL, FOREIGN KEY (org_id, team_no) REFERENCES teams);
CREATE POLICY p ON plans FOR SELECT USING (org_id IN (SELECT m.org_id FROM members m WHERE m.user_id = {uid}));
-- case: a team of the same number in another organisation
-- flaw: plans sees
CREATE TABLE teams (org_id int, no int, PRIMARY KEY (org_id, no));
CREATE TABLE members (org_id int, team_no int, user_id {user}, PRIMARY KEY (org_id, team_no, user_id), FOREIGN KEY (org_id, team_no) REFERENCES teams); CREATE POLICY m ON members FOR SELECT USING (user_id = {uid});
CREATE TABLE plans (id int PRIMARY KEY, org_id int NOT NULL, team_no int NOT NULL, FOREIGN KEY (org_id, team_no) REFERENCES teams);
CREATE POLICY p ON plans FOR SELECT USING (team_no IN (SELECT m.team_no FROM members m WHERE m.user_id = {uid}));
-- case: an organisation and a team that do not go together
-- flaw: plans sees
CREATE TABLE teams (org_id int, no int, PRIMARY KEY (org_id, no));
CREATE TABLE members (org_id int, team_no int, user_id {user}, PRIMARY KEY (org_id, team_no, user_id), FOREIGN KEY (org_id, team_no) REFERENCES teams); CREATE POLICY m ON members FOR SELECT USING (user_id = {uid});
CREATE TABLE plans (id int PRIMARY KEY, org_id int NOT NULL, team_no int NOT NULL, FOREIGN KEY (org_id, team_no) REFERENCES teams);
CREATE POLICY p ON plans FOR SELECT USING (org_id IN (SELECT m.org_id FROM members m WHERE m.user_id = {uid}) AND team_no IN (SELECT m.team_no FROM members m WHERE m.user_id = {uid}));
-- case: from team to team
-- flaw: plans hops
CREATE TABLE teams (org_id int, no int, PRIMARY KEY (org_id, no));
CREATE TABLE members (org_id int, team_no int, user_id {user}, PRIMARY KEY (org_id, team_no, user_id), FOREIGN KEY (org_id, team_no) REFERENCES teams); CREATE POLICY m ON members FOR SELECT USING (user_id = {uid});
CREATE TABLE plans (id int PRIMARY KEY, org_id int NOT NULL, team_no int NOT NULL, FOREIGN KEY (org_id, team_no) REFERENCES teams);
CREATE POLICY s ON plans FOR SELECT USING ((org_id, team_no) IN (SELECT m.org_id, m.team_no FROM members m WHERE m.user_id = {uid}));
CREATE POLICY u ON plans FOR UPDATE USING ((org_id, team_no) IN (SELECT m.org_id, m.team_no FROM members m WHERE m.user_id = {uid})) WITH CHECK (org_id IN (SELECT m.org_id FROM members m WHERE m.user_id = {uid}));
-- case: into a team of others
-- flaw: plans plants
CREATE TABLE teams (org_id int, no int, PRIMARY KEY (org_id, no));
CREATE TABLE members (org_id int, team_no int, user_id {user}, PRIMARY KEY (org_id, team_no, user_id), FOREIGN KEY (org_id, team_no) REFERENCES teams); CREATE POLICY m ON members FOR SELECT USING (user_id = {uid});
CREATE TABLE plans (id int PRIMARY KEY, org_id int NOT NULL, team_no int NOT NULL, FOREIGN KEY (org_id, team_no) REFERENCES teams);
CREATE POLICY s ON plans FOR SELECT USING ((org_id, team_no) IN (SELECT m.org_id, m.team_no FROM members m WHERE m.user_id = {uid}));
CREATE POLICY i ON plans FOR INSERT TO authenticated WITH CHECK (org_id IN (SELECT m.org_id FROM members m WHERE m.user_id = {uid}));
-- case: people who enter any team by themselves
-- flaw: plans joins
CREATE TABLE teams (org_id int, no int, PRIMARY KEY (org_id, no));
CREATE TABLE members (org_id int, team_no int, user_id {user}, PRIMARY KEY (org_id, team_no, user_id), FOREIGN KEY (org_id, team_no) REFERENCES teams); CREATE POLICY m ON members FOR SELECT USING (user_id = {uid});
CREATE TABLE plans (id int PRIMARY KEY, org_id int NOT NULL, team_no int NOT NULL, FOREIGN KEY (org_id, team_no) REFERENCES teams);
CREATE POLICY i ON members FOR INSERT WITH CHECK (user_id = {uid});
CREATE POLICY s ON plans FOR SELECT USING ((org_id, team_no) IN (SELECT m.org_id, m.team_no FROM members m WHERE m.user_id = {uid}));
-- case: what anybody of the organisation wrote
-- flaw: notes sees
CREATE TABLE members (org_id int, user_id {user}, PRIMARY KEY (org_id, user_id)); CREATE POLICY m ON members FOR SELECT USING (user_id = {uid});
CREATE TABLE notes (id int PRIMARY KEY, org_id int NOT NULL, author_id uuid NOT NULL, FOREIGN KEY (org_id, author_id) REFERENCES members (org_id, user_id));
CREATE POLICY p ON notes FOR SELECT USING (org_id IN (SELECT m.org_id FROM members m WHERE m.user_id = {uid}));
-- case: what one wrote becomes another's
-- flaw: notes hops
CREATE TABLE members (org_id int, user_id {user}, PRIMARY KEY (org_id, user_id)); CREATE POLICY m ON members FOR SELECT USING (user_id = {uid});
CREATE TABLE notes (id int PRIMARY KEY, org_id int NOT NULL, author_id uuid NOT NULL, FOREIGN KEY (org_id, author_id) REFERENCES members (org_id, user_id));
CREATE POLICY s ON notes FOR SELECT USING (author_id = {uid}); CREATE POLICY u ON notes FOR UPDATE USING (author_id = {uid}) WITH CHECK ({uid} IS NOT NULL);
-- case: lines of any order of the year
-- flaw: lines sees
CREATE TABLE orders (year int, no int, buyer {user}, PRIMARY KEY (year, no)); CREATE POLICY o ON orders FOR SELECT USING (buyer = {uid});
CREATE TABLE lines (id int PRIMARY KEY, order_year int NOT NULL, order_no int NOT NULL, FOREIGN KEY (order_year, order_no) REFERENCES orders);
CREATE POLICY l ON lines FOR SELECT USING (order_year IN (SELECT o.year FROM orders o WHERE o.buyer = {uid}));
-- case: into another tenant that a key has to find
-- flaw: docs plants
CREATE TABLE orgs (id int PRIMARY KEY); CREATE TABLE members (org_id int REFERENCES orgs, user_id {user}, PRIMARY KEY (org_id, user_id)); CREATE POLICY m ON members FOR SELECT USING (user_id = {uid});
CREATE TABLE docs (id int PRIMARY KEY, org_id int NOT NULL REFERENCES orgs); CREATE POLICY s ON docs FOR SELECT USING (org_id IN (SELECT m.org_id FROM members m WHERE m.user_id = {uid}));
CREATE POLICY i ON docs FOR INSERT TO authenticated WITH CHECK (true);
-- case: anybody's name on a row that points elsewhere too
-- flaw: notes plants
CREATE TABLE kinds (id int PRIMARY KEY, name text NOT NULL); CREATE TABLE notes (id int PRIMARY KEY, user_id {user}, kind int NOT NULL REFERENCES kinds);
CREATE POLICY s ON notes FOR SELECT USING (user_id = {uid}); CREATE POLICY i ON notes FOR INSERT TO authenticated WITH CHECK (true);
