//! What a form sent: its fields and files, read whole and within limits before any handler sees them.

use axum::{
    body::{Body, to_bytes},
    extract::{
        DefaultBodyLimit, FromRequest, Multipart,
        multipart::{Field, MultipartError},
    },
};
use bytes::Bytes;
use http::{HeaderMap, Request, StatusCode, header};
use portcullis_registry::in_process::ManagementError;

use crate::{csrf, failure::Failure, form::Form};

/// How much of a form with files is read at all, in bytes. What is too large to be kept is read to its end and thrown
/// away, so that the answer reaches the browser and can say so beside the field; up to here.
const DRAINED_BYTES_MAX: usize = 64 * 1024 * 1024;
/// Most fields of a form: the list of APIs of an app has hundreds.
const FIELDS_MAX: usize = 2_000;

/// A file that was chosen in a form.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Upload {
    /// The name of the field.
    pub(crate) field: String,
    /// What the browser calls the file. Shown as text alone, never used as a path.
    pub(crate) file_name: String,
    /// Its bytes; none when it is cut.
    pub(crate) bytes: Bytes,
    /// Whether it was larger than the form may be, and was thrown away.
    pub(crate) is_cut: bool,
}

impl Upload {
    /// The file as text; `None` when it is not UTF-8. A byte order mark is left out.
    pub(crate) fn text(&self) -> Option<&str> {
        let text = std::str::from_utf8(&self.bytes).ok()?;
        Some(text.strip_prefix('\u{feff}').unwrap_or(text))
    }
}

/// What a form sent. Handlers of unsafe methods take it as an argument; that it came from a page of ours was
/// checked before.
#[derive(Clone, Default)]
pub(crate) struct Sent {
    fields: Vec<(String, String)>,
    uploads: Vec<Upload>,
}

impl Sent {
    /// Reads a body of at most this many bytes.
    pub(crate) async fn read(
        headers: &HeaderMap,
        body: Body,
        bytes_max: usize,
    ) -> Result<Self, Failure> {
        let content_type = headers.get(header::CONTENT_TYPE).cloned();
        let kind = content_type
            .as_ref()
            .and_then(|value| value.to_str().ok())
            .unwrap_or_default();
        let kind = kind.split(';').next().unwrap_or_default().trim().to_owned();
        let sent = match (kind.as_str(), content_type) {
            ("multipart/form-data", Some(content_type)) => {
                parts(content_type, body, bytes_max).await?
            }
            (kind, _) => {
                let bytes = to_bytes(body, bytes_max).await;
                let bytes = bytes.map_err(|_| Failure::TooLarge)?;
                match kind {
                    _ if bytes.is_empty() => Self::default(),
                    "application/x-www-form-urlencoded" => Self {
                        fields: pairs(&bytes)?,
                        uploads: Vec::new(),
                    },
                    _ => {
                        return Err(Failure::unreadable(
                            "The form was sent in an unknown encoding.",
                        ));
                    }
                }
            }
        };
        let texts = sent.fields.iter().flat_map(|(name, value)| [name, value]);
        if texts.into_iter().any(|text| text.contains('\0')) {
            return Err(Failure::unreadable("A field holds a NUL character."));
        }
        if sent.fields.len() + sent.uploads.len() > FIELDS_MAX {
            return Err(Failure::unreadable("The form has too many fields."));
        }
        Ok(sent)
    }

    /// The value of a field, without space around it; empty when there is none.
    pub(crate) fn get(&self, name: &str) -> &str {
        self.raw(name).trim()
    }

    /// The value of a field exactly as it was typed: passwords.
    pub(crate) fn raw(&self, name: &str) -> &str {
        let field = self.fields.iter().find(|(key, _)| key == name);
        field.map_or("", |(_, value)| value)
    }

    /// The value of a field; `None` when it is empty or absent.
    pub(crate) fn some(&self, name: &str) -> Option<&str> {
        Some(self.get(name)).filter(|value| !value.is_empty())
    }

    /// Every value of a field: the boxes that were ticked.
    pub(crate) fn all(&self, name: &str) -> Vec<&str> {
        let fields = self.fields.iter().filter(|(key, _)| key == name);
        fields.map(|(_, value)| value.as_str()).collect()
    }

    /// Whether a box was ticked.
    pub(crate) fn is_checked(&self, name: &str) -> bool {
        !self.get(name).is_empty()
    }

    /// The file of a field; `None` when none was chosen.
    pub(crate) fn upload(&self, name: &str) -> Option<&Upload> {
        let upload = self.uploads.iter().find(|upload| upload.field == name);
        upload.filter(|upload| upload.is_cut || !upload.bytes.is_empty())
    }

    /// The version that the form was made from: for `If-Match`.
    pub(crate) fn revision(&self) -> Option<i64> {
        self.get("revision").parse().ok()
    }

