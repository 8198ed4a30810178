-- Lists of the catalog: search by name whatever its case, what the directory shows, and an index for each order
-- in which a list is read.

ALTER TABLE organizations ADD COLUMN name_key TEXT NOT NULL DEFAULT '';
UPDATE organizations SET name_key = lower(name);
ALTER TABLE apps ADD COLUMN name_key TEXT NOT NULL DEFAULT '';
UPDATE apps SET name_key = lower(name);

ALTER TABLE apis ADD COLUMN name_key TEXT NOT NULL DEFAULT '';
UPDATE apis SET name_key = lower(name);
ALTER TABLE apis ADD COLUMN support_email TEXT NOT NULL DEFAULT '';
ALTER TABLE apis ADD COLUMN support_phone TEXT NOT NULL DEFAULT '';
ALTER TABLE apis ADD COLUMN support_website TEXT NOT NULL DEFAULT '';
ALTER TABLE apis ADD COLUMN documentation_url TEXT NOT NULL DEFAULT '';
CREATE INDEX apis_of_organization ON apis (organization_id, created_at_us, id);
CREATE INDEX api_shares_of_organization ON api_shares (organization_id, api_id);

CREATE TABLE api_categories (
    api_id   TEXT NOT NULL REFERENCES apis (id),
    category TEXT NOT NULL,
    PRIMARY KEY (api_id, category)
);
CREATE INDEX api_categories_by_name ON api_categories (category, api_id);

ALTER TABLE api_instances ADD COLUMN lifecycle TEXT NOT NULL DEFAULT 'general_release'
    CHECK (lifecycle IN ('beta', 'general_release', 'deprecated', 'custom'));
ALTER TABLE api_instances ADD COLUMN lifecycle_text TEXT NOT NULL DEFAULT '';
ALTER TABLE api_instances ADD COLUMN show_in_directory BIGINT NOT NULL DEFAULT 1
    CHECK (show_in_directory IN (0, 1));

CREATE INDEX subscriptions_of_owner ON subscriptions (owner_organization_id, created_at_us, id);
CREATE INDEX subscriptions_by_state ON subscriptions (state, created_at_us, id);
CREATE INDEX subscriptions_of_app_by_state ON subscriptions (app_id, kind, state);
CREATE INDEX subscriptions_by_end ON subscriptions (ends_at_us, id)
    WHERE ends_at_us IS NOT NULL AND deactivated_at_us IS NULL;

CREATE INDEX audit_entries_of_actor ON audit_entries (actor, at_us, id);
CREATE INDEX audit_entries_of_entity ON audit_entries (entity_id, at_us, id);
