//! Nodes: the processes that serve this ledger. For `orch:admin`.

use axum::extract::State;
use orch_core::ids::NodeId;
use orch_core::port::{Cluster, NodeRow};
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::cursor::List;
use super::error::Problem;
use super::json::Json;
use super::query::Query;
use super::segment::Segment;
use super::texts::{LimitNumber, NodeIdText};
use super::words::PageOut;
use super::workers::reports::EmptyOut;
use super::{id_of, page_of};
use crate::access::{Caller, Scope, require};
use crate::state::AppState;

/// The routes of nodes.
pub fn routes() -> OpenApiRouter<AppState> {
    OpenApiRouter::new().routes(routes!(list_nodes)).routes(routes!(drain_node)).routes(routes!(undrain_node))
}

/// A node.
#[derive(Debug, Serialize, ToSchema)]
pub struct NodeOut {
    /// Its id: one boot of one process.
    #[schema(value_type = NodeIdText)]
    pub id: NodeId,
    /// Where other nodes reach it.
    pub address: String,
    /// `alive`, `draining`: it gives its shards up and takes none, or `gone`: it has not renewed.
    #[schema(example = "alive")]
    pub state: &'static str,
    /// The shards that it owns.
    pub shards: Vec<u16>,
    /// For how long it counts as alive unless it renews.
    pub alive_ms: u64,
    /// It is the one that answers.
    pub answers: bool,
}

impl NodeOut {
    fn new(row: &NodeRow, cluster: &Cluster, here: NodeId) -> Self {
        let owned = cluster.shards.iter().filter(|shard| shard.owner == Some(row.node));
        let state = match (row.for_ms, row.draining) {
            (0, _) => "gone",
            (_, true) => "draining",
            (_, false) => "alive",
        };
        Self {
            id: row.node,
            address: row.address.clone(),
            state,
            shards: owned.map(|shard| shard.shard.0).collect(),
            alive_ms: row.for_ms,
            answers: row.node == here,
        }
    }
}

/// Lists the nodes that are alive, or were within the last minute.
#[utoipa::path(
    get, path = "/nodes", tag = "nodes",
    params(
        ("limit" = inline(Option<LimitNumber>), Query, description = "Items a page, at most 200; 50 when left out"),
        ("cursor" = Option<String>, Query, description = "`next_cursor` of the page before"),
    ),
    responses((status = 200, body = PageOut<NodeOut>, description = "A page"))
)]
pub async fn list_nodes(
    State(app): State<AppState>,
    caller: Caller,
    query: Query,
) -> Result<Json<PageOut<NodeOut>>, Problem> {
    require(&caller, Scope::Admin)?;
    let list = List::new("nodes", app.engine().incarnation().await?, caller.tenant(), &[]);
    let mut params = query.open()?;
    let page = params.page::<String>(&list)?;
    params.finish()?;
    let cluster = app.engine().ledger().cluster().await?;
    let nodes = cluster.nodes.iter().map(|row| NodeOut::new(row, &cluster, app.engine().node())).collect();
    Ok(Json(page_of(nodes, &list, page, |node: &NodeOut| node.id.to_string())))
}

/// Drains a node: it gives its shards to the others one by one and takes none, but goes on passing calls on.
///
/// The last node that takes shards keeps them.
#[utoipa::path(
    post, path = "/nodes/{node}/drain", tag = "nodes",
    params(("node" = inline(NodeIdText), Path, description = "The node")),
    responses((status = 200, body = EmptyOut, description = "It is draining"))
)]
pub async fn drain_node(
    State(app): State<AppState>,
    caller: Caller,
    Segment(node): Segment,
    query: Query,
) -> Result<Json<EmptyOut>, Problem> {
    mark(&app, &caller, &node, query, true).await
}

/// Lets a node that was drained take shards again.
#[utoipa::path(
    post, path = "/nodes/{node}/undrain", tag = "nodes",
    params(("node" = inline(NodeIdText), Path, description = "The node")),
    responses((status = 200, body = EmptyOut, description = "It takes shards"))
)]
pub async fn undrain_node(
    State(app): State<AppState>,
    caller: Caller,
    Segment(node): Segment,
    query: Query,
) -> Result<Json<EmptyOut>, Problem> {
    mark(&app, &caller, &node, query, false).await
}

async fn mark(
    app: &AppState,
    caller: &Caller,
    node: &str,
    query: Query,
    draining: bool,
) -> Result<Json<EmptyOut>, Problem> {
    require(caller, Scope::Admin)?;
    query.none()?;
    if !app.engine().ledger().node_drain(id_of(node, "node")?, draining).await? {
        return Err(Problem::not_found("live node"));
    }
    tracing::info!(node, draining, by = caller.subject(), "a node was marked");
    Ok(Json(EmptyOut {}))
}
