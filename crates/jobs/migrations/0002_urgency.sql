-- What goes first when more is due than hands are free: an alert does not wait behind a thousand invitations and a slow mail server.
--
-- What a node of an older version enqueues, which knows no urgency, is as urgent as most.

ALTER TABLE jobs.queue ADD COLUMN urgency smallint NOT NULL DEFAULT 2;
ALTER TABLE jobs.dead ADD COLUMN urgency smallint NOT NULL DEFAULT 2;
CREATE INDEX queue_urgency ON jobs.queue (urgency, run_at);
