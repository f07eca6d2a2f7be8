-- What operators declare: tenants, tokens, and versions of job types, sources and projects.

CREATE TABLE tenant (
    id         BLOB NOT NULL UNIQUE,
    created_at INTEGER NOT NULL,
    tenant     INTEGER PRIMARY KEY CHECK (tenant > 0),
    shard      INTEGER NOT NULL,
    name       TEXT NOT NULL UNIQUE
) STRICT;

CREATE TABLE token (
    id            BLOB PRIMARY KEY,
    created_at    INTEGER NOT NULL,
    expires_at    INTEGER,
    revoked_at    INTEGER,
    tenant        INTEGER NOT NULL,
    secret_sha256 BLOB NOT NULL UNIQUE CHECK (length(secret_sha256) = 32),
    name          TEXT NOT NULL,
    scopes        TEXT NOT NULL
) STRICT;

CREATE TABLE config (
    version INTEGER NOT NULL CHECK (version > 0),
    at      INTEGER NOT NULL,
    tenant  INTEGER NOT NULL,
    kind    TEXT NOT NULL,
    name    TEXT NOT NULL,
    doc     BLOB NOT NULL,
    PRIMARY KEY (tenant, kind, name, version)
) STRICT;
