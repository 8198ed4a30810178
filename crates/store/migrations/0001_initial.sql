-- Runs unchanged on SQLite and PostgreSQL: TEXT, BIGINT and BYTEA alone. Migrations go forward only, and an
-- older program must still run on what a newer one migrated: add, fill, and remove one release later.

CREATE TABLE schema_versions (
    version       BIGINT NOT NULL PRIMARY KEY,
    checksum      TEXT   NOT NULL,
    applied_at_us BIGINT NOT NULL
);

CREATE TABLE settings (
    name          TEXT   NOT NULL PRIMARY KEY,
    value         TEXT   NOT NULL,
    changed_at_us BIGINT NOT NULL
);

-- Which key sealed what is sealed: its id, and something sealed to try it on.
CREATE TABLE master_keys (
    id            TEXT   NOT NULL PRIMARY KEY,
    check_value   BYTEA  NOT NULL,
    created_at_us BIGINT NOT NULL
);

-- One row, updated as the last thing before COMMIT, so that numbers become visible in order and without gaps.
-- `epoch` is random: another one means another database.
CREATE TABLE change_counter (
    id    BIGINT NOT NULL PRIMARY KEY CHECK (id = 1),
    seq   BIGINT NOT NULL CHECK (seq >= 0),
    epoch BIGINT NOT NULL
);

CREATE TABLE changes (
    seq         BIGINT NOT NULL PRIMARY KEY,
    stamp       BIGINT NOT NULL,
    entity_kind TEXT   NOT NULL,
    entity_id   TEXT   NOT NULL,
    at_us       BIGINT NOT NULL
);
CREATE INDEX changes_of_entity ON changes (entity_kind, entity_id, seq);

CREATE TABLE organizations (
    id            TEXT   NOT NULL PRIMARY KEY,
    name          TEXT   NOT NULL,
    address       TEXT   NOT NULL,
    country_code  TEXT   NOT NULL,
    phone_number  TEXT   NOT NULL,
    website       TEXT   NOT NULL,
    contact_email TEXT   NOT NULL,
    state         TEXT   NOT NULL CHECK (state IN ('active', 'suspended')),
    created_at_us BIGINT NOT NULL,
    version       BIGINT NOT NULL CHECK (version >= 1)
);
CREATE INDEX organizations_by_age ON organizations (created_at_us, id);

CREATE TABLE organization_namespaces (
    namespace       TEXT NOT NULL PRIMARY KEY,
    organization_id TEXT NOT NULL REFERENCES organizations (id)
);
CREATE INDEX organization_namespaces_of ON organization_namespaces (organization_id);

-- The first segment of gateway paths belongs to one organization.
CREATE TABLE path_roots (
    first_segment   TEXT NOT NULL PRIMARY KEY,
    organization_id TEXT NOT NULL REFERENCES organizations (id)
);

CREATE TABLE users (
    id                TEXT   NOT NULL PRIMARY KEY,
    email             TEXT   NOT NULL UNIQUE,
    full_name         TEXT   NOT NULL,
    password_hash     TEXT,
    operator_since_us BIGINT,
    created_at_us     BIGINT NOT NULL,
    version           BIGINT NOT NULL CHECK (version >= 1)
);
CREATE INDEX users_by_age ON users (created_at_us, id);

CREATE TABLE memberships (
    user_id         TEXT NOT NULL REFERENCES users (id),
    organization_id TEXT NOT NULL REFERENCES organizations (id),
    role            TEXT NOT NULL CHECK (role IN ('owner', 'admin', 'api_developer', 'app_developer', 'viewer')),
    PRIMARY KEY (user_id, organization_id)
);
CREATE INDEX memberships_of_organization ON memberships (organization_id);

CREATE TABLE management_tokens (
    id            TEXT   NOT NULL PRIMARY KEY,
    user_id       TEXT   NOT NULL REFERENCES users (id),
    name          TEXT   NOT NULL,
    digest        BYTEA  NOT NULL UNIQUE,
    hint          TEXT   NOT NULL,
    created_at_us BIGINT NOT NULL,
    expires_at_us BIGINT
);
CREATE INDEX management_tokens_of_user ON management_tokens (user_id);

-- `id_key` is the form under which snapshots index the client.
CREATE TABLE clients (
    id               TEXT   NOT NULL PRIMARY KEY,
    id_key           BYTEA  NOT NULL UNIQUE,
    owner_kind       TEXT   NOT NULL CHECK (owner_kind IN ('app', 'api')),
    owner_id         TEXT   NOT NULL,
    organization_id  TEXT   NOT NULL REFERENCES organizations (id),
    state            TEXT   NOT NULL CHECK (state IN ('enabled', 'disabled', 'deleted')),
    generation       BIGINT NOT NULL CHECK (generation BETWEEN 0 AND 4294967295),
    token_lifetime_s BIGINT NOT NULL CHECK (token_lifetime_s BETWEEN 1 AND 86400),
    created_at_us    BIGINT NOT NULL,
    UNIQUE (owner_kind, owner_id)
);

