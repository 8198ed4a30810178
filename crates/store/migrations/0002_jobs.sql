-- Side effects owed. `due_at_us` is when a worker may take the job: its next attempt while it is owed, the end of
-- the lease while it is claimed, nothing when it is finished. The payload is sealed, and erased once it is done.
CREATE TABLE jobs (
    id                    TEXT   NOT NULL PRIMARY KEY,
    kind                  TEXT   NOT NULL,
    state                 TEXT   NOT NULL CHECK (state IN ('owed', 'claimed', 'done', 'given_up')),
    topic                 TEXT   NOT NULL,
    recipient             TEXT   NOT NULL,
    subject_id            TEXT,
    organization_id       TEXT   REFERENCES organizations (id),
    payload_sealed        BYTEA,
    attempts              BIGINT NOT NULL CHECK (attempts >= 0),
    attempts_before_retry BIGINT NOT NULL CHECK (attempts_before_retry >= 0),
    last_error            TEXT,
    due_at_us             BIGINT,
    lease_token           TEXT,
    claimed_by            TEXT,
    created_at_us         BIGINT NOT NULL,
    finished_at_us        BIGINT,
    CHECK ((state IN ('owed', 'claimed') AND due_at_us IS NOT NULL AND finished_at_us IS NULL)
        OR (state IN ('done', 'given_up') AND due_at_us IS NULL AND finished_at_us IS NOT NULL)),
    CHECK ((state = 'claimed' AND lease_token IS NOT NULL) OR (state <> 'claimed' AND lease_token IS NULL)),
    CHECK ((state = 'done' AND payload_sealed IS NULL) OR (state <> 'done' AND payload_sealed IS NOT NULL))
);
CREATE INDEX jobs_due ON jobs (kind, due_at_us, id) WHERE due_at_us IS NOT NULL;
CREATE INDEX jobs_by_age ON jobs (created_at_us, id);
CREATE INDEX jobs_finished ON jobs (finished_at_us) WHERE finished_at_us IS NOT NULL;
CREATE INDEX jobs_not_done ON jobs (kind, state, created_at_us) WHERE state <> 'done';

CREATE TABLE job_attempts (
    job_id      TEXT   NOT NULL REFERENCES jobs (id),
    attempt     BIGINT NOT NULL CHECK (attempt >= 1),
    at_us       BIGINT NOT NULL,
    node        TEXT   NOT NULL,
    duration_us BIGINT,
    result      TEXT   NOT NULL CHECK (result IN ('running', 'done', 'failed', 'refused', 'lost')),
    error       TEXT,
    PRIMARY KEY (job_id, attempt)
);

-- Mails kept for the mailbox page instead of being sent. They hold links, so the body is sealed.
CREATE TABLE captured_mails (
    id          TEXT   NOT NULL PRIMARY KEY,
    topic       TEXT   NOT NULL,
    recipient   TEXT   NOT NULL,
    subject     TEXT   NOT NULL,
    body_sealed BYTEA  NOT NULL,
    at_us       BIGINT NOT NULL
);
CREATE INDEX captured_mails_by_age ON captured_mails (at_us, id);
