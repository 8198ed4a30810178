//! The three streams: data to standard output, messages to standard error, answers and secrets from
//! standard input. What is said is decided elsewhere.

use std::io::{self, BufRead, ErrorKind, IsTerminal as _, Read as _, Write};

use zeroize::Zeroizing;

use super::failure::{Exit, Failure, shown};

/// A secret, or a name that is typed, is not longer than this.
const INPUT_BYTES_MAX: u64 = 64 * 1024;

/// Writes data, and nothing but data, to standard output.
pub(super) fn write_data(data: &[u8]) -> Result<(), Failure> {
    let mut stdout = io::stdout().lock();
    match stdout.write_all(data).and_then(|()| stdout.flush()) {
        // The reader has what it wanted: `portcullis audit list | head -1`.
        Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(()),
        Err(error) => {
            let what = format!("standard output cannot be written: {error}");
            Err(Failure::new(Exit::Unclassified, "output", what))
        }
        Ok(()) => Ok(()),
    }
}

/// Tells the person something beside the data. Losing it is no failure.
pub(super) fn note(text: &str) {
    let _ = writeln!(io::stderr().lock(), "{text}");
}

/// The first line of standard input, as a secret.
pub(super) fn read_secret(name: &str) -> Result<Zeroizing<String>, Failure> {
    let unusable = |reason: String| {
        Failure::usage(format!(
            "{name} cannot be read from standard input: {reason}"
        ))
    };
    let mut text = Zeroizing::new(String::new());
    let mut input = io::stdin().lock().take(INPUT_BYTES_MAX);
    input
        .read_to_string(&mut text)
        .map_err(|error| unusable(error.to_string()))?;
    let line = text.lines().next().unwrap_or_default().trim();
    if line.is_empty() {
        return Err(unusable("it is empty".to_owned()));
    }
    Ok(Zeroizing::new(line.to_owned()))
}

/// How a command may go on that cannot be undone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Consent {
    /// `--yes` was given.
    Given,
    /// There is a person to ask.
    Ask,
    /// There is nobody to ask.
    Unavailable,
}

impl Consent {
    pub(super) fn of(yes: bool) -> Self {
        if yes {
            Self::Given
        } else if io::stdin().is_terminal() && io::stderr().is_terminal() {
            Self::Ask
        } else {
            Self::Unavailable
        }
    }
}

/// Lets the person at the terminal type the name of what will be gone.
pub(super) fn confirm(kind: &str, name: &str) -> Result<(), Failure> {
    let input = io::stdin().lock().take(INPUT_BYTES_MAX);
    confirm_with(kind, name, input, io::stderr().lock())
}

fn confirm_with(
    kind: &str,
    name: &str,
    mut input: impl BufRead,
    mut output: impl Write,
) -> Result<(), Failure> {
    let name = shown(name);
    let _ = write!(
        output,
        "This deletes the {kind} for good. Type its name, {name}, to go on: "
    );
    let _ = output.flush();
    let mut typed = String::new();
    let read = input.read_line(&mut typed);
    // A thing without a name cannot be confirmed by an empty line.
    if read.is_ok() && !typed.trim().is_empty() && typed.trim() == name.trim() {
        return Ok(());
    }
    let what = "that is not the name; nothing was deleted";
    let failure = Failure::new(Exit::Unclassified, "not_confirmed", what);
    Err(failure.fix("type the name exactly, or give --yes"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_whole_name_lets_a_thing_be_deleted() {
        let typed = |name: &str, text: &str| {
            let mut asked = Vec::new();
            let outcome = confirm_with("app", name, text.as_bytes(), &mut asked);
            assert!(String::from_utf8(asked).unwrap().contains(name));
            outcome.is_ok()
        };

        assert!(typed("Vehicle Finder", "Vehicle Finder\n"));
        assert!(!typed("Vehicle Finder", "vehicle finder\n"));
        assert!(!typed("Vehicle Finder", "y\n"));
        assert!(!typed("", "\n"));
        assert!(!typed("Vehicle Finder", ""));
    }
}
