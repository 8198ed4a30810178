//! Style sheet, scripts and the like: part of the program, under names that change with their content, so that
//! browsers keep them for ever.

use std::{fmt::Write as _, sync::LazyLock};

use aws_lc_rs::digest::{SHA256, digest};
use axum::{
    extract::Path,
    response::{IntoResponse, Response},
};
use http::{HeaderValue, header};

use crate::failure::Failure;

struct Asset {
    /// As it stands in `static/`.
    name: &'static str,
    /// The same with the start of its digest before the extension.
    hashed: String,
    kind: &'static str,
    bytes: &'static [u8],
}

const STYLE: &str = "text/css; charset=utf-8";
const SCRIPT: &str = "text/javascript; charset=utf-8";
const IMAGE: &str = "image/svg+xml";

macro_rules! embedded {
    ($($name:literal: $kind:expr,)*) => {
        [$(asset($name, $kind, include_bytes!(concat!("../static/", $name)))),*]
    };
}

static ASSETS: LazyLock<[Asset; 5]> = LazyLock::new(|| {
    embedded! {
        "portal.css": STYLE,
        "portal.js": SCRIPT,
        "passkey.js": SCRIPT,
        "htmx-4.0.1.min.js": SCRIPT,
        "icon.svg": IMAGE,
    }
});

fn asset(name: &'static str, kind: &'static str, bytes: &'static [u8]) -> Asset {
    let digest = digest(&SHA256, bytes);
    let mut start = String::new();
    for byte in digest.as_ref().iter().take(6) {
        let _ = write!(start, "{byte:02x}");
    }
    let (stem, extension) = name.rsplit_once('.').unwrap_or((name, ""));
    Asset {
        name,
        hashed: format!("{stem}.{start}.{extension}"),
        kind,
        bytes,
    }
}

/// The URL of a file of `static/`. A name that is not there gives a URL that answers 404, which a test finds.
pub(crate) fn url(name: &str) -> String {
    let asset = ASSETS.iter().find(|asset| asset.name == name);
    let hashed = asset.map_or(name, |asset| &asset.hashed);
    format!("/static/{hashed}")
}

/// Whether a file stands at this path.
pub(crate) fn is_at(path: &str) -> bool {
    let name = path.strip_prefix("/static/").unwrap_or_default();
    ASSETS.iter().any(|asset| asset.hashed == name)
}

/// `GET /static/{name}`.
pub(crate) async fn serve(Path(name): Path<String>) -> Result<Response, Failure> {
    let asset = ASSETS.iter().find(|asset| asset.hashed == name);
    let asset = asset.ok_or(Failure::NotFound)?;
    let mut response = asset.bytes.into_response();
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(asset.kind));
    headers.insert(
        header::CACHE_CONTROL,
        HeaderValue::from_static("public, max-age=31536000, immutable"),
    );
    Ok(response)
}
