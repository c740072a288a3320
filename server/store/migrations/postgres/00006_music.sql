-- +goose Up

CREATE TABLE music (
    id        BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY, -- never used again
    name      TEXT   NOT NULL,
    band      TEXT   NOT NULL,
    file      TEXT   NOT NULL,
    bytes     BIGINT NOT NULL,
    created   BIGINT NOT NULL,
    chosen    INTEGER NOT NULL, -- a bit for each track
    job       TEXT   NOT NULL,
    separated INTEGER NOT NULL, -- 0 or 1
    mixed     INTEGER NOT NULL,
    error     TEXT   NOT NULL -- JSON, or empty
);

CREATE TABLE music_parts (
    music  BIGINT NOT NULL REFERENCES music (id) ON DELETE CASCADE,
    number INTEGER NOT NULL,
    bytes  BIGINT NOT NULL,
    took   BIGINT NOT NULL, -- nanoseconds
    PRIMARY KEY (music, number)
);

-- +goose Down
DROP TABLE music_parts;
DROP TABLE music;
