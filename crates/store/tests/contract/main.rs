//! The contract of the store, on both engines: SQLite always, PostgreSQL where `TEST_DATABASE_URL` is set.

#[cfg(test)]
mod support;

#[cfg(test)]
mod apis;
#[cfg(test)]
mod apps;
#[cfg(test)]
mod catalog;
#[cfg(test)]
mod clients;
#[cfg(test)]
mod damage;
#[cfg(test)]
mod equality;
#[cfg(test)]
mod follow;
#[cfg(test)]
mod jobs;
#[cfg(test)]
mod keys;
#[cfg(test)]
mod lost;
#[cfg(test)]
mod measure;
#[cfg(test)]
mod members;
#[cfg(test)]
mod nodes;
#[cfg(test)]
mod open;
#[cfg(test)]
mod organizations;
#[cfg(test)]
mod people;
#[cfg(test)]
mod records;
#[cfg(test)]
mod statements;
#[cfg(test)]
mod subscriptions;
#[cfg(test)]
mod users;