    /// The key that makes a form sent twice do its work once; see [`Form::once`].
    pub(crate) fn once(&self) -> &str {
        let key = self.get("_once");
        let legal = (1..=64).contains(&key.len()) && key.bytes().all(|b| b.is_ascii_graphic());
        if legal { key } else { "form-without-key" }
    }

    /// Whether every field but ours is there: a form that was opened before its session ended has none.
    pub(crate) fn token(&self) -> &str {
        self.raw(csrf::FIELD)
    }

    /// The form as it was sent, to be shown again. Passwords and codes are not in it.
    pub(crate) fn form(&self) -> Form {
        let keep = |name: &str| {
            !name.starts_with('_') && !name.contains("password") && !name.contains("code")
        };
        let fields = self.fields.iter().filter(|(name, _)| keep(name));
        Form::with(fields.cloned()).keeping_once(self.get("_once"))
    }

    /// What to show when the management API refused what was sent: the form with its values and messages.
    ///
    /// # Errors
    /// The failure itself when it is not about the values: no such thing, not allowed, not now.
    pub(crate) fn refused(&self, error: ManagementError) -> Result<Form, Failure> {
        let form = self.form();
        match error {
            ManagementError::Problem(problem) if matches!(problem.status, 409 | 413 | 422) => {
                Ok(form.refused(&problem))
            }
            other => Err(other.into()),
        }
    }
}

/// Values may be secrets, so none is printed.
impl std::fmt::Debug for Sent {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let names = self.fields.iter().map(|(name, _)| name);
        f.debug_set().entries(names).finish()
    }
}

/// The pairs of a form without files. What is not UTF-8 once decoded is refused rather than mended.
fn pairs(bytes: &[u8]) -> Result<Vec<(String, String)>, Failure> {
    let mut pairs = Vec::new();
    for pair in bytes.split(|byte| *byte == b'&').take(FIELDS_MAX + 2) {
        let (name, value) = pair
            .iter()
            .position(|byte| *byte == b'=')
            .and_then(|at| pair.split_at_checked(at))
            .map_or((pair, &[][..]), |(name, value)| {
                (name, value.get(1..).unwrap_or_default())
            });
        match (decoded(name), decoded(value)) {
            (Some(name), Some(value)) => pairs.push((name, value)),
            _ => return Err(Failure::unreadable("A field is not UTF-8.")),
        }
    }
    Ok(pairs)
}

fn decoded(text: &[u8]) -> Option<String> {
    let spaced: Vec<u8> = text
        .iter()
        .map(|b| if *b == b'+' { b' ' } else { *b })
        .collect();
    let decoded = percent_encoding::percent_decode(&spaced)
        .decode_utf8()
        .ok()?;
    // Browsers end the lines of a textarea with CRLF.
    Some(decoded.replace("\r\n", "\n"))
}

/// The parts of a form with files, of which at most `bytes_max` are kept.
async fn parts(
    content_type: http::HeaderValue,
    body: Body,
    bytes_max: usize,
) -> Result<Sent, Failure> {
    let no_boundary = || Failure::unreadable("The form has no readable Content-Type.");
    let request = Request::post("/").header(header::CONTENT_TYPE, content_type);
    let mut request = request.body(body).map_err(|_| no_boundary())?;
    DefaultBodyLimit::max(DRAINED_BYTES_MAX).apply(&mut request);
    let multipart = Multipart::from_request(request, &()).await;
    let mut multipart = multipart.map_err(|_| no_boundary())?;
    let mut sent = Sent::default();
    let mut bytes_left = bytes_max;
    while let Some(part) = multipart.next_field().await.map_err(unreadable)? {
        let name = part.name().unwrap_or_default().to_owned();
        let file_name = part.file_name().map(str::to_owned);
        let bytes = kept(part, bytes_left).await?;
        bytes_left -= bytes.as_ref().map_or(0, Vec::len);
        match (file_name, bytes) {
            (Some(file_name), bytes) => sent.uploads.push(Upload {
                field: name,
                file_name: file_name.chars().take(200).collect(),
                is_cut: bytes.is_none(),
                bytes: bytes.unwrap_or_default().into(),
            }),
            (None, Some(bytes)) => {
                let text = String::from_utf8(bytes)
                    .map_err(|_| Failure::unreadable("A field is not UTF-8."))?;
                sent.fields.push((name, text.replace("\r\n", "\n")));
            }
            (None, None) => return Err(Failure::TooLarge),
        }
        if sent.fields.len() + sent.uploads.len() > FIELDS_MAX {
            break;
        }
    }
    Ok(sent)
}

