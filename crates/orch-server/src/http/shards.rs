//! Shards: where tenants live, and which node serves them. For `orch:admin`.

use axum::extract::State;
use orch_core::ids::{NodeId, ShardNo};
use orch_core::port::ShardRow;
use orch_core::refusal::{Code, Refusal};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::cursor::List;
use super::error::Problem;
use super::json::Json;
use super::page_of;
use super::query::Query;
use super::segment::Segment;
use super::texts::{LimitNumber, NodeIdText, ShardText};
use super::words::PageOut;
use super::workers::reports::EmptyOut;
use crate::access::{Caller, Scope, require};
use crate::state::AppState;

/// The routes of shards.
pub fn routes() -> OpenApiRouter<AppState> {
    OpenApiRouter::new().routes(routes!(list_shards)).routes(routes!(move_shard)).routes(routes!(drain_shard))
}

/// A shard.
#[derive(Debug, Serialize, ToSchema)]
pub struct ShardOut {
    /// Its number.
    pub shard: u16,
    /// The node that owns it, alive or not.
    #[schema(value_type = Option<NodeIdText>)]
    pub owner: Option<NodeId>,
    /// Take-overs so far: rises with each.
    pub epoch: u64,
    /// The node that an operator wants it on. It holds as long as that node lives.
    #[schema(value_type = Option<NodeIdText>)]
    pub wanted_on: Option<NodeId>,
    /// Tenants that live on it.
    pub tenants: u64,
}

/// Where a shard is to go.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"node": "nod_0198f0c2b7a07c3e8d9f0a1b2c3d4e5f"}))]
pub struct MoveIn {
    /// The node, which must be alive.
    #[schema(value_type = NodeIdText)]
    pub node: NodeId,
}

/// Lists shards by number.
#[utoipa::path(
    get, path = "/shards", tag = "shards",
    params(
        ("limit" = inline(Option<LimitNumber>), Query, description = "Items a page, at most 200; 50 when left out"),
        ("cursor" = Option<String>, Query, description = "`next_cursor` of the page before"),
    ),
    responses((status = 200, body = PageOut<ShardOut>, description = "A page"))
)]
pub async fn list_shards(
    State(app): State<AppState>,
    caller: Caller,
    query: Query,
) -> Result<Json<PageOut<ShardOut>>, Problem> {
    require(&caller, Scope::Admin)?;
    let list = List::new("shards", app.engine().incarnation().await?, caller.tenant(), &[]);
    let mut params = query.open()?;
    let page = params.page::<u64>(&list)?;
    params.finish()?;
    let cluster = app.engine().ledger().cluster().await?;
    let tenants = app.engine().ledger().tenant_list().await?;
    let out = |row: &ShardRow| ShardOut {
        shard: row.shard.0,
        owner: row.owner,
        epoch: row.epoch,
        wanted_on: row.wish,
        tenants: tenants.iter().filter(|tenant| tenant.shard == row.shard).count() as u64,
    };
    let shards = cluster.shards.iter().map(out).collect();
    Ok(Json(page_of(shards, &list, page, |shard: &ShardOut| u64::from(shard.shard))))
}

/// Moves a shard to a node: its owner ends what it has taken in, then the other takes over.
///
/// Calls for its tenants are held back meanwhile. The wish holds as long as that node lives.
#[utoipa::path(
    post, path = "/shards/{shard}/move", tag = "shards",
    params(("shard" = inline(ShardText), Path, description = "The shard")),
    request_body = MoveIn,
    responses((status = 200, body = EmptyOut, description = "It will be moved"))
)]
pub async fn move_shard(
    State(app): State<AppState>,
    caller: Caller,
    Segment(shard): Segment,
    query: Query,
    Json(MoveIn { node }): Json<MoveIn>,
) -> Result<Json<EmptyOut>, Problem> {
    require(&caller, Scope::Admin)?;
    query.none()?;
    let row = find(&app, &shard).await?;
    send(&app, &caller, row.shard, node).await
}

/// Gives a shard to the live node that has fewest, other than its owner.
#[utoipa::path(
    post, path = "/shards/{shard}/drain", tag = "shards",
    params(("shard" = inline(ShardText), Path, description = "The shard")),
    responses((status = 200, body = EmptyOut, description = "It will be moved"))
)]
pub async fn drain_shard(
    State(app): State<AppState>,
    caller: Caller,
    Segment(shard): Segment,
    query: Query,
) -> Result<Json<EmptyOut>, Problem> {
    require(&caller, Scope::Admin)?;
    query.none()?;
    let row = find(&app, &shard).await?;
    let cluster = app.engine().ledger().cluster().await?;
    let others = cluster.nodes.iter().filter(|node| node.for_ms > 0 && !node.draining && Some(node.node) != row.owner);
    let load = |node: NodeId| cluster.shards.iter().filter(|shard| shard.owner == Some(node)).count();
    let Some(idlest) = others.min_by_key(|node| (load(node.node), node.node)) else {
        let detail = "there is no other live node that takes shards";
        return Err(Refusal::new(Code::StateConflict, detail).into());
    };
    send(&app, &caller, row.shard, idlest.node).await
}

async fn find(app: &AppState, shard: &str) -> Result<ShardRow, Problem> {
    let number = shard.parse().map(ShardNo).map_err(|_| Problem::not_found("shard"))?;
    let cluster = app.engine().ledger().cluster().await?;
    cluster.shards.into_iter().find(|row| row.shard == number).ok_or_else(|| Problem::not_found("shard"))
}

async fn send(app: &AppState, caller: &Caller, shard: ShardNo, node: NodeId) -> Result<Json<EmptyOut>, Problem> {
    if !app.engine().ledger().shard_wish(shard, node).await? {
        let detail = "there is no live node of this id";
        return Err(Refusal::field(Code::StateConflict, "node", detail).into());
    }
    tracing::info!(shard = shard.0, %node, by = caller.subject(), "a shard is to move");
    Ok(Json(EmptyOut {}))
}
