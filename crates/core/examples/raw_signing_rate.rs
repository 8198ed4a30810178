//! Signs with one RSA-2048 key for some seconds and prints how long a signature takes: the yardstick of the
//! token server's benchmark. Run with `cargo run --profile dist -p portcullis-core --example raw_signing_rate`.

use std::time::{Duration, Instant};

use portcullis_core::keys::{KeyPurpose, KeyState, NewKey, SigningKey};

const MEASURED_FOR: Duration = Duration::from_secs(5);

#[expect(clippy::print_stdout, reason = "the result of the program")]
#[expect(clippy::disallowed_methods, reason = "a benchmark has its own timer")]
fn main() -> Result<(), Box<dyn std::error::Error>> {
    let new = NewKey::generate()?;
    let private = Some(new.private_der.as_slice());
    let key = SigningKey::from_der(
        new.id.clone(),
        KeyPurpose::Client,
        KeyState::Current,
        &new.public_der,
        private,
    )?;
    let message = [b'x'; 450];
    for _ in 0..200 {
        key.sign(&message)?;
    }
    let begun = Instant::now();
    let mut signatures = 0_u32;
    while begun.elapsed() < MEASURED_FOR {
        for _ in 0..100 {
            key.sign(&message)?;
        }
        signatures += 100;
    }
    let each = begun.elapsed().as_secs_f64() / f64::from(signatures);
    println!(
        "{:.1} us for a signature, {:.0} signatures/s",
        each * 1e6,
        1.0 / each
    );
    Ok(())
}
