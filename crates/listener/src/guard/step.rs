//! The transitions of the guard outside bodies, one function for each part of a head. `chunk` has those
//! inside bodies.

use std::ops::Range;

use super::head::{Framing, Section};
use super::syntax::{is_path, is_query, is_token, is_value};
use super::{Cursor, Guard, State, TRAILER_BYTES_MAX};
use crate::refusal::Reason;

impl Guard {
    /// Consumes at least one byte, or refuses.
    pub(super) fn step(
        &mut self,
        cursor: &mut Cursor<'_>,
        struck: &mut Vec<Range<usize>>,
    ) -> Result<(), Reason> {
        match self.state {
            State::Body | State::Chunk => {
                self.data(cursor);
                Ok(())
            }
            State::Start
            | State::EmptyLineLf
            | State::Method
            | State::TargetStart
            | State::Path
            | State::Query
            | State::Version
            | State::RequestLineLf => self.request_line(cursor),
            State::FieldStart | State::Name | State::Value | State::FieldLf => self.fields(cursor),
            State::TrailerStart
            | State::TrailerName
            | State::TrailerValue
            | State::TrailerFieldLf => self.trailers(cursor),
            State::HeadLf => self.end_of_head(cursor, struck),
            State::TrailerLf => self.end_of_trailers(cursor),
            State::Size | State::SizeLf => self.size(cursor),
            State::ExtensionName
            | State::ExtensionValueStart
            | State::ExtensionToken
            | State::ExtensionQuoted
            | State::ExtensionEscape
            | State::ExtensionQuotedEnd => self.extension(cursor),
            State::ChunkCr | State::ChunkLf => self.chunk_end(cursor),
            State::Finished | State::Refused => Ok(()),
        }
    }

    fn request_line(&mut self, cursor: &mut Cursor<'_>) -> Result<(), Reason> {
        match self.state {
            State::Method => return self.method(cursor),
            State::Path | State::Query => return self.target(cursor),
            _ => {}
        }
        let byte = self.next_of_head(cursor)?;
        self.state = match (self.state, byte) {
            // RFC 9112 s.2.2: one empty line before a request is a known slip of callers.
            (State::Start, b'\r') if self.section.line_start == 0 => State::EmptyLineLf,
            (State::EmptyLineLf, b'\n') => {
                self.section.line_start = cursor.offset();
                State::Start
            }
            (State::Start, byte) if is_token(byte) => {
                self.section.part_start = self.section.line_start;
                State::Method
            }
            (State::Start | State::TargetStart, b' ' | b'\t' | b'\r')
            | (State::Version, b' ' | b'\t') => return Err(Reason::RequestLine),
            (State::Start | State::TargetStart | State::Version, b'\n') => {
                return Err(Reason::BareLf);
            }
            (State::Start, _) => return Err(Reason::Method),
            (State::TargetStart, byte) if is_path(byte) => {
                self.section.part_start = cursor.offset() - 1;
                State::Path
            }
            (State::TargetStart, _) => return Err(Reason::Target),
            (State::Version, b'\r') => {
                let version = cursor
                    .section()
                    .get(self.section.part_start..cursor.offset() - 1);
                self.section.version(version.unwrap_or_default())?;
                State::RequestLineLf
            }
            (State::Version, b'!'..=b'~') if cursor.offset() - self.section.part_start <= 8 => {
                State::Version
            }
            (State::Version, _) => return Err(Reason::Version),
            (State::RequestLineLf, b'\n') => State::FieldStart,
            _ => return Err(Reason::BareCr),
        };
        // The CR that ends the line and the LF after it do not count.
        let is_in_line = matches!(self.state, State::Method | State::Path | State::Version);
        if is_in_line && cursor.offset() - self.section.line_start > self.limits.line {
            return Err(Reason::LineTooLong);
        }
        Ok(())
    }

    fn method(&mut self, cursor: &mut Cursor<'_>) -> Result<(), Reason> {
        let run = cursor.run(self.room(cursor)?, is_token);
        cursor.at += run;
        if cursor.offset() - self.section.line_start > self.limits.method {
            return Err(Reason::MethodTooLong);
        }
        self.line_fits(cursor)?;
        if cursor.at == cursor.window.len() {
            return Ok(());
        }
        let end = cursor.offset();
        match self.next_of_head(cursor)? {
            b' ' => {
                self.section.method = self.section.part_start..end;
                self.is_head_request =
                    cursor.section().get(self.section.method.clone()) == Some(b"HEAD");
                self.line_fits(cursor)?;
                self.state = State::TargetStart;
                Ok(())
            }
            b'\n' => Err(Reason::BareLf),
            b'\r' | b'\t' => Err(Reason::RequestLine),
            _ => Err(Reason::Method),
        }
    }

    fn target(&mut self, cursor: &mut Cursor<'_>) -> Result<(), Reason> {
        let room = self.room(cursor)?;
        cursor.at += if self.state == State::Path {
            cursor.long_run(room, is_path)
        } else {
            cursor.long_run(room, is_query)
        };
        self.line_fits(cursor)?;
        if cursor.at == cursor.window.len() {
            return Ok(());
        }
        let end = cursor.offset();
        match self.next_of_head(cursor)? {
            b' ' => {
                self.section.target = self.section.part_start..end;
                self.section.part_start = end + 1;
                self.line_fits(cursor)?;
                self.state = State::Version;
                Ok(())
            }
            b'?' if self.state == State::Path => {
                self.line_fits(cursor)?;
                self.state = State::Query;
                Ok(())
            }
            b'\r' => Err(Reason::Version),
            b'\n' => Err(Reason::BareLf),
            _ => Err(Reason::Target),
        }
    }

