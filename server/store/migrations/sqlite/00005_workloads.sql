-- +goose Up

CREATE TABLE workloads (
    id      INTEGER PRIMARY KEY AUTOINCREMENT, -- never given twice
    name    TEXT   NOT NULL,
    dir     TEXT   NOT NULL UNIQUE,
    filter  TEXT   NOT NULL,
    created BIGINT NOT NULL,
    images  BIGINT NOT NULL
);

CREATE TABLE images (
    workload BIGINT NOT NULL REFERENCES workloads (id) ON DELETE CASCADE,
    id       BIGINT NOT NULL,
    state    TEXT   NOT NULL,
    original TEXT   NOT NULL,
    result   TEXT   NOT NULL,
    upload   TEXT   NOT NULL,
    job      TEXT   NOT NULL,
    code     TEXT   NOT NULL, -- why it failed
    cause    TEXT   NOT NULL,
    hint     TEXT   NOT NULL,
    PRIMARY KEY (workload, id)
);
CREATE INDEX images_by_state ON images (workload, state, id);
-- What goes on is found however much has completed.
CREATE INDEX images_open ON images (state, workload) WHERE state IN ('arriving', 'waiting', 'working');
CREATE INDEX workloads_idle ON workloads (id) WHERE images = 0;

-- +goose Down
DROP TABLE images;
DROP TABLE workloads;
