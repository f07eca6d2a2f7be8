-- What operators declare: tenants, tokens, and versions of job types, sources and projects.

CREATE TABLE tenant (
    id         uuid NOT NULL UNIQUE,
    created_at int8 NOT NULL,
    tenant     int4 PRIMARY KEY CHECK (tenant > 0),
    shard      int4 NOT NULL,
    name       text COLLATE "C" NOT NULL UNIQUE
);

CREATE TABLE token (
    id            uuid PRIMARY KEY,
    created_at    int8 NOT NULL,
    expires_at    int8,
    revoked_at    int8,
    tenant        int4 NOT NULL,
    secret_sha256 bytea NOT NULL UNIQUE CHECK (length(secret_sha256) = 32),
    name          text NOT NULL,
    scopes        text NOT NULL
);

CREATE TABLE config (
    version int8 NOT NULL CHECK (version > 0),
    at      int8 NOT NULL,
    tenant  int4 NOT NULL,
    kind    text COLLATE "C" NOT NULL,
    name    text COLLATE "C" NOT NULL,
    doc     bytea NOT NULL,
    PRIMARY KEY (tenant, kind, name, version)
);
