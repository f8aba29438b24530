-- After the last team: the next row gets the next number, and the planner knows what it deals with.
select setval(pg_get_serial_sequence('public.teams', 'id'), (select max(id) from public.teams)),
    setval(pg_get_serial_sequence('public.members', 'id'), (select max(id) from public.members)),
    setval(pg_get_serial_sequence('public.projects', 'id'), (select max(id) from public.projects)),
    setval(pg_get_serial_sequence('public.tasks', 'id'), (select max(id) from public.tasks)),
    setval(pg_get_serial_sequence('public.comments', 'id'), (select max(id) from public.comments)),
    setval(pg_get_serial_sequence('public.tags', 'id'), (select max(id) from public.tags));
analyze public.teams, public.members, public.projects, public.tasks, public.comments, public.tags, public.task_tags;
