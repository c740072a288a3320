-- +goose Up

-- What happened to a job's inputs: how long each took to split and to join.
CREATE TABLE steps (
    job    INTEGER NOT NULL REFERENCES jobs (seq),
    number INTEGER NOT NULL,
    step   TEXT    NOT NULL, -- JSON
    PRIMARY KEY (job, number)
) WITHOUT ROWID;

-- +goose Down
DROP TABLE steps;
