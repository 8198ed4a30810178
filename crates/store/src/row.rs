//! Parsing of stored rows: a value that does not parse names its table, column and row.

use portcullis_core::{clock::Timestamp, ids::InvalidId};
use serde::de::DeserializeOwned;
use sqlx::{Decode, Row, Type, any::Any, any::AnyRow};

use crate::error::CorruptRow;

/// A row of a table whose first selected column is its key.
pub(crate) struct Columns<'r> {
    row: &'r AnyRow,
    table: &'static str,
}

impl<'r> Columns<'r> {
    pub(crate) fn of(row: &'r AnyRow, table: &'static str) -> Self {
        Self { row, table }
    }

    /// The error of a value that does not parse.
    pub(crate) fn corrupt(&self, column: &'static str) -> CorruptRow {
        CorruptRow {
            table: self.table,
            column,
            row: self.row.try_get::<&str, _>(0).unwrap_or("?").to_owned(),
        }
    }

    fn get<T>(&self, column: &'static str) -> Result<T, CorruptRow>
    where
        T: Decode<'r, Any> + Type<Any>,
    {
        self.row.try_get(column).map_err(|_| self.corrupt(column))
    }

    pub(crate) fn text(&self, column: &'static str) -> Result<&'r str, CorruptRow> {
        self.get(column)
    }

    pub(crate) fn owned(&self, column: &'static str) -> Result<String, CorruptRow> {
        self.get::<&str>(column).map(str::to_owned)
    }

    pub(crate) fn optional_text(
        &self,
        column: &'static str,
    ) -> Result<Option<&'r str>, CorruptRow> {
        self.get(column)
    }

    pub(crate) fn number(&self, column: &'static str) -> Result<i64, CorruptRow> {
        self.get(column)
    }

    /// A count; negative ones do not parse.
    pub(crate) fn count(&self, column: &'static str) -> Result<u64, CorruptRow> {
        u64::try_from(self.number(column)?).map_err(|_| self.corrupt(column))
    }

    pub(crate) fn optional_number(&self, column: &'static str) -> Result<Option<i64>, CorruptRow> {
        self.get(column)
    }

    pub(crate) fn bytes(&self, column: &'static str) -> Result<&'r [u8], CorruptRow> {
        self.get(column)
    }

    pub(crate) fn optional_bytes(
        &self,
        column: &'static str,
    ) -> Result<Option<&'r [u8]>, CorruptRow> {
        self.get(column)
    }

    pub(crate) fn instant(&self, column: &'static str) -> Result<Timestamp, CorruptRow> {
        self.number(column).map(Timestamp::from_us)
    }

    pub(crate) fn optional_instant(
        &self,
        column: &'static str,
    ) -> Result<Option<Timestamp>, CorruptRow> {
        Ok(self.optional_number(column)?.map(Timestamp::from_us))
    }

    pub(crate) fn id<T>(
        &self,
        column: &'static str,
        parse: fn(&str) -> Result<T, InvalidId>,
    ) -> Result<T, CorruptRow> {
        parse(self.text(column)?).map_err(|_| self.corrupt(column))
    }

    pub(crate) fn optional_id<T>(
        &self,
        column: &'static str,
        parse: fn(&str) -> Result<T, InvalidId>,
    ) -> Result<Option<T>, CorruptRow> {
        self.optional_text(column)?
            .map(|text| parse(text).map_err(|_| self.corrupt(column)))
            .transpose()
    }

    pub(crate) fn word<T>(
        &self,
        column: &'static str,
        parse: fn(&str) -> Option<T>,
    ) -> Result<T, CorruptRow> {
        parse(self.text(column)?).ok_or_else(|| self.corrupt(column))
    }

    pub(crate) fn json<T: DeserializeOwned>(&self, column: &'static str) -> Result<T, CorruptRow> {
        serde_json::from_str(self.text(column)?).map_err(|_| self.corrupt(column))
    }
}
