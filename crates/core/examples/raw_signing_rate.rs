//! Signs with one RSA-2048 key for some seconds and prints the CPU time of a signature: the yardstick of the
//! token server's benchmark. Run with `cargo run --profile dist -p portcullis-core --example raw_signing_rate`.

use rustix::time::{ClockId, clock_gettime};

use portcullis_core::keys::{KeyPurpose, KeyState, NewKey, SigningKey};

const MEASURED_FOR_SECONDS: f64 = 5.0;

/// Seconds of CPU this process has taken: what neighbours on the machine do not change.
#[expect(clippy::cast_precision_loss, reason = "a benchmark runs for seconds")]
fn cpu_seconds() -> f64 {
    let time = clock_gettime(ClockId::ProcessCPUTime);
    time.tv_sec as f64 + time.tv_nsec as f64 / 1e9
}

#[expect(clippy::print_stdout, reason = "the result of the program")]
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
    let begun = cpu_seconds();
    let mut signatures = 0_u32;
    while cpu_seconds() - begun < MEASURED_FOR_SECONDS {
        for _ in 0..100 {
            key.sign(&message)?;
        }
        signatures += 100;
    }
    let each = (cpu_seconds() - begun) / f64::from(signatures);
    println!(
        "{:.1} us for a signature, {:.0} signatures/s",
        each * 1e6,
        1.0 / each
    );
    Ok(())
}
