-- The second schema: people, and what time does to alerts. For the words in braces
-- see 0001.
--
-- An event that opens an alert pays for columns of the alert, and for one entry at
-- the right edge of alert_due. All other indexes here are partial, so that it is
-- not in them, or on tables that only people and the clock write.

-- due is when the clock looks at the alert next, 0 never. held_by is why its
-- opening was not told yet, unanswered is 1 while nobody answered and it is not
-- closed.
ALTER TABLE alert ADD COLUMN due BIGINT NOT NULL DEFAULT 0;
ALTER TABLE alert ADD COLUMN team TEXT NOT NULL DEFAULT '';
ALTER TABLE alert ADD COLUMN assignee TEXT;
ALTER TABLE alert ADD COLUMN held_by TEXT;
ALTER TABLE alert ADD COLUMN unanswered BIGINT NOT NULL DEFAULT 0;

-- For the clock, in the order in which it takes them.
CREATE INDEX alert_due ON alert (due, id) WHERE due > 0;

-- For whoever ends a hold, for the page of one person, and for what nobody answers.
-- Few alerts are any of that.
CREATE INDEX alert_held ON alert (held_by) WHERE held_by IS NOT NULL;
CREATE INDEX alert_assignee ON alert (assignee) WHERE assignee IS NOT NULL;
CREATE INDEX alert_unanswered ON alert (level DESC, opened_at) WHERE unanswered = 1;

-- The index of the first page has all of its order, so that of a thousand alerts
-- that opened at once only a page is read, and the team, so that a team's page
-- passes over the alerts of others without reading them.
DROP INDEX alert_open;
CREATE INDEX alert_open ON alert (level DESC, opened_at, id, status, team) WHERE status <> 'closed';

-- Alerts are closed after fourteen days without an event. Nothing else waits for an
-- alert of the first schema.
UPDATE alert
SET due = changed_at + 1209600000
WHERE status <> 'closed';

-- From now on alerts are counted by status and level, so that a page does not count
-- what is open, and by what they are, so that a message can say whether that is new:
--
--	kind           a         b
--	alert          status    level     alerts; n of a slot may be below 0, the sum is not
--	type           type      account   alerts that were ever opened
--	route          route               alerts that it took, and when last
--	receiver       receiver            notifications delivered, and when last
--	generation                         changes to people, silences, overrides and schedules
DELETE FROM tally
WHERE kind = 'alert';
INSERT INTO tally (kind, a, b, slot, n, at)
SELECT 'alert', status, CAST(level AS TEXT), 0, COUNT(*), 0
FROM alert
GROUP BY status, level;
INSERT INTO tally (kind, a, b, slot, n, at)
SELECT 'type', type, account, 0, COUNT(*), 0
FROM alert
GROUP BY type, account;

-- person and contact say to whose address a notification goes; empty and 0 is the
-- receiver's own place. note is its text. digest is 1 for one that is sent in one
-- message with all that wait for the same place.
ALTER TABLE notification ADD COLUMN person TEXT NOT NULL DEFAULT '';
ALTER TABLE notification ADD COLUMN contact BIGINT NOT NULL DEFAULT 0;
ALTER TABLE notification ADD COLUMN note TEXT NOT NULL DEFAULT '';
ALTER TABLE notification ADD COLUMN digest BIGINT NOT NULL DEFAULT 0;

-- How much one address was sent lately, and what a person was told.
CREATE INDEX notification_contact ON notification (contact, digest, created_at) WHERE contact > 0;

-- What waits to be sent in digests, by when.
CREATE INDEX notification_digest ON notification (receiver, due) WHERE state = 'pending' AND digest = 1;

-- attempt has the attempts after which a notification was to be tried again; the
-- last one is the notification itself. n is which attempt it was.
CREATE TABLE attempt (
	notification BIGINT NOT NULL,
	n            BIGINT NOT NULL,
	at           BIGINT NOT NULL,
	took_ms      BIGINT NOT NULL,
	error        TEXT NOT NULL,
	PRIMARY KEY (notification, n)
);

-- person is as JSON, without the contact methods. Nobody is ever deleted: schedules,
-- policies and timelines go on naming them.
CREATE TABLE person (
	name    TEXT NOT NULL PRIMARY KEY,
	version BIGINT NOT NULL,
	doc     TEXT NOT NULL
);

