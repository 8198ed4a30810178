//! hyper finds the same messages in what the guard lets pass.

#![no_main]

#[path = "../../crates/listener/tests/hyper_reading/mod.rs"]
mod hyper_reading;
#[path = "../../crates/listener/tests/reference/mod.rs"]
mod reference;
#[path = "../../crates/listener/tests/verdict/mod.rs"]
mod verdict;

use libfuzzer_sys::fuzz_target;

fuzz_target!(|stream: &[u8]| {
    hyper_reading::assert_agrees(stream);
});
