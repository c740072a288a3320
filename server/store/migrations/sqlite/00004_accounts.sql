-- +goose Up

CREATE TABLE users (
    name     TEXT   NOT NULL PRIMARY KEY,
    role     TEXT   NOT NULL,
    password TEXT   NOT NULL, -- its hash, argon2id as a PHC string
    created  BIGINT NOT NULL
);

CREATE TABLE tokens (
    hash    BLOB  NOT NULL PRIMARY KEY, -- SHA-256 of the token
    name    TEXT   NOT NULL REFERENCES users (name) ON DELETE CASCADE,
    scope   TEXT   NOT NULL,
    created BIGINT NOT NULL,
    expires BIGINT NOT NULL
);
CREATE INDEX tokens_by_user ON tokens (name);
CREATE INDEX tokens_by_end ON tokens (expires);

-- +goose Down
DROP TABLE tokens;
DROP TABLE users;
