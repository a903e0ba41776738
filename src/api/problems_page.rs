//! `GET /problems`: what each problem's `type` points to. A page for people, made of the table of codes; must not know
//! anything else.

use std::fmt::Write as _;
use std::sync::LazyLock;

use axum::http::header::{CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE};
use axum::response::{IntoResponse, Response};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::HeaderValue;
use sha2::{Digest, Sha256};

use super::code::Code;
use crate::chat::FaultCode;

const STYLE: &str = include_str!("problems_page.css");

/// The page, made once.
static PAGE: LazyLock<Bytes> = LazyLock::new(|| Bytes::from(page()));
/// Nothing but the page's own style.
static POLICY: LazyLock<HeaderValue> = LazyLock::new(|| {
    let hash = STANDARD.encode(Sha256::digest(STYLE));
    let policy = format!(
        "default-src 'none'; style-src 'sha256-{hash}'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    );
    HeaderValue::from_str(&policy).unwrap_or(HeaderValue::from_static("default-src 'none'"))
});

pub(super) async fn get() -> Response {
    let headers = [
        (CONTENT_TYPE, HeaderValue::from_static("text/html; charset=utf-8")),
        (CACHE_CONTROL, HeaderValue::from_static("public, max-age=3600")),
        (CONTENT_SECURITY_POLICY, POLICY.clone()),
    ];
    (headers, PAGE.clone()).into_response()
}

fn page() -> String {
    let mut html = format!(
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n<meta name=\"color-scheme\" \
         content=\"light dark\">\n<title>Problems · usher</title>\n<style>{STYLE}</style>\n</head>\n<body>\n<main>\n\
         <h1>Problems</h1>\n<p>Every answer of 400 and above is <code>application/problem+json</code> (RFC 9457), save to what is not \
         HTTP or has too large a head. Programs \
         go by its <code>code</code>; its <code>request_id</code>, also the header <code>X-Request-Id</code>, leads the \
         operator to the cause in the log. In short: renew the session on 401; retry 408, 429, 502, 503 and 504, after \
         <code>Retry-After</code> seconds where there is one; give up on the rest.</p>\n<nav aria-label=\"Codes\">\n<ul>\n"
    );
    // Writing to a String cannot fail.
    for code in Code::ALL {
        let row = code.row();
        let _ = writeln!(html, "<li><a href=\"#{0}\">{1} {0}</a></li>", row.code, row.status);
    }
    html += "</ul>\n</nav>\n";
    for code in Code::ALL {
        section(&mut html, code);
    }
    html + "</main>\n</body>\n</html>\n"
}

fn section(html: &mut String, code: Code) {
    let row = code.row();
    let _ = writeln!(
        html,
        "<section id=\"{0}\" tabindex=\"-1\">\n<h2><span>{1}</span> <a href=\"#{0}\">{0}</a></h2>\n<p><strong>{2}.</strong> {3}</p>",
        row.code,
        row.status,
        marked(row.title),
        marked(row.means)
    );
    if code == Code::InvalidRequest {
        *html +=
            "<table>\n<thead><tr><th>code in <code>errors</code></th><th>what is wrong</th></tr></thead>\n<tbody>\n";
        for fault in FaultCode::ALL {
            let (name, about) = fault.about();
            let _ = writeln!(html, "<tr><td><code>{name}</code></td><td>{}</td></tr>", marked(about));
        }
        *html += "</tbody>\n</table>\n";
    }
    let _ = writeln!(
        html,
        "<dl>\n<dt>The client</dt><dd>{}</dd>\n<dt>The operator</dt><dd>{}</dd>\n</dl>\n</section>",
        marked(row.client),
        marked(row.operator)
    );
}

/// Text as HTML, what stands in backticks as code.
fn marked(text: &str) -> String {
    let escaped = text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
    let parts = escaped.split('`').enumerate();
    parts.map(|(index, part)| if index % 2 == 1 { format!("<code>{part}</code>") } else { part.to_owned() }).collect()
}
