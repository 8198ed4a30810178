//! How much there is of everything, for operators.

use portcullis_core::permissions::Authority;

use crate::{
    act::{Fault, operators_only},
    error::ActError,
    row::Columns,
    store::Store,
};

/// How much there is of everything.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Overview {
    /// Organizations, suspended ones included.
    pub organizations: u64,
    /// Organizations that are suspended.
    pub suspended_organizations: u64,
    /// People.
    pub users: u64,
    /// Apps that were not deleted.
    pub apps: u64,
    /// APIs that were not deleted.
    pub apis: u64,
    /// Customers' subscriptions that have not ended.
    pub living_subscriptions: u64,
    /// Jobs to be done, those under way included.
    pub owed_jobs: u64,
    /// Jobs that were given up.
    pub given_up_jobs: u64,
}

impl Store {
    /// How much there is of everything. Operators only.
    ///
    /// # Errors
    /// [`ActError`]: `Forbidden`.
    pub async fn overview(&self, authority: &Authority) -> Result<Overview, ActError> {
        operators_only(authority)?;
        let mut connection = self.reader().await?;
        // Each condition is that of an index, or the table is small.
        let row = sqlx::query(
            "SELECT (SELECT COUNT(*) FROM organizations) AS organizations, \
             (SELECT COUNT(*) FROM organizations WHERE state = 'suspended') AS suspended, \
             (SELECT COUNT(*) FROM users) AS users, \
             (SELECT COUNT(*) FROM apps WHERE state <> 'deleted') AS apps, \
             (SELECT COUNT(*) FROM apis WHERE state = 'living') AS apis, \
             (SELECT COUNT(*) FROM subscriptions WHERE kind = 'real' AND state IN ('pending', 'active', 'suspended')) \
             AS subscriptions, \
             (SELECT COUNT(*) FROM jobs WHERE state IN ('owed', 'claimed')) AS owed, \
             (SELECT COUNT(*) FROM jobs WHERE state = 'given_up') AS given_up",
        )
        .fetch_one(&mut *connection)
        .await
        .map_err(Fault::from)?;
        let columns = Columns::of(&row, "overview");
        Ok(Overview {
            organizations: columns.count("organizations")?,
            suspended_organizations: columns.count("suspended")?,
            users: columns.count("users")?,
            apps: columns.count("apps")?,
            apis: columns.count("apis")?,
            living_subscriptions: columns.count("subscriptions")?,
            owed_jobs: columns.count("owed")?,
            given_up_jobs: columns.count("given_up")?,
        })
    }
}
