//! The shape of a request record: one line of JSON, written without building a tree first.

use std::io::{self, Write};

use portcullis_core::recorder::{CallRecord, Source};

/// Writes the record and a line feed.
///
/// # Errors
/// Those of `out`.
pub(super) fn write(out: &mut impl Write, record: &CallRecord) -> io::Result<()> {
    write!(
        out,
        r#"{{"at_us":{},"call_id":"{:032x}","request_id":"#,
        record.at.as_us(),
        record.call_id
    )?;
    text(out, &record.request_id)?;
    if let Some(instance) = &record.instance {
        write!(out, r#","api":"{}","#, instance.api_id)?;
        write!(
            out,
            r#""instance":"{}","environment":"{}""#,
            instance.id, instance.environment
        )?;
    }
    if let Some(app) = &record.app {
        write!(out, r#","app":"{app}""#)?;
    }
    if let Some(subscription) = &record.subscription_id {
        out.write_all(br#","subscription":"#)?;
        text(out, subscription)?;
    }
    if let Some(buyer) = &record.buyer {
        write!(out, r#","organization":"{buyer}""#)?;
    }
    out.write_all(br#","method":"#)?;
    text(out, &record.method)?;
    out.write_all(br#","path":"#)?;
    text(out, &record.path)?;
    write!(out, r#","status":{}"#, record.status)?;
    if let Some(code) = record.code {
        write!(out, r#","code":"{code}","reason":"{}""#, record.reason)?;
    }
    let source = match record.source {
        Source::Gateway => "gateway",
        Source::Api => "api",
    };
    write!(
        out,
        r#","source":"{source}","latency_us":{}"#,
        record.latency.as_micros()
    )?;
    if let Some(upstream) = record.upstream_latency {
        write!(out, r#","upstream_us":{}"#, upstream.as_micros())?;
    }
    writeln!(
        out,
        r#","request_bytes":{},"response_bytes":{},"test":{}}}"#,
        record.request_bytes, record.response_bytes, record.is_test
    )
}

/// A JSON string. Ours hold visible ASCII as a rule, so escaping is the exception.
fn text(out: &mut impl Write, text: &str) -> io::Result<()> {
    if text
        .bytes()
        .all(|b| (0x20..0x7f).contains(&b) && b != b'"' && b != b'\\')
    {
        out.write_all(b"\"")?;
        out.write_all(text.as_bytes())?;
        return out.write_all(b"\"");
    }
    serde_json::to_writer(out, text).map_err(io::Error::from)
}
