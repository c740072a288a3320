-- +goose Up

-- What happened to a job's inputs: how long each took to split and to join.
CREATE TABLE steps (
    job    BIGINT NOT NULL REFERENCES jobs (seq),
    number BIGINT NOT NULL,
    step   TEXT   NOT NULL, -- JSON
    PRIMARY KEY (job, number)
);

-- +goose Down
DROP TABLE steps;
