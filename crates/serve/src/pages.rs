//! The pages: they are built into the program, and ask nothing of any other place.

use crate::problem::{Code, Problem};
use axum::{
    extract::Path,
    http::{HeaderName, HeaderValue, header},
    response::{IntoResponse, Response},
};

/// Only what this server gives, no script in a page itself, and in no frame of another site.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; \
                      connect-src 'self'; font-src 'self'; base-uri 'none'; form-action 'none'; \
                      frame-ancestors 'none'";

const HTML: &str = "text/html; charset=utf-8";
const SCRIPT: &str = "text/javascript; charset=utf-8";
const STYLE: &str = "text/css; charset=utf-8";
const DRAWING: &str = "image/svg+xml";

/// A file, its type and its content.
macro_rules! files {
    ($($name:literal: $kind:expr),* $(,)?) => {
        &[$(($name, $kind, include_str!(concat!("../pages/", $name)))),*]
    };
}

const FILES: &[(&str, &str, &str)] = files! {
    "docs.html": HTML,
    "docs.js": SCRIPT,
    "index.html": HTML,
    "learner.html": HTML,
    "teacher.html": HTML,
    "operator.html": HTML,
    "tallyd.css": STYLE,
    "tallyd.svg": DRAWING,
    "tallyd.js": SCRIPT,
    "page.js": SCRIPT,
    "index.js": SCRIPT,
    "learner.js": SCRIPT,
    "teacher.js": SCRIPT,
    "operator.js": SCRIPT,
    "graph.js": SCRIPT,
};

/// The first page.
pub(crate) async fn index() -> Response {
    file("index.html")
}

/// A page: `/learner`, `/learner/u7`, `/teacher`, `/operator`, `/docs`; or a file of one.
pub(crate) async fn page(Path(path): Path<String>) -> Response {
    match path.split('/').next() {
        Some("learner") => file("learner.html"),
        Some("teacher") => file("teacher.html"),
        Some("operator") => file("operator.html"),
        Some("docs") => file("docs.html"),
        _ => file(&path),
    }
}

fn file(name: &str) -> Response {
    let found = FILES.iter().find(|(known, ..)| *known == name);
    let Some((_, kind, content)) = found else {
        return Problem::new(Code::NotFound, "nothing is at this path").into_response();
    };
    let plain = |name, value| (HeaderName::from_static(name), HeaderValue::from_static(value));
    let headers = [
        (header::CONTENT_TYPE, HeaderValue::from_static(kind)),
        (header::CACHE_CONTROL, HeaderValue::from_static("no-cache")),
        plain("content-security-policy", POLICY),
        plain("x-content-type-options", "nosniff"),
        plain("referrer-policy", "no-referrer"),
    ];
    (headers, *content).into_response()
}