CREATE TABLE client_secrets (
    id                TEXT   NOT NULL PRIMARY KEY,
    client_id         TEXT   NOT NULL REFERENCES clients (id),
    digest            BYTEA  NOT NULL,
    hint              TEXT   NOT NULL,
    created_at_us     BIGINT NOT NULL,
    expires_at_us     BIGINT,
    compromised_at_us BIGINT,
    last_used_at_us   BIGINT,
    last_used_from    TEXT,
    UNIQUE (client_id, digest)
);

CREATE TABLE deprecated_issuer_use (
    client_id   TEXT   NOT NULL PRIMARY KEY REFERENCES clients (id),
    first_at_us BIGINT NOT NULL,
    last_at_us  BIGINT NOT NULL,
    uses        BIGINT NOT NULL CHECK (uses >= 1)
);
CREATE INDEX deprecated_issuer_use_by_age ON deprecated_issuer_use (first_at_us, client_id);

-- A deleted API keeps its row, so that its identifier is never given to another.
CREATE TABLE apis (
    id              TEXT   NOT NULL PRIMARY KEY,
    organization_id TEXT   NOT NULL REFERENCES organizations (id),
    name            TEXT   NOT NULL,
    description     TEXT   NOT NULL,
    client_id       TEXT   NOT NULL UNIQUE REFERENCES clients (id),
    visibility      TEXT   NOT NULL CHECK (visibility IN ('public', 'private')),
    state           TEXT   NOT NULL CHECK (state IN ('living', 'deleted')),
    created_at_us   BIGINT NOT NULL,
    version         BIGINT NOT NULL CHECK (version >= 1)
);
CREATE INDEX apis_by_age ON apis (created_at_us, id);

CREATE TABLE api_shares (
    api_id          TEXT NOT NULL REFERENCES apis (id),
    organization_id TEXT NOT NULL REFERENCES organizations (id),
    PRIMARY KEY (api_id, organization_id)
);

CREATE TABLE api_instances (
    id                   TEXT   NOT NULL PRIMARY KEY,
    api_id               TEXT   NOT NULL REFERENCES apis (id),
    organization_id      TEXT   NOT NULL REFERENCES organizations (id),
    environment          TEXT   NOT NULL CHECK (environment IN ('production', 'test', 'dev')),
    namespace            TEXT   NOT NULL,
    base_path            TEXT   NOT NULL,
    prefix               TEXT   NOT NULL UNIQUE,
    version              TEXT   NOT NULL,
    target_url           TEXT   NOT NULL,
    policy               TEXT   NOT NULL,
    test_subscription_id TEXT   NOT NULL,
    spec                 TEXT,
    simulations          TEXT   NOT NULL,
    created_at_us        BIGINT NOT NULL,
    edit_version         BIGINT NOT NULL CHECK (edit_version >= 1)
);
CREATE INDEX api_instances_of_api ON api_instances (api_id, created_at_us, id);

CREATE TABLE apps (
    id                   TEXT   NOT NULL PRIMARY KEY,
    organization_id      TEXT   NOT NULL REFERENCES organizations (id),
    name                 TEXT   NOT NULL,
    description          TEXT   NOT NULL,
    website              TEXT   NOT NULL,
    callback_url         TEXT   NOT NULL,
    client_id            TEXT   NOT NULL UNIQUE REFERENCES clients (id),
    test_subscription_id TEXT   NOT NULL,
    state                TEXT   NOT NULL CHECK (state IN ('enabled', 'disabled', 'deleted')),
    created_at_us        BIGINT NOT NULL,
    version              BIGINT NOT NULL CHECK (version >= 1)
);
CREATE INDEX apps_by_age ON apps (created_at_us, id);
CREATE INDEX apps_of_organization ON apps (organization_id, created_at_us, id);

CREATE TABLE app_apis (
    app_id TEXT NOT NULL REFERENCES apps (id),
    api_id TEXT NOT NULL REFERENCES apis (id),
    PRIMARY KEY (app_id, api_id)
);
CREATE INDEX app_apis_of_api ON app_apis (api_id);

