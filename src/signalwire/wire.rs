//! One call to SignalWire: `POST /api/chat/tokens`, and what its answer means. Must not know grants, nor whether it is the
//! first try, nor how a connection is made.

use std::error::Error;
use std::io::{self, ErrorKind};
use std::iter::successors;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use bytes::Bytes;
use http::header::{AUTHORIZATION, CONTENT_TYPE};
use http::{HeaderValue, Method, Request, Uri};
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper_util::client::legacy;
use tracing::Span;

use super::answer::{ChatToken, codes, retry_after, token};
use super::connect::{self, Http};
use super::credentials::Credentials;
use super::fault::{BuildFault, MintFault};
use super::{SignalWireSettings, trace};

/// The largest answer that is read.
const MAX_ANSWER: usize = 2 << 20;

/// The settings that name files.
const TOKEN_FILE: &str = "signalwire.api_token_file";
const CA_FILE: &str = "signalwire.ca_file";

/// The way to one SignalWire project.
pub(super) struct Wire {
    /// With a connection pool of its own; another one when the CA file changes.
    http: ArcSwap<Http>,
    tokens: Uri,
    /// The same, to be shown.
    address: String,
    credentials: Arc<Credentials>,
    connect_timeout: Duration,
    ca_file: Option<PathBuf>,
}

impl Wire {
    /// Connects to nothing yet.
    pub(super) fn new(settings: &SignalWireSettings) -> Result<Self, BuildFault> {
        let credentials = Arc::new(Credentials::new(settings)?);
        let mut tokens = settings.space.clone();
        tokens.set_path("/api/chat/tokens");
        let address = String::from(tokens);
        let tokens = Uri::try_from(&address).map_err(|_| BuildFault::Space)?;
        let (connect_timeout, ca_file) = (settings.connect_timeout, settings.ca_file.clone());
        let http = ArcSwap::from_pointee(connect::client(&tokens, connect_timeout, ca_file.as_deref())?);
        Ok(Self { http, tokens, address, credentials, connect_timeout, ca_file })
    }

    /// Where it leads.
    pub(super) fn address(&self) -> &str {
        &self.address
    }

    /// The files that it was made of: the setting that names each, and its path.
    pub(super) fn files(&self) -> Vec<(&'static str, PathBuf)> {
        let token = self.credentials.file().map(|path| (TOKEN_FILE, path.to_owned()));
        let ca = self.ca_file.as_ref().map(|path| (CA_FILE, path.clone()));
        token.into_iter().chain(ca).collect()
    }

    /// Reads what this setting names again. What is of no use leaves what was.
    pub(super) fn reread(&self, setting: &str) -> Result<(), BuildFault> {
        if setting == TOKEN_FILE {
            return self.credentials.reread();
        }
        let http = connect::client(&self.tokens, self.connect_timeout, self.ca_file.as_deref())?;
        self.http.store(Arc::new(http));
        Ok(())
    }

    /// One call, with the credentials that are in force; again with new ones where those have just changed. SignalWire is
    /// told of `span`. The token, and the status that it came with: 200 or 201.
    pub(super) async fn post(&self, body: Bytes, span: &Span) -> Result<(ChatToken, u16), MintFault> {
        let authorization = self.credentials.header();
        let answer = self.send(body.clone(), &authorization, span).await;
        if matches!(answer, Err(MintFault::Credentials(_)))
            && let Some(other) = self.credentials.other_than(&authorization).await
        {
            return self.send(body, &other, span).await;
        }
        answer
    }

    async fn send(&self, body: Bytes, authorization: &HeaderValue, span: &Span) -> Result<(ChatToken, u16), MintFault> {
        let body = Full::new(body);
        let mut request = Request::new(body);
        *request.method_mut() = Method::POST;
        // A count of who shares it, as are the headers' values: nothing is copied.
        *request.uri_mut() = self.tokens.clone();
        request.headers_mut().insert(AUTHORIZATION, authorization.clone());
        request.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        trace::tell(span, request.headers_mut());
        let answering = self.http.load().request(request);
        let (head, body) = answering.await.map_err(no_answer)?.into_parts();
        match head.status.as_u16() {
            status @ (200 | 201) => {
                let token = match read(body).await? {
                    Some(body) => token(&body),
                    None => Err("it is over 2 MiB"),
                };
                Ok((token.map_err(|why| MintFault::NoToken { status, why })?, status))
            }
            status @ (401 | 403) => Err(MintFault::Credentials(status)),
            422 => Err(MintFault::Refused(codes(&read(body).await.ok().flatten().unwrap_or_default()))),
            429 => Err(MintFault::RateLimited { retry_after: retry_after(&head.headers) }),
            status @ 500..=599 => Err(MintFault::Failing { status, retry_after: retry_after(&head.headers) }),
            status => Err(MintFault::Unexpected(status)),
        }
    }
}

/// The body, unless it is larger than any that is read.
async fn read(mut body: Incoming) -> Result<Option<Bytes>, MintFault> {
    // Mostly it comes in one piece, which is taken as it is.
    let (mut first, mut all) = (Bytes::new(), Vec::new());
    while let Some(frame) = body.frame().await {
        let Ok(piece) = frame.map_err(cut_short)?.into_data() else { continue };
        if first.len().max(all.len()) + piece.len() > MAX_ANSWER {
            return Ok(None);
        }
        if first.is_empty() {
            first = piece;
            continue;
        }
        if all.is_empty() {
            all.extend_from_slice(&first);
        }
        all.extend_from_slice(&piece);
    }
    Ok(Some(if all.is_empty() { first } else { Bytes::from(all) }))
}

/// What it means that a request has no answer. The text names no URL: that is in the settings.
fn no_answer(error: legacy::Error) -> MintFault {
    if is_no_http(&error) { MintFault::Nonsense("it is not HTTP") } else { MintFault::Unreachable(error.into()) }
}

/// What it means that an answer ends within its body.
fn cut_short(error: hyper::Error) -> MintFault {
    // What is an error of the body may just as well be a connection that was cut.
    let is_broken = |kind| matches!(kind, ErrorKind::InvalidInput | ErrorKind::InvalidData);
    if is_no_http(&error) {
        MintFault::Nonsense("it is not HTTP")
    } else if chain(&error).filter_map(|cause| cause.downcast_ref()).map(io::Error::kind).any(is_broken) {
        MintFault::Nonsense("its chunks are broken")
    } else {
        MintFault::Unreachable(error.into())
    }
}

fn is_no_http(error: &(dyn Error + 'static)) -> bool {
    chain(error).any(|cause| cause.downcast_ref().is_some_and(hyper::Error::is_parse))
}

/// An error and its causes.
fn chain<'a>(error: &'a (dyn Error + 'static)) -> impl Iterator<Item = &'a (dyn Error + 'static)> {
    successors(Some(error), |&error| error.source())
}
