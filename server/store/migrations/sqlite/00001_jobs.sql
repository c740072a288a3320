-- +goose Up

-- Times are nanoseconds since 1970 (0: none), leases milliseconds by the
-- database's clock, durations nanoseconds.
CREATE TABLE jobs (
    seq         INTEGER PRIMARY KEY AUTOINCREMENT, -- the order of submission
    id          TEXT    NOT NULL UNIQUE,
    spec        TEXT    NOT NULL,                  -- JSON, without id and source
    source      BLOB    NOT NULL,
    base        BLOB    NOT NULL,
    priority    INTEGER NOT NULL,
    keep        INTEGER NOT NULL,
    owner       TEXT    NOT NULL,
    lease       INTEGER NOT NULL,                  -- until when
    epoch       INTEGER NOT NULL,
    retried     INTEGER NOT NULL,                  -- the epoch of the last retry
    cancelling  INTEGER NOT NULL,                  -- 1: somebody asked for its end
    state       TEXT    NOT NULL,                  -- of package job, or expired: being deleted
    version     INTEGER NOT NULL,
    created     INTEGER NOT NULL,
    started     INTEGER NOT NULL,
    finished    INTEGER NOT NULL,
    deadline    INTEGER NOT NULL,
    total       INTEGER NOT NULL,
    skipped     INTEGER NOT NULL,
    done        INTEGER NOT NULL,
    failed      INTEGER NOT NULL,
    quarantined INTEGER NOT NULL,
    err         TEXT    NOT NULL                   -- JSON, or empty
);
CREATE INDEX jobs_by_state ON jobs (state, seq);

-- The names of count tasks from the index first on, each ended by a NUL.
CREATE TABLE pages (
    job   INTEGER NOT NULL REFERENCES jobs (seq),
    first INTEGER NOT NULL,
    count INTEGER NOT NULL,
    names BLOB    NOT NULL,
    PRIMARY KEY (job, first)
);

-- How tasks ended. A task without a row is to be done.
CREATE TABLE outcomes (
    job      INTEGER NOT NULL,
    idx      INTEGER NOT NULL,
    state    TEXT    NOT NULL,
    at       INTEGER NOT NULL,
    attempts INTEGER NOT NULL, -- taken by a node
    number   INTEGER NOT NULL, -- of the last attempt; 0: none
    last     TEXT    NOT NULL, -- JSON of the last attempt, or empty
    nodes    TEXT    NOT NULL, -- JSON of the nodes that did not do it, or empty
    PRIMARY KEY (job, idx)
) WITHOUT ROWID;
CREATE INDEX outcomes_undone ON outcomes (job, idx) WHERE state <> 'done';

-- What nodes took and did not do, of tasks without an outcome or with a later one.
CREATE TABLE attempts (
    job     INTEGER NOT NULL,
    idx     INTEGER NOT NULL,
    epoch   INTEGER NOT NULL,
    number  INTEGER NOT NULL,
    attempt TEXT    NOT NULL, -- JSON
    PRIMARY KEY (job, idx, epoch, number)
) WITHOUT ROWID;

CREATE TABLE tallies (
    job      INTEGER NOT NULL REFERENCES jobs (seq),
    node     TEXT    NOT NULL,
    done     INTEGER NOT NULL,
    rejected INTEGER NOT NULL,
    delayed  INTEGER NOT NULL,
    failed   INTEGER NOT NULL,
    busy     INTEGER NOT NULL,
    PRIMARY KEY (job, node)
) WITHOUT ROWID;

-- +goose Down
DROP TABLE tallies;
DROP TABLE attempts;
DROP TABLE outcomes;
DROP TABLE pages;
DROP TABLE jobs;