-- `organization_id` is the buyer, `owner_organization_id` the owner of the app or API.
CREATE TABLE subscriptions (
    id                    TEXT   NOT NULL PRIMARY KEY,
    kind                  TEXT   NOT NULL CHECK (kind IN ('real', 'app_test', 'api_test')),
    app_id                TEXT   REFERENCES apps (id),
    api_id                TEXT   REFERENCES apis (id),
    organization_id       TEXT   NOT NULL REFERENCES organizations (id),
    owner_organization_id TEXT   NOT NULL REFERENCES organizations (id),
    environment           TEXT   NOT NULL CHECK (environment IN ('production', 'test', 'dev')),
    state                 TEXT   NOT NULL CHECK (state IN ('pending', 'active', 'suspended', 'rejected',
                                                           'cancelled', 'deactivated', 'expired')),
    activated_at_us       BIGINT,
    deactivated_at_us     BIGINT,
    ends_at_us            BIGINT,
    created_at_us         BIGINT NOT NULL,
    version               BIGINT NOT NULL CHECK (version >= 1),
    CHECK ((kind = 'api_test' AND api_id IS NOT NULL AND app_id IS NULL)
        OR (kind <> 'api_test' AND api_id IS NULL AND app_id IS NOT NULL))
);
-- At most one subscription of an app and a buyer lives at a time.
CREATE UNIQUE INDEX subscriptions_living ON subscriptions (app_id, organization_id)
    WHERE kind = 'real' AND state IN ('pending', 'active', 'suspended');
CREATE UNIQUE INDEX subscriptions_app_test ON subscriptions (app_id)
    WHERE kind = 'app_test' AND state IN ('pending', 'active', 'suspended');
CREATE UNIQUE INDEX subscriptions_api_test ON subscriptions (api_id, environment)
    WHERE kind = 'api_test' AND state IN ('pending', 'active', 'suspended');
CREATE INDEX subscriptions_by_age ON subscriptions (created_at_us, id);
CREATE INDEX subscriptions_of_app ON subscriptions (app_id, created_at_us, id);
CREATE INDEX subscriptions_of_buyer ON subscriptions (organization_id, created_at_us, id);

CREATE TABLE connections (
    id              TEXT   NOT NULL PRIMARY KEY,
    subscription_id TEXT   NOT NULL REFERENCES subscriptions (id),
    api_id          TEXT   NOT NULL REFERENCES apis (id),
    state           TEXT   NOT NULL CHECK (state IN ('requested', 'pending', 'active', 'rejected', 'deactivated')),
    values_state    TEXT   NOT NULL CHECK (values_state IN ('complete', 'missing')),
    created_at_us   BIGINT NOT NULL,
    changed_at_us   BIGINT NOT NULL,
    UNIQUE (subscription_id, api_id)
);
CREATE INDEX connections_of_api ON connections (api_id);

CREATE TABLE signing_keys (
    id                 TEXT   NOT NULL PRIMARY KEY,
    purpose            TEXT   NOT NULL CHECK (purpose IN ('client', 'outbound')),
    state              TEXT   NOT NULL CHECK (state IN ('next', 'current', 'retired')),
    public_der         BYTEA  NOT NULL,
    private_sealed     BYTEA  NOT NULL,
    sealed_version     BIGINT NOT NULL,
    created_at_us      BIGINT NOT NULL,
    published_until_us BIGINT,
    CHECK ((state = 'retired' AND published_until_us IS NOT NULL)
        OR (state <> 'retired' AND published_until_us IS NULL))
);
-- Two keys that sign for one purpose cannot be.
CREATE UNIQUE INDEX signing_keys_current ON signing_keys (purpose) WHERE state = 'current';
CREATE UNIQUE INDEX signing_keys_next ON signing_keys (purpose) WHERE state = 'next';

CREATE TABLE nodes (
    id           TEXT   NOT NULL,
    incarnation  TEXT   NOT NULL,
    roles        TEXT   NOT NULL,
    seq          BIGINT,
    beat         BIGINT NOT NULL,
    lease_us     BIGINT NOT NULL,
    on_stale     TEXT   NOT NULL CHECK (on_stale IN ('serve', 'refuse')),
    stale_max_us BIGINT NOT NULL,
    joined_at_us BIGINT NOT NULL,
    seen_at_us   BIGINT NOT NULL,
    PRIMARY KEY (id, incarnation)
);

CREATE TABLE audit_entries (
    id              TEXT   NOT NULL PRIMARY KEY,
    at_us           BIGINT NOT NULL,
    actor           TEXT   NOT NULL,
    action          TEXT   NOT NULL,
    entity_kind     TEXT   NOT NULL,
    entity_id       TEXT   NOT NULL,
    organization_id TEXT,
    address         TEXT,
    detail          TEXT   NOT NULL
);
CREATE INDEX audit_entries_by_age ON audit_entries (at_us, id);
CREATE INDEX audit_entries_of_organization ON audit_entries (organization_id, at_us, id);

CREATE TABLE idempotency_keys (
    actor         TEXT   NOT NULL,
    name          TEXT   NOT NULL,
    input_digest  BYTEA  NOT NULL,
    entity_id     TEXT   NOT NULL,
    seq           BIGINT,
    expires_at_us BIGINT NOT NULL,
    PRIMARY KEY (actor, name)
);
CREATE INDEX idempotency_keys_by_end ON idempotency_keys (expires_at_us);
