//! Terms of well-known feeds, ready to be declared as buckets.

use orch_core::config::check_name;
use orch_core::known_terms::{self, KnownTerms};
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::buckets::TermBody;
use super::error::Problem;
use super::json::Json;
use super::query::Query;
use super::texts::NameText;
use super::words::ItemsOut;
use crate::access::{Caller, Scope, require};
use crate::state::AppState;

/// The routes of known terms.
pub fn routes() -> OpenApiRouter<AppState> {
    OpenApiRouter::new().routes(routes!(list_known_terms))
}

/// Terms of a well-known feed.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = KnownTerms)]
pub struct KnownTermsOut {
    /// What they are called.
    #[schema(example = "nvd-anonymous")]
    pub id: &'static str,
    /// The host; null: each provider has its own.
    #[schema(example = "services.nvd.nist.gov")]
    pub host: Option<&'static str>,
    /// Text for people.
    pub title: &'static str,
    /// They hold for requests with a key or a token.
    pub key: bool,
    /// The host published them; otherwise they are a caution of our own.
    pub published: bool,
    /// Where they were published.
    pub source: Option<&'static str>,
    /// All of them hold.
    pub terms: Vec<TermBody>,
}

impl From<&'static KnownTerms> for KnownTermsOut {
    fn from(entry: &'static KnownTerms) -> Self {
        Self {
            id: &entry.id,
            host: entry.host.as_deref(),
            title: &entry.title,
            key: entry.key,
            published: entry.published,
            source: entry.source.as_deref(),
            terms: entry.terms.iter().copied().map(TermBody::from).collect(),
        }
    }
}

/// Lists terms of well-known feeds, by host. They are not declared by themselves.
#[utoipa::path(
    get, path = "/known-terms", tag = "buckets",
    params(("host" = inline(Option<NameText>), Query, description = "Only those of this host")),
    responses((status = 200, body = ItemsOut<KnownTermsOut>, description = "All entries"))
)]
pub async fn list_known_terms(caller: Caller, query: Query) -> Result<Json<ItemsOut<KnownTermsOut>>, Problem> {
    require(&caller, Scope::Read)?;
    let mut params = query.open()?;
    let host = params.one("host")?;
    params.finish()?;
    if let Some(host) = &host {
        check_name("host", host)?;
    }
    let wanted = known_terms::all().iter().filter(|entry| host.is_none() || entry.host == host);
    Ok(Json(ItemsOut { items: wanted.map(KnownTermsOut::from).collect() }))
}
