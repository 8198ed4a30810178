-- People: how they prove who they are, their sessions, links that work once, invitations.

ALTER TABLE users ADD COLUMN email_verified_at_us BIGINT;
ALTER TABLE users ADD COLUMN disabled_at_us BIGINT;
-- Whoever is there was made by an operator, who vouched for the address.
UPDATE users SET email_verified_at_us = created_at_us;

-- A session that ended has no row.
CREATE TABLE sessions (
    id                  TEXT   NOT NULL PRIMARY KEY,
    digest              BYTEA  NOT NULL UNIQUE,
    user_id             TEXT   NOT NULL REFERENCES users (id),
    organization_id     TEXT   REFERENCES organizations (id),
    device              TEXT   NOT NULL,
    address             TEXT,
    created_at_us       BIGINT NOT NULL,
    seen_at_us          BIGINT NOT NULL,
    authenticated_at_us BIGINT NOT NULL
);
CREATE INDEX sessions_of_user ON sessions (user_id, created_at_us, id);
CREATE INDEX sessions_by_age ON sessions (created_at_us);

-- A link that was used has no row. `detail` is sealed JSON where a purpose needs more than the columns.
CREATE TABLE one_time_links (
    id             TEXT   NOT NULL PRIMARY KEY,
    digest         BYTEA  NOT NULL UNIQUE,
    purpose        TEXT   NOT NULL CHECK (purpose IN ('setup', 'password_reset', 'email_verification', 'email_change')),
    user_id        TEXT   REFERENCES users (id),
    email          TEXT   NOT NULL,
    detail_sealed  BYTEA,
    created_at_us  BIGINT NOT NULL,
    expires_at_us  BIGINT NOT NULL
);
CREATE INDEX one_time_links_of_user ON one_time_links (user_id, purpose);
CREATE INDEX one_time_links_by_end ON one_time_links (expires_at_us);

-- What a person has begun and is to finish. One that was finished has no row.
CREATE TABLE pending_acts (
    id            TEXT   NOT NULL PRIMARY KEY,
    digest        BYTEA  NOT NULL UNIQUE,
    purpose       TEXT   NOT NULL CHECK (purpose IN ('second_factor', 'passkey_registration', 'passkey_sign_in')),
    user_id       TEXT   REFERENCES users (id),
    state_sealed  BYTEA,
    failures      BIGINT NOT NULL CHECK (failures >= 0),
    expires_at_us BIGINT NOT NULL
);
CREATE INDEX pending_acts_of_user ON pending_acts (user_id);
CREATE INDEX pending_acts_by_end ON pending_acts (expires_at_us);

-- `last_step` is the newest time step of which a code was accepted.
CREATE TABLE authenticators (
    user_id         TEXT   NOT NULL PRIMARY KEY REFERENCES users (id),
    secret_sealed   BYTEA  NOT NULL,
    sealed_version  BIGINT NOT NULL,
    last_step       BIGINT NOT NULL,
    created_at_us   BIGINT NOT NULL,
    confirmed_at_us BIGINT
);

CREATE TABLE recovery_codes (
    id      TEXT  NOT NULL PRIMARY KEY,
    user_id TEXT  NOT NULL REFERENCES users (id),
    digest  BYTEA NOT NULL,
    UNIQUE (user_id, digest)
);

CREATE TABLE passkeys (
    id              TEXT   NOT NULL PRIMARY KEY,
    user_id         TEXT   NOT NULL REFERENCES users (id),
    credential_id   BYTEA  NOT NULL UNIQUE,
    name            TEXT   NOT NULL,
    credential      TEXT   NOT NULL,
    sign_count      BIGINT NOT NULL CHECK (sign_count >= 0),
    created_at_us   BIGINT NOT NULL,
    last_used_at_us BIGINT
);
CREATE INDEX passkeys_of_user ON passkeys (user_id, created_at_us, id);

-- An invitation that was accepted or revoked has no row.
CREATE TABLE invitations (
    id              TEXT   NOT NULL PRIMARY KEY,
    digest          BYTEA  NOT NULL UNIQUE,
    organization_id TEXT   NOT NULL REFERENCES organizations (id),
    email           TEXT   NOT NULL,
    role            TEXT   NOT NULL CHECK (role IN ('owner', 'admin', 'api_developer', 'app_developer', 'viewer')),
    invited_by      TEXT   NOT NULL,
    created_at_us   BIGINT NOT NULL,
    expires_at_us   BIGINT NOT NULL,
    UNIQUE (organization_id, email)
);
CREATE INDEX invitations_by_age ON invitations (organization_id, created_at_us, id);
CREATE INDEX invitations_by_end ON invitations (expires_at_us);
