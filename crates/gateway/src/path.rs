//! Which paths are routed at all. What passes is forwarded byte for byte, so a path that a provider's server
//! could read as another one is refused here.

/// A path with dot segments (plain or encoded), a backslash or an encoded NUL.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct AmbiguousPath;

/// Checks a path as it was sent.
pub(crate) fn check(path: &str) -> Result<(), AmbiguousPath> {
    if !path.bytes().any(|byte| matches!(byte, b'.' | b'%' | b'\\')) {
        return Ok(());
    }
    let mut segment = Segment::default();
    let mut rest = path.as_bytes();
    while let Some((byte, after)) = next(rest) {
        match byte {
            b'\\' | 0 => return Err(AmbiguousPath),
            b'/' if segment.is_dots() => return Err(AmbiguousPath),
            b'/' => segment = Segment::default(),
            other => segment.push(other),
        }
        rest = after;
    }
    if segment.is_dots() {
        Err(AmbiguousPath)
    } else {
        Ok(())
    }
}

/// The next byte, with one level of percent-encoding taken off, and what follows it. What is encoded twice
/// stays encoded: nobody who decodes once can mistake it.
fn next(path: &[u8]) -> Option<(u8, &[u8])> {
    if let [b'%', high, low, after @ ..] = path
        && let (Some(high), Some(low)) = (hex(*high), hex(*low))
    {
        return Some((high << 4 | low, after));
    }
    path.split_first().map(|(byte, after)| (*byte, after))
}

fn hex(digit: u8) -> Option<u8> {
    match digit {
        b'0'..=b'9' => Some(digit - b'0'),
        b'a'..=b'f' => Some(digit - b'a' + 10),
        b'A'..=b'F' => Some(digit - b'A' + 10),
        _ => None,
    }
}

/// What a segment has held so far. Some servers cut parameters (`;x`) off before they look for dots.
#[derive(Default)]
struct Segment {
    dots: u8,
    has_other: bool,
    in_parameters: bool,
}

impl Segment {
    fn push(&mut self, byte: u8) {
        match byte {
            b';' => self.in_parameters = true,
            _ if self.in_parameters => {}
            b'.' if self.dots < 3 => self.dots += 1,
            b'.' => {}
            _ => self.has_other = true,
        }
    }

    fn is_dots(&self) -> bool {
        !self.has_other && matches!(self.dots, 1 | 2)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn paths_that_could_leave_their_base_are_refused() {
        for path in [
            "/cars/v1/..",
            "/cars/v1/../x",
            "/cars/v1/./x",
            "/cars/v1/.",
            "/cars/v1/%2e%2e/x",
            "/cars/v1/%2E./x",
            "/cars/v1/.%2e",
            "/cars/v1/..%2fx",
            "/cars/v1/x%2f..%2Fy",
            "/cars/v1/..;/x",
            "/cars/v1/..%3bx/y",
            "/cars/v1/%2e;a=b/y",
            "/cars/v1/a\\b",
            "/cars/v1/a%5cb",
            "/cars/v1/a%5Cb",
            "/cars/v1/a%00b",
        ] {
            assert_eq!(check(path), Err(AmbiguousPath), "{path}");
        }
    }

    #[test]
    fn everything_else_is_forwarded_as_sent() {
        for path in [
            "/cars/v1",
            "/cars/v1/",
            "/cars/v1//x",
            "/cars/v1/a%2fb",
            "/cars/v1/a;b=c/d",
            "/cars/v1/...",
            "/cars/v1/.well-known/x",
            "/cars/v1/a..b",
            "/cars/v1/..a",
            "/cars/v1/%252e%252e/x",
            "/cars/v1/%zz",
            "/cars/v1/%",
            "/cars/v1/%2",
            "/cars/v1/%c0%ae",
            "/cars/v1/%20",
        ] {
            assert_eq!(check(path), Ok(()), "{path}");
        }
    }

    proptest! {
        #[test]
        fn a_path_that_passes_has_no_dot_segment_once_decoded(path in "(/|\\.|%2e|%2F|;|a|%25){0,12}") {
            if check(&path).is_ok() {
                let decoded = path.replace("%2e", ".").replace("%2F", "/");
                prop_assert!(decoded.split('/').all(|segment| segment != "." && segment != ".."));
            }
        }
    }
}
