//! hyper and the guard must see the same messages: whatever the guard lets pass is fed to hyper as it
//! is set up in this crate, and hyper has to find the same requests with the same bodies in it.

#[cfg(test)]
mod hyper_reading;
#[cfg(test)]
mod reference;
#[cfg(test)]
mod streams;
#[cfg(test)]
mod verdict;

use proptest::prelude::*;

proptest! {
    #![proptest_config(ProptestConfig { cases: 3000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn hyper_finds_the_messages_that_the_guard_found(stream in streams::stream()) {
        hyper_reading::assert_agrees(&stream);
    }
}
