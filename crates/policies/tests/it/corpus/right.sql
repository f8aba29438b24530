-- Schemas that keep people apart. `-- tested: NAME` marks what small databases cannot decide: time, counting, JSON, triggers.
SET LOCAL search_path = public, extensions;
-- case: the guide's user_isolation
CREATE TABLE user_data (id int PRIMARY KEY, user_id {user});
CREATE POLICY user_isolation ON user_data FOR ALL USING (user_id = auth.uid()) WITH CHECK (user_id = auth.uid());
-- case: the guide's posts
CREATE TABLE posts (id int PRIMARY KEY, user_id {user}, is_public boolean); COMMENT ON TABLE posts IS '@palisade shared: is_public';
CREATE POLICY posts_select ON posts FOR SELECT USING (user_id = auth.uid() OR is_public = true);
CREATE POLICY admin_full_access ON posts FOR ALL USING (current_setting('request.jwt.claims', true)::jsonb->>'role' = 'admin');
-- case: one policy for everything
CREATE TABLE notes (id int PRIMARY KEY, user_id {user}, body text); {own notes};
-- case: a policy for each verb
CREATE TABLE notes (id int PRIMARY KEY, user_id {user}); CREATE POLICY s ON notes FOR SELECT TO authenticated USING (user_id = {uid}); CREATE POLICY i ON notes FOR INSERT TO authenticated WITH CHECK (user_id = {uid});
CREATE POLICY u ON notes FOR UPDATE TO authenticated USING (user_id = {uid}) WITH CHECK (user_id = {uid}); CREATE POLICY d ON notes FOR DELETE TO authenticated USING (user_id = {uid});
-- case: USING alone binds writes too
CREATE TABLE notes (id int PRIMARY KEY, user_id {user}); CREATE POLICY p ON notes FOR ALL TO authenticated USING (user_id = {uid});
-- case: an owner as text
CREATE TABLE notes (id int PRIMARY KEY, owner text NOT NULL); COMMENT ON TABLE notes IS '@palisade owner: owner'; CREATE POLICY p ON notes USING (owner = {uid}::text) WITH CHECK (owner = {uid}::text);
-- case: an owner that may be missing
CREATE TABLE notes (id int PRIMARY KEY, user_id uuid REFERENCES auth.users); {own notes};
-- case: a profile is its person
CREATE TABLE profiles (id uuid PRIMARY KEY REFERENCES auth.users, name text); CREATE POLICY p ON profiles USING (id = {uid}) WITH CHECK (id = {uid});
-- case: profiles that everybody may see
CREATE TABLE profiles (id uuid PRIMARY KEY REFERENCES auth.users, name text); COMMENT ON TABLE profiles IS '@palisade shared: true';
CREATE POLICY s ON profiles FOR SELECT USING (true); CREATE POLICY u ON profiles FOR UPDATE USING (id = {uid}) WITH CHECK (id = {uid}); CREATE POLICY i ON profiles FOR INSERT WITH CHECK (id = {uid});
-- case: nobody may anything
CREATE TABLE secrets (id int PRIMARY KEY, user_id {user});
-- case: only reading
CREATE TABLE balances (id int PRIMARY KEY, user_id {user}, cents int NOT NULL); CREATE POLICY s ON balances FOR SELECT USING (user_id = {uid});
-- case: only writing
CREATE TABLE reports (id int PRIMARY KEY, user_id {user}); CREATE POLICY i ON reports FOR INSERT WITH CHECK (user_id = {uid});
-- case: what is gone is hidden
CREATE TABLE notes (id int PRIMARY KEY, user_id {user}, gone boolean NOT NULL); CREATE POLICY p ON notes USING (user_id = {uid} AND NOT gone) WITH CHECK (user_id = {uid});
-- case: a restriction beside a grant
CREATE TABLE notes (id int PRIMARY KEY, user_id {user}, gone boolean NOT NULL); {own notes}; CREATE POLICY live ON notes AS RESTRICTIVE USING (NOT gone) WITH CHECK (true);
-- case: everything open but for one restriction
CREATE TABLE notes (id int PRIMARY KEY, user_id {user}); CREATE POLICY a ON notes USING (true) WITH CHECK (true); CREATE POLICY b ON notes AS RESTRICTIVE USING (user_id = {uid}) WITH CHECK (user_id = {uid});
-- case: two factors for everything
CREATE TABLE notes (id int PRIMARY KEY, user_id {user}); {own notes}; CREATE POLICY strong ON notes AS RESTRICTIVE TO authenticated USING ((SELECT auth.jwt() ->> 'aal') = 'aal2');
-- case: not for anonymous accounts
CREATE TABLE notes (id int PRIMARY KEY, user_id {user}); {own notes}; CREATE POLICY named ON notes AS RESTRICTIVE TO authenticated USING ((SELECT (auth.jwt() ->> 'is_anonymous')::boolean) IS FALSE);
-- case: the server's administrators
CREATE TABLE notes (id int PRIMARY KEY, user_id {user}); {own notes}; CREATE POLICY staff ON notes FOR SELECT USING ((auth.jwt() -> 'app_metadata' ->> 'role') = 'admin');
-- case: the operator's own role
CREATE TABLE notes (id int PRIMARY KEY, user_id {user}); {own notes}; CREATE POLICY all_of_it ON notes TO service_role USING (true) WITH CHECK (true);
-- case: drafts and what is published
CREATE TABLE posts (id int PRIMARY KEY, user_id {user}, status text NOT NULL); COMMENT ON TABLE posts IS '@palisade shared: status = ''published''';
CREATE POLICY s ON posts FOR SELECT USING (user_id = {uid} OR status = 'published'); CREATE POLICY w ON posts FOR UPDATE USING (user_id = {uid} AND status <> 'locked') WITH CHECK (user_id = {uid});
-- case: a choice by case
CREATE TABLE posts (id int PRIMARY KEY, user_id {user}, status text NOT NULL); COMMENT ON TABLE posts IS '@palisade shared: status = ''published''';
CREATE POLICY s ON posts FOR SELECT USING (CASE status WHEN 'published' THEN true ELSE user_id = {uid} END);
-- case: a kind that is public
CREATE TYPE kind AS ENUM ('private', 'public', 'old'); CREATE TABLE posts (id int PRIMARY KEY, user_id {user}, kind kind NOT NULL); COMMENT ON TABLE posts IS '@palisade shared: kind = ''public''';
CREATE POLICY s ON posts FOR SELECT USING (kind = 'public' OR user_id = {uid}); CREATE POLICY d ON posts FOR DELETE USING (user_id = {uid});
-- case: members of a tenant
CREATE TABLE members (org_id int, user_id {user}, PRIMARY KEY (org_id, user_id)); CREATE POLICY m ON members FOR SELECT USING (user_id = {uid});
CREATE TABLE docs (id int PRIMARY KEY, org_id int NOT NULL); COMMENT ON TABLE docs IS '@palisade tenant: org_id via members(org_id, user_id)';
CREATE POLICY p ON docs USING (org_id IN (SELECT m.org_id FROM members m WHERE m.user_id = {uid})) WITH CHECK (org_id IN (SELECT m.org_id FROM members m WHERE m.user_id = {uid}));
-- case: members by exists
CREATE TABLE members (org_id int, user_id {user}, PRIMARY KEY (org_id, user_id)); CREATE POLICY m ON members FOR SELECT USING (user_id = {uid});
CREATE TABLE docs (id int PRIMARY KEY, org_id int NOT NULL); COMMENT ON TABLE docs IS '@palisade tenant: org_id via members(org_id, user_id)';
CREATE POLICY p ON docs USING (EXISTS (SELECT FROM members m WHERE m.org_id = docs.org_id AND m.user_id = {uid}));
-- case: members by a function
CREATE TABLE members (org_id int, user_id {user}, PRIMARY KEY (org_id, user_id));
CREATE FUNCTION is_member(org int) RETURNS boolean LANGUAGE sql STABLE SECURITY DEFINER SET search_path = '' AS 'SELECT EXISTS (SELECT FROM public.members m WHERE m.org_id = org AND m.user_id = auth.uid())';
CREATE TABLE docs (id int PRIMARY KEY, org_id int NOT NULL); COMMENT ON TABLE docs IS '@palisade tenant: org_id via members(org_id, user_id)';
CREATE POLICY p ON docs USING (is_member(org_id)) WITH CHECK (is_member(org_id));
-- case: members by a set
-- tested: my_orgs()
CREATE TABLE members (org_id int, user_id {user}, PRIMARY KEY (org_id, user_id));
CREATE FUNCTION my_orgs() RETURNS SETOF int LANGUAGE sql STABLE SECURITY DEFINER SET search_path = '' AS 'SELECT org_id FROM public.members WHERE user_id = (SELECT auth.uid())';
CREATE POLICY m ON members FOR SELECT USING (user_id = {uid}); CREATE TABLE docs (id int PRIMARY KEY, org_id int); COMMENT ON TABLE docs IS '@palisade tenant: org_id via members(org_id, user_id)';
CREATE POLICY p ON docs USING (org_id IN (SELECT my_orgs())) WITH CHECK (org_id IN (SELECT my_orgs()));
-- case: tenants and their members by keys alone
CREATE TABLE orgs (id int PRIMARY KEY, name text); CREATE TABLE members (org_id int REFERENCES orgs, user_id {user}, PRIMARY KEY (org_id, user_id));
CREATE TABLE docs (id int PRIMARY KEY, org_id int NOT NULL REFERENCES orgs); CREATE POLICY m ON members FOR SELECT USING (user_id = {uid});
CREATE POLICY o ON orgs FOR SELECT USING (id IN (SELECT m.org_id FROM members m WHERE m.user_id = {uid}));
CREATE POLICY p ON docs USING (org_id IN (SELECT m.org_id FROM members m WHERE m.user_id = {uid}));
-- case: editors change, readers read
CREATE TABLE members (org_id int, user_id {user}, role text NOT NULL, PRIMARY KEY (org_id, user_id)); CREATE POLICY m ON members FOR SELECT USING (user_id = {uid});
CREATE TABLE docs (id int PRIMARY KEY, org_id int NOT NULL); COMMENT ON TABLE docs IS '@palisade tenant: org_id via members(org_id, user_id)';
CREATE POLICY s ON docs FOR SELECT USING (org_id IN (SELECT m.org_id FROM members m WHERE m.user_id = {uid}));
CREATE POLICY u ON docs FOR UPDATE USING (org_id IN (SELECT m.org_id FROM members m WHERE m.user_id = {uid} AND m.role = 'editor'));
-- case: whoever owns a tenant adds members
CREATE TABLE orgs (id int PRIMARY KEY, owner_id {user}); CREATE POLICY o ON orgs USING (owner_id = {uid}) WITH CHECK (owner_id = {uid});
CREATE TABLE members (org_id int REFERENCES orgs, user_id {user}, PRIMARY KEY (org_id, user_id)); CREATE POLICY m ON members FOR SELECT USING (user_id = {uid});
COMMENT ON TABLE members IS '@palisade owner: user_id
@palisade through: org_id via orgs(id)';
CREATE POLICY i ON members FOR INSERT WITH CHECK (org_id IN (SELECT o.id FROM orgs o WHERE o.owner_id = {uid}));
CREATE TABLE docs (id int PRIMARY KEY, org_id int NOT NULL REFERENCES orgs); COMMENT ON TABLE docs IS '@palisade through: org_id via orgs(id)
@palisade tenant: org_id via members(org_id, user_id)';
CREATE POLICY p ON docs FOR SELECT USING (org_id IN (SELECT m.org_id FROM members m WHERE m.user_id = {uid}));
-- case: a tenant that everybody may join on purpose
CREATE TABLE members (org_id int, user_id {user}, PRIMARY KEY (org_id, user_id)); COMMENT ON TABLE members IS '@palisade owner: user_id
@palisade joinable: open communities';
{own members};
CREATE TABLE docs (id int PRIMARY KEY, org_id int NOT NULL); COMMENT ON TABLE docs IS '@palisade tenant: org_id via members(org_id, user_id)';
CREATE POLICY p ON docs FOR SELECT USING (org_id IN (SELECT m.org_id FROM members m WHERE m.user_id = {uid}));
-- case: a tenant in the token
CREATE TABLE docs (id int PRIMARY KEY, org_id int NOT NULL); COMMENT ON TABLE docs IS '@palisade tenant: org_id via jwt app_metadata.org_id';
CREATE POLICY p ON docs USING (org_id::text = (auth.jwt() -> 'app_metadata' ->> 'org_id')) WITH CHECK (org_id::text = (auth.jwt() -> 'app_metadata' ->> 'org_id'));
-- case: a tenant in the token and no tenant in the row
CREATE TABLE docs (id int PRIMARY KEY, org_id text); COMMENT ON TABLE docs IS '@palisade tenant: org_id via jwt app_metadata.org_id';
CREATE POLICY p ON docs TO authenticated USING (org_id = (SELECT auth.jwt() -> 'app_metadata' ->> 'org_id'));
-- case: a tenant and an owner
CREATE TABLE docs (id int PRIMARY KEY, org_id text NOT NULL, user_id {user}); COMMENT ON TABLE docs IS '@palisade owner: user_id';
CREATE POLICY p ON docs USING (user_id = {uid} AND org_id = (auth.jwt() -> 'app_metadata' ->> 'org_id')) WITH CHECK (user_id = {uid} AND org_id = (auth.jwt() -> 'app_metadata' ->> 'org_id'));
-- case: tasks of projects
CREATE TABLE projects (id int PRIMARY KEY, owner_id {user}); CREATE POLICY p ON projects USING (owner_id = {uid}) WITH CHECK (owner_id = {uid});
CREATE TABLE tasks (id int PRIMARY KEY, project_id int NOT NULL REFERENCES projects); CREATE POLICY p ON tasks USING (project_id IN (SELECT p.id FROM projects p WHERE p.owner_id = {uid})) WITH CHECK (project_id IN (SELECT p.id FROM projects p WHERE p.owner_id = {uid}));
-- case: tasks by the projects that are seen
CREATE TABLE projects (id int PRIMARY KEY, owner_id {user}); CREATE POLICY p ON projects USING (owner_id = {uid}) WITH CHECK (owner_id = {uid});
CREATE TABLE tasks (id int PRIMARY KEY, project_id int NOT NULL REFERENCES projects); CREATE POLICY p ON tasks USING (EXISTS (SELECT FROM projects p WHERE p.id = tasks.project_id));
-- case: steps of tasks of projects
CREATE TABLE projects (id int PRIMARY KEY, owner_id {user}); CREATE POLICY p ON projects FOR SELECT USING (owner_id = {uid});
CREATE TABLE tasks (id int PRIMARY KEY, project_id int NOT NULL REFERENCES projects); CREATE POLICY p ON tasks FOR SELECT USING (project_id IN (SELECT p.id FROM projects p WHERE p.owner_id = {uid}));
CREATE TABLE steps (id int PRIMARY KEY, task_id int NOT NULL REFERENCES tasks); CREATE POLICY p ON steps FOR SELECT USING (task_id IN (SELECT t.id FROM tasks t JOIN projects p ON p.id = t.project_id WHERE p.owner_id = {uid}));
-- case: lines of orders
CREATE TABLE orders (id int PRIMARY KEY, user_id {user}, paid boolean NOT NULL); CREATE POLICY p ON orders FOR SELECT USING (user_id = {uid});
CREATE TABLE lines (id int PRIMARY KEY, order_id int NOT NULL REFERENCES orders); CREATE POLICY s ON lines FOR SELECT USING (EXISTS (SELECT FROM orders o WHERE o.id = order_id AND o.user_id = {uid}));
CREATE POLICY i ON lines FOR INSERT WITH CHECK (EXISTS (SELECT FROM orders o WHERE o.id = order_id AND o.user_id = {uid} AND NOT o.paid));
-- case: letters
CREATE TABLE letters (id int PRIMARY KEY, sender {user}, recipient {user}); COMMENT ON TABLE letters IS '@palisade owner: sender, recipient
@palisade writer: sender';
CREATE POLICY s ON letters FOR SELECT USING ({uid} IN (sender, recipient)); CREATE POLICY i ON letters FOR INSERT WITH CHECK (sender = {uid});
CREATE POLICY u ON letters FOR UPDATE USING (sender = {uid}) WITH CHECK (sender = {uid}); CREATE POLICY d ON letters FOR DELETE USING (sender = {uid} OR recipient = {uid});
-- case: a buyer and a seller
CREATE TABLE sales (id int PRIMARY KEY, buyer {user}, seller {user}); COMMENT ON TABLE sales IS '@palisade owner: buyer, seller'; CREATE POLICY s ON sales FOR SELECT USING (buyer = {uid} OR seller = {uid});
-- case: managers of people
CREATE TABLE reviews (id int PRIMARY KEY, user_id {user}, manager_id {user}); COMMENT ON TABLE reviews IS '@palisade owner: user_id, manager_id
@palisade writer: manager_id';
CREATE POLICY s ON reviews FOR SELECT USING ({uid} IN (user_id, manager_id)); CREATE POLICY w ON reviews FOR INSERT WITH CHECK (manager_id = {uid});
-- case: doctors of patients
CREATE TABLE care (doctor {user}, patient {user}, PRIMARY KEY (doctor, patient)); COMMENT ON TABLE care IS '@palisade owner: doctor, patient'; CREATE POLICY c ON care FOR SELECT USING ({uid} IN (doctor, patient));
CREATE TABLE charts (id int PRIMARY KEY, patient {user}); COMMENT ON TABLE charts IS '@palisade owner: patient
@palisade tenant: patient via care(patient, doctor)';
CREATE POLICY s ON charts FOR SELECT USING (patient = {uid} OR EXISTS (SELECT FROM care c WHERE c.patient = charts.patient AND c.doctor = {uid}));
-- case: teachers of courses
CREATE TABLE courses (id int PRIMARY KEY, teacher {user}); CREATE POLICY c ON courses USING (teacher = {uid}) WITH CHECK (teacher = {uid}); COMMENT ON TABLE courses IS '@palisade owner: teacher';
CREATE TABLE grades (id int PRIMARY KEY, course_id int NOT NULL REFERENCES courses, student {user}); COMMENT ON TABLE grades IS '@palisade owner: student
@palisade through: course_id via courses(id)';
CREATE POLICY s ON grades FOR SELECT USING (student = {uid} OR course_id IN (SELECT c.id FROM courses c WHERE c.teacher = {uid}));
-- case: a list of readers
CREATE TABLE files (id int PRIMARY KEY, user_id {user}, shared_with uuid[] NOT NULL); COMMENT ON TABLE files IS '@palisade owner: user_id, shared_with
@palisade writer: user_id';
CREATE POLICY s ON files FOR SELECT USING (user_id = {uid} OR {uid} = ANY (shared_with)); CREATE POLICY w ON files FOR UPDATE USING (user_id = {uid}) WITH CHECK (user_id = {uid});
-- case: shares by the owner alone
CREATE TABLE files (id int PRIMARY KEY, user_id {user}); CREATE TABLE shares (file_id int REFERENCES files, user_id {user}, PRIMARY KEY (file_id, user_id));
CREATE FUNCTION owns(file int) RETURNS boolean LANGUAGE sql STABLE SECURITY DEFINER SET search_path = '' AS 'SELECT EXISTS (SELECT FROM public.files f WHERE f.id = file AND f.user_id = auth.uid())';
CREATE FUNCTION may_read(file int) RETURNS boolean LANGUAGE sql STABLE SECURITY DEFINER SET search_path = '' AS 'SELECT EXISTS (SELECT FROM public.shares s WHERE s.file_id = file AND s.user_id = auth.uid())';
COMMENT ON TABLE files IS '@palisade owner: user_id
@palisade tenant: id via shares(file_id, user_id)'; COMMENT ON TABLE shares IS '@palisade owner: user_id
@palisade through: file_id via files(id)';
CREATE POLICY s ON files FOR SELECT USING (user_id = {uid} OR may_read(id)); CREATE POLICY i ON files FOR INSERT WITH CHECK (user_id = {uid});
CREATE POLICY s ON shares FOR SELECT USING (user_id = {uid}); CREATE POLICY i ON shares FOR INSERT WITH CHECK (owns(file_id));
-- case: friends who were asked
CREATE TABLE friends (user_id {user}, friend_id {user}, PRIMARY KEY (user_id, friend_id)); COMMENT ON TABLE friends IS '@palisade owner: user_id, friend_id
@palisade writer: user_id';
CREATE POLICY s ON friends FOR SELECT USING ({uid} IN (user_id, friend_id)); CREATE POLICY i ON friends FOR INSERT WITH CHECK (user_id = {uid});
CREATE TABLE posts (id int PRIMARY KEY, user_id {user}); COMMENT ON TABLE posts IS '@palisade owner: user_id
@palisade tenant: user_id via friends(user_id, friend_id)';
CREATE POLICY p ON posts FOR SELECT USING (user_id = {uid} OR EXISTS (SELECT FROM friends f WHERE f.user_id = posts.user_id AND f.friend_id = {uid}));
-- case: public but for those who are blocked
CREATE TABLE blocks (blocker {user}, blocked {user}, PRIMARY KEY (blocker, blocked)); COMMENT ON TABLE blocks IS '@palisade owner: blocker, blocked
@palisade writer: blocker';
CREATE POLICY b ON blocks FOR SELECT USING ({uid} IN (blocker, blocked)); CREATE POLICY i ON blocks FOR INSERT WITH CHECK (blocker = {uid});
CREATE TABLE posts (id int PRIMARY KEY, user_id {user}); COMMENT ON TABLE posts IS '@palisade owner: user_id
@palisade shared: true';
CREATE POLICY p ON posts FOR SELECT TO authenticated USING (NOT EXISTS (SELECT FROM blocks b WHERE b.blocker = posts.user_id AND b.blocked = {uid}));
-- case: likes of posts
CREATE TABLE posts (id int PRIMARY KEY, user_id {user}); COMMENT ON TABLE posts IS '@palisade shared: true'; CREATE POLICY s ON posts FOR SELECT USING (true); CREATE POLICY w ON posts FOR INSERT WITH CHECK (user_id = {uid});
CREATE TABLE likes (post_id int REFERENCES posts, user_id {user}, PRIMARY KEY (post_id, user_id)); COMMENT ON TABLE likes IS '@palisade owner: user_id
@palisade shared: true';
CREATE POLICY s ON likes FOR SELECT USING (true); CREATE POLICY i ON likes FOR INSERT WITH CHECK (user_id = {uid}); CREATE POLICY d ON likes FOR DELETE USING (user_id = {uid});
-- case: people by their address
CREATE TABLE invites (id int PRIMARY KEY, email text NOT NULL); COMMENT ON TABLE invites IS '@palisade owner: email'; CREATE POLICY p ON invites FOR SELECT USING (email = (auth.jwt() ->> 'email'));
-- case: households
CREATE TABLE homes (home_id int, user_id {user}, PRIMARY KEY (home_id, user_id)); CREATE POLICY m ON homes FOR SELECT USING (user_id = {uid});
CREATE TABLE meals (id int PRIMARY KEY, home_id int); COMMENT ON TABLE meals IS '@palisade tenant: home_id via homes(home_id, user_id)';
CREATE POLICY p ON meals USING (home_id = ANY (ARRAY(SELECT h.home_id FROM homes h WHERE h.user_id = {uid}))) WITH CHECK (home_id = ANY (ARRAY(SELECT h.home_id FROM homes h WHERE h.user_id = {uid})));
-- case: keys of people in uuids
CREATE TABLE spaces (id uuid PRIMARY KEY, owner_id {user}); CREATE POLICY p ON spaces USING (owner_id = {uid}) WITH CHECK (owner_id = {uid});
CREATE TABLE pages (id uuid PRIMARY KEY, space_id uuid NOT NULL REFERENCES spaces); CREATE POLICY p ON pages USING (space_id IN (SELECT s.id FROM spaces s WHERE s.owner_id = {uid}));
-- case: a column that cannot be written
CREATE TABLE notes (id int PRIMARY KEY, user_id {user}, body text); CREATE POLICY s ON notes FOR SELECT USING (user_id = {uid}); CREATE POLICY u ON notes FOR UPDATE USING (user_id = {uid}) WITH CHECK (true);
REVOKE UPDATE ON notes FROM anon, authenticated; GRANT UPDATE (body) ON notes TO authenticated;
-- case: rights where policies are missing
CREATE TABLE notes (id int PRIMARY KEY, user_id {user}); CREATE POLICY p ON notes USING (true) WITH CHECK (true); REVOKE ALL ON notes FROM anon, authenticated;
-- case: a check that holds for every row
CREATE TABLE notes (id int PRIMARY KEY, user_id uuid REFERENCES auth.users, public boolean NOT NULL, CHECK (user_id IS NOT NULL OR public)); COMMENT ON TABLE notes IS '@palisade shared: public';
CREATE POLICY s ON notes FOR SELECT USING (user_id = {uid} OR user_id IS NULL OR public);
-- case: a number that says open
CREATE TABLE notes (id int PRIMARY KEY, user_id {user}, level int NOT NULL); COMMENT ON TABLE notes IS '@palisade shared: level = 0'; CREATE POLICY s ON notes FOR SELECT USING (user_id = {uid} OR level = 0);
-- case: partitions
CREATE TABLE events (id int, user_id {user}, PRIMARY KEY (id)) PARTITION BY HASH (id); CREATE TABLE events_1 PARTITION OF events FOR VALUES WITH (MODULUS 1, REMAINDER 0); {own events};
-- case: a view that asks as its caller
CREATE TABLE notes (id int PRIMARY KEY, user_id {user}); {own notes}; CREATE VIEW my_notes WITH (security_invoker = true) AS SELECT * FROM notes;
-- case: a view with its owner's rights that asks who calls
-- tested: my_notes
CREATE TABLE notes (id int PRIMARY KEY, user_id {user}); {own notes}; CREATE VIEW my_notes AS SELECT id FROM notes WHERE user_id = auth.uid();
-- case: a number of rows and no row
-- tested: totals
CREATE TABLE notes (id int PRIMARY KEY, user_id {user}); {own notes}; CREATE VIEW totals AS SELECT count(*) FROM notes;
-- case: a function with its owner's rights that asks who calls
-- tested: my_notes()
CREATE TABLE notes (id int PRIMARY KEY, user_id {user}); {own notes};
CREATE FUNCTION my_notes() RETURNS SETOF notes LANGUAGE sql STABLE SECURITY DEFINER SET search_path = '' AS 'SELECT * FROM public.notes WHERE user_id = auth.uid()';
-- case: a function that asks as its caller
CREATE TABLE notes (id int PRIMARY KEY, user_id {user}); {own notes}; CREATE FUNCTION found_notes() RETURNS SETOF notes LANGUAGE sql STABLE SET search_path = '' AS 'SELECT * FROM public.notes';
-- case: for a time
-- tested: passes
CREATE TABLE passes (id int PRIMARY KEY, user_id {user}, until timestamptz NOT NULL); CREATE POLICY s ON passes FOR SELECT USING (user_id = {uid} AND until > now());
-- case: at most three
-- tested: notes
CREATE TABLE notes (id int PRIMARY KEY, user_id {user}); CREATE FUNCTION mine() RETURNS bigint LANGUAGE sql STABLE SECURITY DEFINER SET search_path = '' AS 'SELECT count(*) FROM public.notes WHERE user_id = auth.uid()';
CREATE POLICY s ON notes FOR SELECT USING (user_id = {uid}); CREATE POLICY i ON notes FOR INSERT WITH CHECK (user_id = {uid} AND (SELECT mine()) < 3);
-- case: a prefix of a name
-- tested: files
CREATE TABLE files (id int PRIMARY KEY, user_id {user}, name text NOT NULL); CREATE POLICY s ON files FOR SELECT USING (user_id = {uid} AND name LIKE 'a%');
-- case: an owner in JSON
-- tested: things
CREATE TABLE things (id int PRIMARY KEY, user_id {user}, data jsonb NOT NULL); CREATE POLICY s ON things FOR SELECT USING (user_id = {uid} AND data ->> 'state' = 'open');
-- case: a trigger that names the owner
-- tested: notes
CREATE TABLE notes (id int PRIMARY KEY, user_id {user});
CREATE FUNCTION take_owner() RETURNS trigger LANGUAGE plpgsql SET search_path = '' AS 'BEGIN new.user_id := auth.uid(); RETURN new; END';
CREATE TRIGGER take_owner BEFORE INSERT OR UPDATE ON notes FOR EACH ROW EXECUTE FUNCTION take_owner();
CREATE POLICY s ON notes FOR SELECT USING (user_id = {uid}); CREATE POLICY i ON notes FOR INSERT TO authenticated WITH CHECK (true);
-- case: a view in a policy
-- tested: docs
CREATE TABLE members (org_id int, user_id {user}, PRIMARY KEY (org_id, user_id)); CREATE POLICY m ON members FOR SELECT USING (user_id = {uid});
CREATE VIEW my_orgs WITH (security_invoker = true) AS SELECT org_id FROM members WHERE user_id = auth.uid();
CREATE TABLE docs (id int PRIMARY KEY, org_id int NOT NULL); COMMENT ON TABLE docs IS '@palisade tenant: org_id via members(org_id, user_id)';
CREATE POLICY p ON docs FOR SELECT USING (org_id IN (SELECT o.org_id FROM my_orgs o));
-- case: checks on columns that make no difference
CREATE DOMAIN handle AS text CHECK (VALUE ~ '^[a-z_]{2,20}$'); CREATE DOMAIN cents AS int CHECK (VALUE >= 5) NOT NULL;
CREATE TABLE notes (id int PRIMARY KEY, user_id {user}, land char(2) NOT NULL, state text NOT NULL CHECK (state IN ('draft', 'final')), who handle NOT NULL, amount cents, of numeric(3,2) NOT NULL);
CREATE POLICY p ON notes USING (user_id = {uid}) WITH CHECK (user_id = {uid});
-- case: checks that no made-up value passes
-- tested: notes
CREATE TABLE notes (id int PRIMARY KEY, user_id {user}, word text NOT NULL CHECK (word ~ '^[0-9]{7}-[a-f]{3}$')); CREATE POLICY p ON notes USING (user_id = {uid}) WITH CHECK (user_id = {uid});
-- case: a check over what makes a difference and what does not
-- tested: notes
CREATE TABLE notes (id int PRIMARY KEY, user_id uuid REFERENCES auth.users, team text, CHECK (num_nonnulls(user_id, team) = 1)); CREATE POLICY p ON notes USING (user_id = {uid}) WITH CHECK (user_id = {uid});
-- case: a team that two columns name
CREATE TABLE teams (org_id int, no int, PRIMARY KEY (org_id, no));
CREATE TABLE members (org_id int, team_no int, user_id {user}, PRIMARY KEY (org_id, team_no, user_id), FOREIGN KEY (org_id, team_no) REFERENCES teams); CREATE POLICY m ON members FOR SELECT USING (user_id = {uid});
CREATE TABLE plans (id int PRIMARY KEY, org_id int NOT NULL, team_no int NOT NULL, FOREIGN KEY (org_id, team_no) REFERENCES teams);
CREATE POLICY t ON teams FOR SELECT USING ((org_id, no) IN (SELECT m.org_id, m.team_no FROM members m WHERE m.user_id = {uid}));
CREATE POLICY p ON plans USING ((org_id, team_no) IN (SELECT m.org_id, m.team_no FROM members m WHERE m.user_id = {uid})) WITH CHECK ((org_id, team_no) IN (SELECT m.org_id, m.team_no FROM members m WHERE m.user_id = {uid}));
-- case: a member whom two columns name
CREATE TABLE orgs (id int PRIMARY KEY); CREATE TABLE members (org_id int REFERENCES orgs, user_id {user}, PRIMARY KEY (org_id, user_id)); CREATE POLICY m ON members FOR SELECT USING (user_id = {uid});
CREATE TABLE notes (id int PRIMARY KEY, org_id int NOT NULL, author_id uuid NOT NULL, FOREIGN KEY (org_id, author_id) REFERENCES members (org_id, user_id));
CREATE POLICY p ON notes USING (author_id = {uid}) WITH CHECK (author_id = {uid});
-- case: lines of an order that two columns name
CREATE TABLE orders (year int, no int, buyer {user}, PRIMARY KEY (year, no)); CREATE POLICY o ON orders FOR SELECT USING (buyer = {uid});
CREATE TABLE lines (id int PRIMARY KEY, order_year int NOT NULL, order_no int NOT NULL, FOREIGN KEY (order_year, order_no) REFERENCES orders);
CREATE POLICY l ON lines USING ((order_year, order_no) IN (SELECT o.year, o.no FROM orders o WHERE o.buyer = {uid})) WITH CHECK ((order_year, order_no) IN (SELECT o.year, o.no FROM orders o WHERE o.buyer = {uid}));
-- case: two columns that a comment says name a team
CREATE TABLE members (org_id int, team_no int, user_id {user}, PRIMARY KEY (org_id, team_no, user_id)); CREATE POLICY m ON members FOR SELECT USING (user_id = {uid});
CREATE TABLE plans (id int PRIMARY KEY, org_id int NOT NULL, team_no int NOT NULL); COMMENT ON TABLE plans IS '@palisade tenant: org_id, team_no via members(org_id, team_no, user_id)';
CREATE POLICY p ON plans FOR SELECT USING (EXISTS (SELECT FROM members m WHERE m.org_id = plans.org_id AND m.team_no = plans.team_no AND m.user_id = {uid}));
