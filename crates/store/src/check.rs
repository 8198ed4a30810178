//! Limits on what is written: every text is bounded before it is bound, and holds nothing an engine refuses.

use std::ops::RangeInclusive;

use crate::error::ActError;

/// Most bytes of one value.
pub(crate) const VALUE_BYTES_MAX: usize = 1024 * 1024;
/// Longest of the texts that people type in one line.
pub(crate) const LINE_CHARACTERS_MAX: usize = 500;
/// Longest of the texts that people type in several lines.
pub(crate) const TEXT_CHARACTERS_MAX: usize = 10_000;

/// Checks the length of a text in characters, and that it holds no NUL, which PostgreSQL cannot store.
pub(crate) fn text(
    field: &'static str,
    value: &str,
    characters: RangeInclusive<usize>,
) -> Result<(), ActError> {
    size(field, value)?;
    let (least, most) = (*characters.start(), *characters.end());
    if (value.trim().is_empty() && least > 0) || !characters.contains(&value.chars().count()) {
        return Err(ActError::invalid(
            field,
            format!("takes {least} to {most} characters"),
        ));
    }
    Ok(())
}

/// Checks a line of optional text.
pub(crate) fn line(field: &'static str, value: &str) -> Result<(), ActError> {
    text(field, value, 0..=LINE_CHARACTERS_MAX)
}

/// Checks the size alone.
pub(crate) fn size(field: &'static str, value: &str) -> Result<(), ActError> {
    if value.len() > VALUE_BYTES_MAX {
        return Err(ActError::invalid(field, "takes at most 1 MiB"));
    }
    if value.contains('\0') {
        return Err(ActError::invalid(field, "cannot hold the character NUL"));
    }
    Ok(())
}

/// Checks an address of mail as far as that is possible without sending one.
pub(crate) fn email(field: &'static str, value: &str) -> Result<(), ActError> {
    let fine = value.len() <= 254
        && value.bytes().all(|b| b.is_ascii_graphic() || b >= 0x80)
        && value.split_once('@').is_some_and(|(name, host)| {
            !name.is_empty() && !host.is_empty() && !host.contains('@')
        });
    if fine {
        Ok(())
    } else {
        Err(ActError::invalid(field, "is no mail address"))
    }
}

/// Checks a website: empty, or an http or https URL.
pub(crate) fn website(field: &'static str, value: &str) -> Result<(), ActError> {
    line(field, value)?;
    if value.is_empty() || value.starts_with("https://") || value.starts_with("http://") {
        Ok(())
    } else {
        Err(ActError::invalid(field, "begins with https:// or http://"))
    }
}

/// What `LIKE .. ESCAPE '!'` takes to find texts in lower case that hold `search`; empty for an empty search.
pub(crate) fn pattern(search: &str) -> String {
    let search = search.trim().to_lowercase();
    if search.is_empty() {
        return search;
    }
    let mut pattern = String::with_capacity(search.len() + 2);
    pattern.push('%');
    for letter in search.chars().filter(|letter| *letter != '\0') {
        if matches!(letter, '%' | '_' | '!') {
            pattern.push('!');
        }
        pattern.push(letter);
    }
    pattern.push('%');
    pattern
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_bounded_in_characters_and_has_no_nul() {
        assert!(text("name", "ü", 1..=1).is_ok());
        for bad in ["", "  ", "xy", "\0"] {
            assert!(text("name", bad, 1..=1).is_err(), "{bad:?}");
        }
        assert!(size("spec", &"x".repeat(VALUE_BYTES_MAX)).is_ok());
        assert!(size("spec", &"x".repeat(VALUE_BYTES_MAX + 1)).is_err());
    }

    #[test]
    fn a_pattern_takes_what_was_typed_literally() {
        assert_eq!(pattern("  "), "");
        assert_eq!(pattern("Ada_100%!"), "%ada!_100!%!!%");
    }

    #[test]
    fn a_mail_address_has_a_name_and_a_host() {
        assert!(email("email", "ada@example.com").is_ok());
        for bad in [
            "",
            "ada",
            "@example.com",
            "ada@",
            "a b@example.com",
            "a@b@c",
        ] {
            assert!(email("email", bad).is_err(), "{bad}");
        }
    }
}
