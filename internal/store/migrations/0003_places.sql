-- The third schema: which findings the journal has, and what is known of places. For
-- the words in braces see 0001.

-- finding is the first eight bytes of the SHA-256 of the finding's key, as a number,
-- and version the time of its last change; NULL where the event is no finding, or is
-- older than this schema. Findings that never arrived are found by what is not here.
ALTER TABLE event ADD COLUMN finding BIGINT;
ALTER TABLE event ADD COLUMN version BIGINT;

CREATE INDEX event_finding ON event (finding) WHERE finding IS NOT NULL;

-- What sources saw of accounts and regions: of each kind the newest. doc is JSON.
CREATE TABLE sighting (
	kind    TEXT NOT NULL,
	source  TEXT NOT NULL,
	account TEXT NOT NULL,
	region  TEXT NOT NULL,
	doc     TEXT NOT NULL,
	PRIMARY KEY (kind, source, account, region)
);

-- Events that tocsin sent to itself. arrived_at is 0 while one is out.
CREATE TABLE canary (
	id         TEXT NOT NULL PRIMARY KEY,
	source     TEXT NOT NULL,
	account    TEXT NOT NULL,
	region     TEXT NOT NULL,
	sample     TEXT NOT NULL,
	sent_at    BIGINT NOT NULL,
	due        BIGINT NOT NULL,
	arrived_at BIGINT NOT NULL,
	path       TEXT NOT NULL,
	error      TEXT NOT NULL
);

CREATE INDEX canary_place ON canary (source, account, region, sent_at);
CREATE INDEX canary_sample ON canary (account, region, sample) WHERE sample <> '';
