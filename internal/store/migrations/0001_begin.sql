-- The first schema. {{identity}} is a primary key that the database hands out,
-- {{blob}} is the type of bytes, and a statement that begins with the name of a
-- database is for that one alone. Times are milliseconds since 1970, 0 is none.
--
-- On indexes: thousands of events a second are written and few are read, so an
-- index is here only where a read would otherwise walk a table without end. One
-- that grows at its right edge is cheap; one that is hit anywhere (event_delivery,
-- alert_key) costs a page of the write-ahead log for nearly each row, once it is
-- large.

-- event is what the journal knows of an event. Its bytes are size bytes from start
-- on in a chunk: lists and filters walk event from the newest row down, some 200
-- bytes a row instead of pages with the bytes in between. That is why source,
-- verdict, account, region, type and rule have no index. A period is found by
-- event_hour. did is what the event did to its alert, for the timeline.
CREATE TABLE event (
	seq         {{identity}},
	received_at BIGINT NOT NULL,
	source      TEXT NOT NULL,
	via         TEXT NOT NULL,
	envelope    TEXT NOT NULL,
	verdict     TEXT NOT NULL,
	reason      TEXT NOT NULL,
	did         TEXT NOT NULL,
	rule        TEXT NOT NULL,
	alert       BIGINT NOT NULL,
	deliveries  BIGINT NOT NULL,
	size        BIGINT NOT NULL,
	type        TEXT NOT NULL,
	account     TEXT NOT NULL,
	region      TEXT NOT NULL,
	level       BIGINT NOT NULL,
	chunk       BIGINT NOT NULL,
	start       BIGINT NOT NULL,
	delivery    {{blob}}
);

-- What makes a redelivery known. Events without an identity are not in it.
CREATE UNIQUE INDEX event_delivery ON event (delivery) WHERE delivery IS NOT NULL;

-- For an alert's events and its timeline. Most events open no alert and cost
-- nothing here.
CREATE INDEX event_alert ON event (alert) WHERE alert > 0;

-- chunk has the bytes exactly as they were sent: those of all events that were
-- written together, one after the other, compressed as one S2 block
-- (https://github.com/google/snappy/blob/main/format_description.txt, with the
-- extensions of https://github.com/klauspost/compress/tree/master/s2). Findings
-- of one moment resemble each other, and a row of its own would cost each of them
-- a page or two, which are written twice.
CREATE TABLE chunk (
	id    {{identity}},
	bytes {{blob}} NOT NULL
);

-- They are compressed already.
{{postgres}} ALTER TABLE chunk ALTER COLUMN bytes SET STORAGE EXTERNAL;

-- event_hour says between which rows lie the events that were received in an
-- hour (received_at / 3600000): one row an hour and slot instead of an index
-- entry an event. For slot see tally.
CREATE TABLE event_hour (
	hour      BIGINT NOT NULL,
	slot      BIGINT NOT NULL,
	first_seq BIGINT NOT NULL,
	last_seq  BIGINT NOT NULL,
	PRIMARY KEY (hour, slot)
);

-- tally counts what would take too long to count when asked. n only ever grows;
-- at is when it last did. slot spreads the rows that every transaction writes
-- over replicas, so that they do not wait for each other; a count is the sum
-- over slots. SQLite has slot 0 alone.
--
--	kind           a         b
--	verdict        verdict             events, redeliveries under duplicate
--	source         source              events
--	place          account   region    events
--	alert                              alerts, closed ones included
--	notification   state               notifications that are settled
CREATE TABLE tally (
	kind TEXT NOT NULL,
	a    TEXT NOT NULL,
	b    TEXT NOT NULL,
	slot BIGINT NOT NULL,
	n    BIGINT NOT NULL,
	at   BIGINT NOT NULL,
	PRIMARY KEY (kind, a, b, slot)
);

-- alert has columns for what is filtered and sorted by, and the alert as JSON.
-- search is lower case.
CREATE TABLE alert (
	id          {{identity}},
	key         TEXT NOT NULL,
	live        BIGINT,
	version     BIGINT NOT NULL,
	status      TEXT NOT NULL,
	level       BIGINT NOT NULL,
	severity    DOUBLE PRECISION NOT NULL,
	account     TEXT NOT NULL,
	region      TEXT NOT NULL,
	type        TEXT NOT NULL,
	opened_at   BIGINT NOT NULL,
	changed_at  BIGINT NOT NULL,
	occurrences BIGINT NOT NULL,
	search      TEXT NOT NULL,
	doc         TEXT NOT NULL
);

-- At most one alert of a key is not closed: live is 1 until then and NULL after,
-- and NULLs are never equal. One index so both keeps that promise and finds the
-- latest alert of a key, closed or not; a partial one would need a second beside it.
CREATE UNIQUE INDEX alert_key ON alert (key, live);

-- What is not closed, in the order of the first page; also counts it.
CREATE INDEX alert_open ON alert (level DESC, opened_at, status) WHERE status <> 'closed';

-- timeline has what people did to alerts; what events did is in event. It is read
-- by alert, in the order of id.
CREATE TABLE timeline (
	id    {{identity}},
	alert BIGINT NOT NULL,
	at    BIGINT NOT NULL,
	kind  TEXT NOT NULL,
	who   TEXT NOT NULL,
	note  TEXT NOT NULL
);
CREATE INDEX timeline_alert ON timeline (alert);

-- notification is the outbox. leased is 1 while somebody tries to deliver it,
-- which due alone cannot tell from waiting for the next attempt.
CREATE TABLE notification (
	id         {{identity}},
	alert      BIGINT NOT NULL,
	receiver   TEXT NOT NULL,
	kind       TEXT NOT NULL,
	why        TEXT NOT NULL,
	changes    TEXT NOT NULL,
	state      TEXT NOT NULL,
	created_at BIGINT NOT NULL,
	deadline   BIGINT NOT NULL,
	due        BIGINT NOT NULL,
	leased     BIGINT NOT NULL,
	attempts   BIGINT NOT NULL,
	settled_at BIGINT NOT NULL,
	ref        TEXT NOT NULL,
	last_error TEXT NOT NULL
);

-- What is owed, by when. Settled rows leave it.
CREATE INDEX notification_due ON notification (receiver, due) WHERE state = 'pending';

-- An alert's notifications: for its page, for the ref of its thread, and for the
-- oldest that is pending.
CREATE INDEX notification_alert ON notification (alert, receiver);

-- memory keeps small values by name.
CREATE TABLE memory (
	name  TEXT NOT NULL PRIMARY KEY,
	value {{blob}} NOT NULL
);
