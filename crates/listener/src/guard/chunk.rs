//! The transitions of the guard inside bodies: data of a known length, and the chunks of RFC 9112 s.7.1.
//! Everything here is passed on as it comes; only what breaks a rule is not.

use super::step::next;
use super::syntax::{hex_digit, is_quoted_text, is_token, is_value};
use super::{Cursor, Guard, State};
use crate::refusal::Reason;

impl Guard {
    pub(super) fn data(&mut self, cursor: &mut Cursor<'_>) {
        let available = cursor.window.len() - cursor.at;
        let taken =
            usize::try_from(self.remaining).map_or(available, |remaining| remaining.min(available));
        cursor.at += taken;
        cursor.release();
        self.remaining -= taken as u64;
        if self.remaining == 0 {
            if self.state == State::Body {
                self.end_of_message();
            } else {
                self.state = State::ChunkCr;
            }
        }
    }

    pub(super) fn begin_size(&mut self) {
        self.size_digits = 0;
        self.remaining = 0;
        self.state = State::Size;
    }

    pub(super) fn size(&mut self, cursor: &mut Cursor<'_>) -> Result<(), Reason> {
        let byte = next(cursor)?;
        match (self.state, byte, hex_digit(byte)) {
            // 16 digits always fit 64 bits.
            (State::Size, _, Some(digit)) if self.size_digits < 16 => {
                self.size_digits += 1;
                self.remaining = (self.remaining << 4) | u64::from(digit);
            }
            (State::Size, b'\r', _) if self.size_digits > 0 => self.state = State::SizeLf,
            (State::Size, b';', _) if self.size_digits > 0 => self.begin_extension()?,
            (State::SizeLf, b'\n', _) if self.remaining == 0 => self.state = State::TrailerStart,
            (State::SizeLf, b'\n', _) => self.state = State::Chunk,
            (State::SizeLf, ..) => return Err(Reason::BareCr),
            _ => return Err(Reason::ChunkSize),
        }
        cursor.release();
        Ok(())
    }

    fn begin_extension(&mut self) -> Result<(), Reason> {
        self.extension_byte()?;
        // No digit can follow any more, so this marks that the name is still empty.
        self.size_digits = 0;
        self.state = State::ExtensionName;
        Ok(())
    }

    fn extension_byte(&mut self) -> Result<(), Reason> {
        self.extension_bytes += 1;
        if self.extension_bytes > self.limits.extensions {
            return Err(Reason::ChunkExtensionTooLong);
        }
        Ok(())
    }

    /// RFC 9112 s.7.1.1, without the whitespace that section calls bad.
    pub(super) fn extension(&mut self, cursor: &mut Cursor<'_>) -> Result<(), Reason> {
        let byte = next(cursor)?;
        let may_end = match self.state {
            State::ExtensionName => self.size_digits > 0,
            State::ExtensionToken | State::ExtensionQuotedEnd => true,
            _ => false,
        };
        match (self.state, byte) {
            (_, b'\r') if may_end => {
                self.state = State::SizeLf;
                cursor.release();
                return Ok(());
            }
            (_, b';') if may_end => {
                self.begin_extension()?;
                cursor.release();
                return Ok(());
            }
            (State::ExtensionName, b'=') if may_end => self.state = State::ExtensionValueStart,
            (State::ExtensionName, byte) if is_token(byte) => self.size_digits = 1,
            (State::ExtensionValueStart, b'"') => self.state = State::ExtensionQuoted,
            (State::ExtensionValueStart | State::ExtensionToken, byte) if is_token(byte) => {
                self.state = State::ExtensionToken;
            }
            (State::ExtensionQuoted, b'"') => self.state = State::ExtensionQuotedEnd,
            (State::ExtensionQuoted, b'\\') => self.state = State::ExtensionEscape,
            (State::ExtensionQuoted, byte) if is_quoted_text(byte) => {}
            (State::ExtensionEscape, byte) if is_value(byte) => self.state = State::ExtensionQuoted,
            _ => return Err(Reason::ChunkExtension),
        }
        self.extension_byte()?;
        cursor.release();
        Ok(())
    }

    pub(super) fn chunk_end(&mut self, cursor: &mut Cursor<'_>) -> Result<(), Reason> {
        match (self.state, next(cursor)?) {
            (State::ChunkCr, b'\r') => self.state = State::ChunkLf,
            (State::ChunkLf, b'\n') => self.begin_size(),
            _ => return Err(Reason::ChunkEnd),
        }
        cursor.release();
        Ok(())
    }
}
