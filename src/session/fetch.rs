//! A JWK Set by URL: fetched before it is needed and kept fresh. Must not know tokens; nothing is ever fetched because a
//! token says so.

use std::sync::Arc;
use std::time::Duration;

use url::Url;

use super::key::Algorithm;
use super::keys::{KeySet, KeyStore, tell_left_out};
use crate::chat::causes;

/// How often a set is fetched again.
const REFRESH: Duration = Duration::from_mins(5);
/// How long after a failure.
const RETRY: Duration = Duration::from_secs(10);
/// How long one fetch may take.
const TIMEOUT: Duration = Duration::from_secs(5);
/// The largest answer that is read.
const MAX_BYTES: usize = 1 << 20;

/// Keeps one issuer's keys fresh.
pub(super) struct Fetcher {
    pub(super) issuer: String,
    pub(super) url: Url,
    pub(super) algorithms: Vec<Algorithm>,
    pub(super) store: Arc<KeyStore>,
    http: reqwest::Client,
}

#[derive(Debug, thiserror::Error)]
enum FetchError {
    #[error("it cannot be fetched")]
    Http(#[from] reqwest::Error),
    #[error("it answered {0}")]
    Status(u16),
    #[error("its answer is over 1 MiB")]
    TooLarge,
    #[error("{0}")]
    NotJwks(String),
    #[error("it holds no key that can be used")]
    Empty,
}

impl Fetcher {
    pub(super) fn new(
        issuer: &str,
        url: &Url,
        algorithms: &[Algorithm],
        store: Arc<KeyStore>,
    ) -> Result<Self, reqwest::Error> {
        let builder = reqwest::ClientBuilder::new()
            .redirect(reqwest::redirect::Policy::none())
            .referer(false)
            .no_proxy()
            .connect_timeout(TIMEOUT)
            .timeout(TIMEOUT);
        // Without TLS no CA bundle is needed, and none has to be there.
        let builder = if url.scheme() == "http" { builder.tls_certs_only([]) } else { builder };
        Ok(Self {
            issuer: issuer.to_owned(),
            url: url.clone(),
            algorithms: algorithms.to_vec(),
            store,
            http: builder.build()?,
        })
    }

    /// Fetches once; a failure is told and keeps what was. Whether it went well.
    pub(super) async fn refresh(&self) -> bool {
        match self.fetch().await {
            Ok((keys, left_out)) => {
                tell_left_out(&self.issuer, &left_out);
                tracing::info!(issuer = self.issuer, keys = keys.len(), "session keys fetched");
                self.store.replace(keys);
                true
            }
            Err(error) => {
                let causes = causes(&error);
                tracing::error!(issuer = self.issuer, url = %self.url, "the session keys cannot be had: {causes}");
                false
            }
        }
    }

    /// Fetches for ever, from some time after a first [`Fetcher::refresh`] that went `well`.
    pub(super) async fn keep_fresh(self, mut well: bool) {
        loop {
            tokio::time::sleep(if well { REFRESH } else { RETRY }).await;
            well = self.refresh().await;
        }
    }

    async fn fetch(&self) -> Result<(KeySet, Vec<String>), FetchError> {
        let mut answer = self.http.get(self.url.clone()).send().await.map_err(reqwest::Error::without_url)?;
        if answer.status() != reqwest::StatusCode::OK {
            return Err(FetchError::Status(answer.status().as_u16()));
        }
        let mut body = Vec::new();
        while let Some(chunk) = answer.chunk().await.map_err(reqwest::Error::without_url)? {
            if body.len() + chunk.len() > MAX_BYTES {
                return Err(FetchError::TooLarge);
            }
            body.extend_from_slice(&chunk);
        }
        let (keys, left_out) = KeySet::from_jwks(&body, &self.algorithms).map_err(FetchError::NotJwks)?;
        if keys.is_empty() { Err(FetchError::Empty) } else { Ok((keys, left_out)) }
    }
}