/// The bytes of a part, read to its end; `None` when they are more than are kept.
async fn kept(mut part: Field<'_>, bytes_max: usize) -> Result<Option<Vec<u8>>, Failure> {
    let mut bytes = Some(Vec::new());
    while let Some(chunk) = part.chunk().await.map_err(unreadable)? {
        bytes = bytes
            .filter(|bytes: &Vec<u8>| bytes.len() + chunk.len() <= bytes_max)
            .map(|mut bytes| {
                bytes.extend_from_slice(&chunk);
                bytes
            });
    }
    Ok(bytes)
}

#[expect(clippy::needless_pass_by_value, reason = "as map_err gives it")]
fn unreadable(error: MultipartError) -> Failure {
    if error.status() == StatusCode::PAYLOAD_TOO_LARGE {
        Failure::TooLarge
    } else {
        Failure::unreadable("The parts of the form cannot be told apart.")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn read(content_type: &str, body: &str) -> Result<Sent, Failure> {
        let mut headers = HeaderMap::new();
        headers.insert(header::CONTENT_TYPE, content_type.parse().unwrap());
        Sent::read(&headers, Body::from(body.to_owned()), 1_000).await
    }

    const FORM: &str = "application/x-www-form-urlencoded";

    #[tokio::test]
    async fn fields_are_read_with_all_their_values() {
        let sent = read(FORM, "name=+A%26B+&apis=x&apis=y&text=a%0D%0Ab&empty=").await;

        let sent = sent.unwrap();
        assert_eq!(sent.get("name"), "A&B");
        assert_eq!(sent.raw("name"), " A&B ");
        assert_eq!(sent.all("apis"), ["x", "y"]);
        assert_eq!(sent.get("text"), "a\nb");
        assert_eq!(sent.some("empty"), None);
        assert_eq!(sent.get("absent"), "");
    }

    #[tokio::test]
    async fn files_are_told_from_fields() {
        let body = "--b\r\nContent-Disposition: form-data; name=\"title\"\r\n\r\nSpec\r\n\
                    --b\r\nContent-Disposition: form-data; name=\"spec\"; filename=\"../a.yaml\"\r\n\
                    Content-Type: text/yaml\r\n\r\n\u{feff}openapi: 3.1.0\r\n--b--\r\n";

        let sent = read("multipart/form-data; boundary=b", body).await.unwrap();

        assert_eq!(sent.get("title"), "Spec");
        let upload = sent.upload("spec").unwrap();
        assert_eq!(upload.text(), Some("openapi: 3.1.0"));
        assert_eq!(upload.file_name, "../a.yaml");
        assert_eq!(sent.upload("title"), None);
    }

    #[tokio::test]
    async fn a_file_that_is_too_large_is_thrown_away_and_the_fields_are_kept() {
        let large = "x".repeat(5_000);
        let body = format!(
            "--b\r\nContent-Disposition: form-data; name=\"spec\"; filename=\"a.yaml\"\r\n\r\n{large}\r\n\
             --b\r\nContent-Disposition: form-data; name=\"title\"\r\n\r\nSpec\r\n--b--\r\n"
        );

        let sent = read("multipart/form-data; boundary=b", &body)
            .await
            .unwrap();

        assert_eq!(sent.get("title"), "Spec");
        let upload = sent.upload("spec").unwrap();
        assert!(upload.is_cut && upload.bytes.is_empty());
        let field = body.replace("; filename=\"a.yaml\"", "");
        let refused = read("multipart/form-data; boundary=b", &field).await;
        assert!(matches!(refused, Err(Failure::TooLarge)));
    }

    #[tokio::test]
    async fn what_cannot_be_read_is_refused() {
        for (kind, body) in [
            (FORM, "name=%ff"),
            (FORM, "name=%00"),
            ("application/json", "{}"),
            ("text/plain", "name=x"),
            ("multipart/form-data", "--b"),
            ("multipart/form-data; boundary=b", "--b\r\nnonsense"),
        ] {
            assert!(read(kind, body).await.is_err(), "{kind} {body}");
        }
        let many = "a=1&".repeat(250);
        assert!(read(FORM, &many).await.is_ok());
        let long = format!("name={}", "x".repeat(1_000));
        assert!(matches!(read(FORM, &long).await, Err(Failure::TooLarge)));
    }

    #[tokio::test]
    async fn a_form_that_is_shown_again_holds_no_secret_and_no_log_a_value() {
        let sent = read(
            FORM,
            "email=a%40b.c&password=hunter2&new_password=x&_csrf=t&totp_code=1",
        )
        .await;

        let sent = sent.unwrap();
        let form = sent.form();
        assert_eq!(form.value("email"), "a@b.c");
        for name in ["password", "new_password", "_csrf", "totp_code"] {
            assert_eq!(form.value(name), "", "{name}");
        }
        assert!(!format!("{sent:?}").contains("hunter2"));
    }
}