-- contact has the contact methods. address is NULL in one that was removed, whose
-- row stays so that its id never comes to mean another address: rules and
-- notifications name it. code is JSON, or empty.
CREATE TABLE contact (
	id           {{identity}},
	person       TEXT NOT NULL,
	receiver     TEXT NOT NULL,
	address      TEXT,
	verified_at  BIGINT NOT NULL,
	disabled_why TEXT NOT NULL,
	failures     BIGINT NOT NULL,
	code         TEXT NOT NULL
);

-- Whose an address is. One may be several people's, who share a phone.
CREATE UNIQUE INDEX contact_address ON contact (receiver, address, person);
CREATE INDEX contact_person ON contact (person);

-- silence is as JSON. ends is when it ends or was ended, reported_at when its author
-- was told what it hid.
CREATE TABLE silence (
	id          {{identity}},
	version     BIGINT NOT NULL,
	ends        BIGINT NOT NULL,
	reported_at BIGINT NOT NULL,
	doc         TEXT NOT NULL
);
CREATE INDEX silence_ends ON silence (ends);
CREATE INDEX silence_unreported ON silence (ends) WHERE reported_at = 0;

-- schedule_version is the history of every schedule, which only grows: n counts from
-- 1, and a version holds from since until that of the next. doc is the definition.
CREATE TABLE schedule_version (
	name  TEXT NOT NULL,
	n     BIGINT NOT NULL,
	since BIGINT NOT NULL,
	doc   TEXT NOT NULL,
	PRIMARY KEY (name, n)
);

-- override is what people decided about stretches of schedules, as JSON. ends is
-- when it ends or was ended by ended_by, which is kept for whoever asks.
CREATE TABLE override (
	id       {{identity}},
	schedule TEXT NOT NULL,
	ends     BIGINT NOT NULL,
	ended_by TEXT NOT NULL,
	doc      TEXT NOT NULL
);
CREATE INDEX override_ends ON override (ends);

-- policy_version keeps every policy that a live alert may go by.
CREATE TABLE policy_version (
	version TEXT NOT NULL PRIMARY KEY,
	name    TEXT NOT NULL,
	doc     TEXT NOT NULL,
	at      BIGINT NOT NULL
);

-- rotation says whose turn it is at a step that goes round.
CREATE TABLE rotation (
	policy  TEXT NOT NULL,
	step    BIGINT NOT NULL,
	pointer BIGINT NOT NULL,
	PRIMARY KEY (policy, step)
);

-- inhibitor has, of each inhibition rule, the live alerts that keep others quiet.
-- fingerprint is what source and target have in common.
CREATE TABLE inhibitor (
	rule        TEXT NOT NULL,
	fingerprint TEXT NOT NULL,
	alert       BIGINT NOT NULL,
	PRIMARY KEY (rule, fingerprint, alert)
);
CREATE INDEX inhibitor_alert ON inhibitor (alert);

-- episode is what became of an alert from its opening to its close, for reports. n
-- counts an alert's episodes from 1.
CREATE TABLE episode (
	alert        BIGINT NOT NULL,
	n            BIGINT NOT NULL,
	opened_at    BIGINT NOT NULL,
	accepted_at  BIGINT NOT NULL,
	told_at      BIGINT NOT NULL,
	acked_at     BIGINT NOT NULL,
	closed_at    BIGINT NOT NULL,
	level        BIGINT NOT NULL,
	rule         TEXT NOT NULL,
	type         TEXT NOT NULL,
	account      TEXT NOT NULL,
	team         TEXT NOT NULL,
	reason       TEXT NOT NULL,
	highest_step BIGINT NOT NULL,
	unanswered   BIGINT NOT NULL,
	suppressed   BIGINT NOT NULL,
	sample       BIGINT NOT NULL,
	PRIMARY KEY (alert, n)
);
CREATE INDEX episode_opened ON episode (opened_at);

-- used_token has the single-use links that were used, until they expire anyway.
CREATE TABLE used_token (
	id      TEXT NOT NULL PRIMARY KEY,
	expires BIGINT NOT NULL
);
