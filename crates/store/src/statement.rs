//! A statement put together of fixed parts. A condition that is not asked for does not stand in it, so that the
//! engine sees which index serves what is left. Values are bound, never written into the text.

use sqlx::{AnyConnection, AssertSqlSafe, any::AnyRow};

use crate::{
    act::Fault,
    page::{Order, PageRequest},
};

/// A value that is bound.
#[derive(Debug, Clone)]
pub(crate) enum Value {
    Text(String),
    Number(i64),
}

impl From<&str> for Value {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

impl From<String> for Value {
    fn from(text: String) -> Self {
        Self::Text(text)
    }
}

impl From<i64> for Value {
    fn from(number: i64) -> Self {
        Self::Number(number)
    }
}

/// By what a list is ordered: an instant, then an identifier that makes the order total.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Key {
    pub(crate) columns: &'static str,
    pub(crate) descending: &'static str,
}

/// Most lists are ordered by when their things were made.
pub(crate) const CREATED: Key = Key {
    columns: "created_at_us, id",
    descending: "created_at_us DESC, id DESC",
};

/// A statement that is being put together.
#[derive(Debug, Clone)]
pub(crate) struct Statement {
    text: String,
    values: Vec<Value>,
    /// Its text differs from one page to the next.
    has_list: bool,
}

impl Statement {
    /// Begins with this text. One that is no statement by itself begins with a space: a test prepares the others.
    pub(crate) fn new(text: &'static str) -> Self {
        Self {
            text: text.to_owned(),
            values: Vec::new(),
            has_list: false,
        }
    }

    /// Adds a fixed part.
    pub(crate) fn part(&mut self, text: &'static str) -> &mut Self {
        self.text.push_str(text);
        self
    }

    /// Adds a placeholder for a value.
    pub(crate) fn value(&mut self, value: impl Into<Value>) -> &mut Self {
        self.values.push(value.into());
        self.text.push('$');
        self.text.push_str(&self.values.len().to_string());
        self
    }

    /// Adds a list of values in parentheses; an empty one equals nothing.
    pub(crate) fn list<'a>(&mut self, values: impl IntoIterator<Item = &'a str>) -> &mut Self {
        self.has_list = true;
        self.text.push('(');
        let mut separator = "";
        for value in values {
            self.text.push_str(separator);
            self.value(value);
            separator = ", ";
        }
        if separator.is_empty() {
            self.text.push_str("NULL");
        }
        self.text.push(')');
        self
    }

    /// Begins the conditions with where the page begins.
    pub(crate) fn begin_page(&mut self, page: &PageRequest, order: Order, key: Key) -> &mut Self {
        let (sign, (instant, id)) = match order {
            Order::Oldest => (") > (", page.start()),
            Order::Newest => (") < (", page.start_descending()),
        };
        self.part(" WHERE (").part(key.columns).part(sign);
        self.value(instant).part(", ").value(id).part(")")
    }

    /// Ends the statement with the order and how many rows are read.
    pub(crate) fn end_page(&mut self, page: &PageRequest, order: Order, key: Key) -> &mut Self {
        let columns = match order {
            Order::Oldest => key.columns,
            Order::Newest => key.descending,
        };
        self.part(" ORDER BY ").part(columns).part(" LIMIT ");
        self.value(page.rows())
    }

    /// Its rows.
    pub(crate) async fn fetch(&self, connection: &mut AnyConnection) -> Result<Vec<AnyRow>, Fault> {
        let mut query = sqlx::query(AssertSqlSafe(self.text.clone())).persistent(!self.has_list);
        for value in &self.values {
            query = match value {
                Value::Text(text) => query.bind(text.clone()),
                Value::Number(number) => query.bind(*number),
            };
        }
        Ok(query.fetch_all(connection).await?)
    }
}

/// The form of a name by which it is found whatever its case.
pub(crate) fn name_key(name: &str) -> String {
    name.to_lowercase()
}

/// A pattern for names that contain the text, to be used with `ESCAPE '\'`.
pub(crate) fn containing(text: &str) -> String {
    let mut pattern = String::from("%");
    push_literal(&mut pattern, &text.trim().to_lowercase());
    pattern.push('%');
    pattern
}

/// A pattern for words that begin with the text, to be used with `ESCAPE '\'`.
pub(crate) fn beginning_with(text: &str) -> String {
    let mut pattern = String::new();
    push_literal(&mut pattern, text);
    pattern.push('%');
    pattern
}

fn push_literal(pattern: &mut String, text: &str) {
    for letter in text.chars() {
        if matches!(letter, '%' | '_' | '\\') {
            pattern.push('\\');
        }
        pattern.push(letter);
    }
}

#[cfg(test)]
pub(crate) mod plans {
    //! How SQLite would run a statement.

    use sqlx::{Connection, Row};

    use super::*;

    /// The steps of its plan, on an empty database of the newest version.
    pub(crate) fn plan(statement: &Statement) -> Vec<String> {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        runtime.block_on(async {
            sqlx::any::install_default_drivers();
            let mut connection = AnyConnection::connect("sqlite::memory:").await.unwrap();
            for text in crate::schema::migrations_up_to(i64::MAX) {
                sqlx::raw_sql(text).execute(&mut connection).await.unwrap();
            }
            let explained = Statement {
                text: format!("EXPLAIN QUERY PLAN {}", statement.text),
                ..statement.clone()
            };
            let rows = explained.fetch(&mut connection).await.unwrap();
            rows.iter()
                .map(|row| row.get::<String, _>("detail"))
                .collect()
        })
    }

    /// Fails when a step of the plan reads a whole table or sorts what it read.
    pub(crate) fn assert_indexed(statement: &Statement) {
        for step in plan(statement) {
            let whole = step.starts_with("SCAN ") && !step.contains("USING");
            let sorted = step.contains("TEMP B-TREE");
            assert!(!whole && !sorted, "{step}\nin {}", statement.text);
        }
    }

    #[test]
    fn a_search_takes_no_wildcards() {
        assert_eq!(containing(" 50%_Ü\\ "), "%50\\%\\_ü\\\\%");
    }
}