    fn fields(&mut self, cursor: &mut Cursor<'_>) -> Result<(), Reason> {
        if matches!(self.state, State::Name | State::Value) {
            let room = self.room(cursor)?;
            cursor.at += if self.state == State::Name {
                cursor.run(room, is_token)
            } else {
                cursor.long_run(room, is_value)
            };
            if cursor.at == cursor.window.len() {
                return Ok(());
            }
        }
        let byte = self.next_of_head(cursor)?;
        self.state = match (self.state, byte) {
            (State::FieldStart, b'\r') => State::HeadLf,
            (State::FieldStart, byte) => {
                self.begin_field(byte, cursor.offset() - 1)?;
                State::Name
            }
            (State::Name, b':') => {
                self.section.name_end = cursor.offset() - 1;
                State::Value
            }
            (State::Value, b'\r') => State::FieldLf,
            (State::FieldLf, b'\n') => {
                self.section.field(cursor.section(), cursor.offset())?;
                State::FieldStart
            }
            (state, byte) => return Err(misplaced_in_field(state, byte)),
        };
        Ok(())
    }

    fn trailers(&mut self, cursor: &mut Cursor<'_>) -> Result<(), Reason> {
        if matches!(self.state, State::TrailerName | State::TrailerValue) {
            let room = self.room(cursor)?;
            cursor.at += if self.state == State::TrailerName {
                cursor.run(room, is_token)
            } else {
                cursor.long_run(room, is_value)
            };
            if cursor.at == cursor.window.len() {
                return Ok(());
            }
        }
        let byte = self.next_of_head(cursor)?;
        self.state = match (self.state, byte) {
            (State::TrailerStart, b'\r') => State::TrailerLf,
            (State::TrailerStart, byte) => {
                self.begin_field(byte, cursor.offset() - 1)?;
                State::TrailerName
            }
            (State::TrailerName, b':') => {
                self.section.name_end = cursor.offset() - 1;
                State::TrailerValue
            }
            (State::TrailerValue, b'\r') => State::TrailerFieldLf,
            (State::TrailerFieldLf, b'\n') => {
                self.section.trailer(cursor.section())?;
                State::TrailerStart
            }
            (state, byte) => return Err(misplaced_in_field(state, byte)),
        };
        Ok(())
    }

    fn begin_field(&mut self, first: u8, at: usize) -> Result<(), Reason> {
        match first {
            b' ' | b'\t' => return Err(Reason::FoldedLine),
            b'\n' => return Err(Reason::BareLf),
            byte if !is_token(byte) => return Err(Reason::FieldName),
            _ => {}
        }
        if self.section.fields == self.limits.fields {
            return Err(Reason::TooManyFields);
        }
        self.section.fields += 1;
        self.section.part_start = at;
        Ok(())
    }

    fn end_of_head(
        &mut self,
        cursor: &mut Cursor<'_>,
        struck: &mut Vec<Range<usize>>,
    ) -> Result<(), Reason> {
        if self.next_of_head(cursor)? != b'\n' {
            return Err(Reason::BareCr);
        }
        let framing = self.section.judge(cursor.section())?;
        struck.extend(
            self.section
                .struck
                .iter()
                .map(|line| cursor.base + line.start..cursor.base + line.end),
        );
        self.is_last = self.section.is_last();
        self.section = Section::default();
        self.messages_begun += 1;
        cursor.release();
        match framing {
            Framing::None => self.end_of_message(),
            Framing::Length(length) => {
                self.remaining = length;
                self.state = State::Body;
            }
            Framing::Chunked => {
                self.extension_bytes = 0;
                self.begin_size();
            }
        }
        Ok(())
    }

    fn end_of_trailers(&mut self, cursor: &mut Cursor<'_>) -> Result<(), Reason> {
        if self.next_of_head(cursor)? != b'\n' {
            return Err(Reason::BareCr);
        }
        cursor.release();
        self.end_of_message();
        Ok(())
    }

    pub(super) fn end_of_message(&mut self) {
        self.messages_complete += 1;
        self.section = Section::default();
        self.is_head_request = false;
        self.state = if self.is_last {
            State::Finished
        } else {
            State::Start
        };
    }

    /// How many more bytes the section may have: refuses when none.
    fn room(&self, cursor: &Cursor<'_>) -> Result<usize, Reason> {
        let max = if self.is_in_body() {
            TRAILER_BYTES_MAX
        } else {
            self.limits.head
        };
        match (self.section.line_start + max).saturating_sub(cursor.offset()) {
            0 => Err(Reason::HeadTooLarge),
            room => Ok(room),
        }
    }

    fn next_of_head(&self, cursor: &mut Cursor<'_>) -> Result<u8, Reason> {
        self.room(cursor)?;
        next(cursor)
    }

    fn line_fits(&self, cursor: &Cursor<'_>) -> Result<(), Reason> {
        if cursor.offset() - self.section.line_start > self.limits.line {
            return Err(Reason::LineTooLong);
        }
        Ok(())
    }
}

/// The next byte. The caller has seen that there is one.
pub(super) fn next(cursor: &mut Cursor<'_>) -> Result<u8, Reason> {
    let byte = cursor
        .window
        .get(cursor.at)
        .copied()
        .ok_or(Reason::RequestLine)?;
    cursor.at += 1;
    Ok(byte)
}

const fn misplaced_in_field(state: State, byte: u8) -> Reason {
    match (state, byte) {
        (State::FieldLf | State::TrailerFieldLf, _) => Reason::BareCr,
        (_, b'\n') => Reason::BareLf,
        (State::Name | State::TrailerName, b' ' | b'\t') => Reason::SpaceBeforeColon,
        (State::Name | State::TrailerName, _) => Reason::FieldName,
        _ => Reason::ControlCharacter,
    }
}
