-- Counters. On SQLite this is a file of its own, so that counting never holds the writer of decisions.

CREATE TABLE IF NOT EXISTS usage_counters (
    incarnation    TEXT   NOT NULL,
    hour           BIGINT NOT NULL,
    app_id         TEXT   NOT NULL,
    api_id         TEXT   NOT NULL,
    subscription   TEXT   NOT NULL,
    environment    TEXT   NOT NULL CHECK (environment IN ('production', 'test', 'dev')),
    node           TEXT   NOT NULL,
    calls          BIGINT NOT NULL,
    errors         BIGINT NOT NULL,
    request_bytes  BIGINT NOT NULL,
    response_bytes BIGINT NOT NULL,
    refusals       BIGINT NOT NULL DEFAULT 0,
    first_at_us    BIGINT NOT NULL DEFAULT 0,
    last_at_us     BIGINT NOT NULL DEFAULT 0,
    PRIMARY KEY (app_id, hour, incarnation, api_id, subscription, environment)
);
