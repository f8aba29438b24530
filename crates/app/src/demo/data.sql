-- The demo data set, one team at a time: $TEAM is the team's number. The same numbers give the same rows on every
-- machine: everything is arithmetic on row numbers, and "today" only moves the dates.
--
-- Rows per team: 1 team, 20 members, 10 projects, 400 tasks, 1000 comments, 8 tags, 500 tags on tasks.

insert into public.teams (id, name, slug, settings) values (
    $TEAM,
    (array['Harbour', 'Granite', 'Juniper', 'Lantern', 'Meridian', 'Orchard', 'Quarry', 'Saltmarsh', 'Thistle', 'Vesper'])
        [1 + $TEAM % 10] || ' ' || (array['Works', 'Studio', 'Lab', 'Guild', 'Office', 'Yard'])[1 + $TEAM % 6]
        || ' ' || $TEAM,
    'team-' || $TEAM,
    jsonb_build_object('week_starts_on', (array['monday', 'sunday'])[1 + $TEAM % 2], 'points', $TEAM % 3 = 0)
);

insert into public.members (id, team_id, name, role, joined_at)
select ($TEAM - 1) * 20 + n, $TEAM,
    (array['Ada', 'Bo', 'Cem', 'Dita', 'Eli', 'Fay', 'Gus', 'Hana', 'Ivo', 'June'])[1 + (n * 7 + $TEAM) % 10] || ' '
        || (array['Arden', 'Birch', 'Castell', 'Dorn', 'Ekwall', 'Fenn', 'Grove', 'Holm', 'Ilves', 'Jarvi', 'Keel'])
        [1 + (n * 5 + $TEAM * 3) % 11],
    (case when n = 1 then 'owner' when n <= 12 then 'editor' else 'viewer' end)::public.member_role,
    date_trunc('day', now()) - make_interval(days => 400 - n * 3)
from generate_series(1, 20) n;

update public.teams set lead_id = ($TEAM - 1) * 20 + 1 where id = $TEAM;

insert into public.projects (id, team_id, name, description, archived, settings, created_at)
select ($TEAM - 1) * 10 + n, $TEAM,
    (array['Website', 'Billing', 'Mobile app', 'Search', 'Onboarding', 'Reports', 'Migration', 'Support desk', 'Research', 'Hiring'])[n]
        || ' ' || (2020 + ($TEAM + n) % 7),
    'What the team agreed on in week ' || (1 + ($TEAM * 13 + n * 7) % 52) || '.',
    n = 10 and $TEAM % 4 = 0,
    jsonb_build_object('color', '#' || lpad(to_hex(($TEAM * 7919 + n * 104729) % 16777216), 6, '0'), 'sprint_days', 7 * (1 + n % 2)),
    date_trunc('day', now()) - make_interval(days => 380 - n * 9)
from generate_series(1, 10) n;

insert into public.tasks (id, project_id, parent_id, author_id, assignee_id, title, body, status, priority, due_on, details, created_at, updated_at)
select ($TEAM - 1) * 400 + n, ($TEAM - 1) * 10 + 1 + (n - 1) / 40,
    -- Every eighth task belongs to the one that opened its block of eight.
    case when n % 8 = 0 then ($TEAM - 1) * 400 + n - 7 end,
    ($TEAM - 1) * 20 + 1 + n * 7 % 20,
    case when n % 5 > 0 then ($TEAM - 1) * 20 + 1 + n * 11 % 20 end,
    (array['Draft', 'Review', 'Fix', 'Measure', 'Ship', 'Explain', 'Retire', 'Compare', 'Automate', 'Test'])[1 + n % 10] || ' the '
        || (array['sign-in page', 'invoice export', 'search index', 'nightly backup', 'welcome mail', 'price table', 'error pages', 'audit report', 'mobile layout', 'import wizard', 'status board'])
        [1 + (n * 3 + $TEAM) % 11],
    'Asked for by ' || (array['support', 'sales', 'a customer', 'the board', 'nobody in particular'])[1 + (n + $TEAM) % 5]
        || '; done when ' || (array['it is measured', 'two people agree', 'the tests say so', 'it is written down'])[1 + n % 4] || '.',
    (array['open', 'active', 'blocked', 'done', 'done', 'open'])[1 + (n * 13 + $TEAM) % 6]::public.task_status,
    1 + n * 3 % 5,
    case when n % 3 > 0 then current_date + (n * 17 + $TEAM) % 120 - 60 end,
    jsonb_build_object('points', 1 + n % 8, 'source', (array['web', 'mail', 'phone'])[1 + n % 3], 'watchers', jsonb_build_array(n % 20, (n + 3) % 20)),
    date_trunc('day', now()) - make_interval(days => 1 + (400 - n) / 2),
    date_trunc('day', now()) - make_interval(days => (400 - n) / 4)
from generate_series(1, 400) n;

insert into public.comments (id, task_id, author_id, body, created_at)
select ($TEAM - 1) * 1000 + n, ($TEAM - 1) * 400 + 1 + n * 37 % 400, ($TEAM - 1) * 20 + 1 + n * 3 % 20,
    (array['Looks right to me.', 'Can we split this?', 'Blocked until Thursday.', 'Done, see the notes.', 'Who owns the follow-up?', 'I would start smaller.', 'Agreed.'])[1 + n % 7],
    date_trunc('day', now()) - make_interval(hours => 2000 - n)
from generate_series(1, 1000) n;

insert into public.tags (id, team_id, name, color)
select ($TEAM - 1) * 8 + n, $TEAM,
    (array['bug', 'idea', 'urgent', 'waiting', 'customer', 'design', 'security', 'chore'])[n],
    (array['#c0392b', '#2980b9', '#d35400', '#7f8c8d', '#27ae60', '#8e44ad', '#16a085', '#2c3e50'])[n]
from generate_series(1, 8) n;

insert into public.task_tags (task_id, tag_id)
select ($TEAM - 1) * 400 + 1 + (n - 1) % 400, ($TEAM - 1) * 8 + 1 + (n * 3 + (n - 1) / 400) % 8
from generate_series(1, 500) n;
