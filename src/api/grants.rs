//! `GET /chat-token/grants`: what this session may have, without minting anything.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::Json;
use axum::extract::{Extension, Request, State};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use tracing::Instrument as _;

use super::problem::Problem;
use super::state::{App, Context};
use crate::chat::{ChannelName, MemberId, Rights, Ttl};
use crate::policy::{Overview, PatternRights};
use crate::telemetry::traces::step;

pub(super) async fn get(
    State(app): State<App>,
    Extension(context): Extension<Context>,
    request: Request,
) -> Result<Response, Problem> {
    let policy = app.policy();
    let (head, _) = request.into_parts();
    let session = app.session(&head, &policy, &context).instrument(step("session")).await?;
    let member = policy.member(session.facts())?;
    app.admit(&member).instrument(step("limits")).await?;
    let overview = step("policy").in_scope(|| policy.overview(session.facts(), context.latest_mint()))?;
    Ok(Json(Grants::from(&overview)).into_response())
}

#[derive(Serialize)]
struct Grants<'a> {
    /// Null for a guest, whose id is another for each token.
    member_id: Option<&'a MemberId>,
    roles: &'a [Arc<str>],
    channels: &'a BTreeMap<ChannelName, Rights>,
    patterns: Vec<PatternRow<'a>>,
    max_ttl: Option<Ttl>,
}

#[derive(Serialize)]
struct PatternRow<'a> {
    pattern: &'a str,
    #[serde(flatten)]
    rights: Rights,
}

impl<'a> From<&'a Overview> for Grants<'a> {
    fn from(overview: &'a Overview) -> Self {
        let row = |PatternRights { pattern, rights }: &'a PatternRights| PatternRow { pattern, rights: *rights };
        Self {
            member_id: Some(&overview.member_id).filter(|member| !member.is_guest()),
            roles: &overview.roles,
            channels: &overview.channels,
            patterns: overview.patterns.iter().map(row).collect(),
            max_ttl: overview.max_ttl,
        }
    }
}
