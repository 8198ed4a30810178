//! A transaction on a connection of a pool. One that is dropped without an end takes its connection with it:
//! nobody knows what state that is in, and the next user must not find out.

use sqlx::{Any, AnyConnection, pool::PoolConnection};

use crate::dialect::{self, ErrorMeaning};

/// An open transaction.
pub(crate) struct Transaction {
    connection: PoolConnection<Any>,
    open: bool,
}

impl Transaction {
    /// Begins with the given words.
    pub(crate) async fn begin(
        mut connection: PoolConnection<Any>,
        words: &'static str,
    ) -> sqlx::Result<Self> {
        let begun = sqlx::raw_sql(words).execute(&mut *connection).await;
        let mut transaction = Self {
            connection,
            open: true,
        };
        match begun {
            Ok(_) => Ok(transaction),
            Err(error) => {
                // A database that answered that it is busy has begun nothing.
                transaction.open = dialect::meaning(&error) != ErrorMeaning::Busy;
                Err(error)
            }
        }
    }

    /// The connection that statements go to.
    pub(crate) fn db(&mut self) -> &mut AnyConnection {
        &mut self.connection
    }

    pub(crate) fn is_open(&self) -> bool {
        self.open
    }

    /// Commits; on an error the transaction stays open, and goes with its connection.
    pub(crate) async fn commit(&mut self) -> sqlx::Result<()> {
        sqlx::raw_sql("COMMIT")
            .execute(&mut *self.connection)
            .await?;
        self.open = false;
        Ok(())
    }

    pub(crate) async fn roll_back(&mut self) {
        let ended = sqlx::raw_sql("ROLLBACK")
            .execute(&mut *self.connection)
            .await;
        self.open = ended.is_err();
    }
}

impl Drop for Transaction {
    fn drop(&mut self) {
        if self.open {
            self.connection.close_on_drop();
        }
    }
}
