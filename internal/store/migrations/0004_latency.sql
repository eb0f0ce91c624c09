-- The fourth schema: when what happened on the way from an activity to a person.

-- latency has a row of each opening of an alert: id is 256 times the alert's and which
-- opening of it it is, from 1. A time is 0 while it has not happened, or where the
-- sender does not say. what is account, region, route and source, a line each.
--
-- An event that opens an alert pays for this row at the right edge of the table and for
-- no index: first openings stand in the order in which they opened, so that a period is
-- found by halving.
CREATE TABLE latency (
	id          {{identity}},
	opened_at   BIGINT NOT NULL,
	activity_at BIGINT NOT NULL,
	created_at  BIGINT NOT NULL,
	event_at    BIGINT NOT NULL,
	received_at BIGINT NOT NULL,
	told_at     BIGINT NOT NULL,
	acked_at    BIGINT NOT NULL,
	level       BIGINT NOT NULL,
	what        TEXT NOT NULL
);

-- Alerts that open again are few, and their ids say nothing of when.
CREATE INDEX latency_again ON latency (opened_at) WHERE id % 256 > 1;
