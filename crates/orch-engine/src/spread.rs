//! Which node each shard belongs on: a pure rule that every node works out for itself from the same rows, so that
//! nobody has to be asked and nobody leads.
//!
//! A shard is where an operator wants it as long as that node lives; else it stays where it is, unless its owner has
//! more than its share; what is left goes to whoever has least.

use std::collections::BTreeMap;

use orch_core::ids::{NodeId, ShardNo};
use orch_core::port::{Cluster, ShardRow};

/// The node of each shard; empty when no node can take any.
#[must_use]
pub fn spread(cluster: &Cluster) -> BTreeMap<ShardNo, NodeId> {
    let takes = cluster.nodes.iter().filter(|node| node.for_ms > 0 && !node.draining);
    let mut load: BTreeMap<NodeId, usize> = takes.map(|node| (node.node, 0)).collect();
    let mut places = BTreeMap::new();
    if load.is_empty() {
        return places;
    }
    let mut put = |load: &mut BTreeMap<NodeId, usize>, shard: ShardNo, node: NodeId| {
        *load.entry(node).or_default() += 1;
        places.insert(shard, node);
    };
    let (wished, free): (Vec<&ShardRow>, Vec<&ShardRow>) =
        cluster.shards.iter().partition(|row| row.wish.is_some_and(|node| load.contains_key(&node)));
    for row in wished {
        if let Some(node) = row.wish {
            put(&mut load, row.shard, node);
        }
    }
    // Each node keeps its equal share first; then so many nodes as there are shards left over keep one more.
    let (least, mut more) = (cluster.shards.len() / load.len(), cluster.shards.len() % load.len());
    more = more.saturating_sub(load.values().filter(|count| **count > least).count());
    let mut leaving = Vec::new();
    for row in &free {
        match row.owner.filter(|node| load.get(node).is_some_and(|count| *count < least)) {
            Some(node) => put(&mut load, row.shard, node),
            None => leaving.push(row),
        }
    }
    let mut rest = Vec::new();
    for row in leaving {
        match row.owner.filter(|node| more > 0 && load.get(node) == Some(&least)) {
            Some(node) => {
                more -= 1;
                put(&mut load, row.shard, node);
            }
            None => rest.push(row),
        }
    }
    for row in rest {
        let idlest = load.iter().min_by_key(|(node, count)| (**count, **node)).map(|(node, _)| *node);
        if let Some(node) = idlest {
            put(&mut load, row.shard, node);
        }
    }
    places
}

#[cfg(test)]
mod tests {
    use orch_core::Timestamp;
    use orch_core::port::NodeRow;
    use proptest::prelude::*;

    use super::*;

    fn node(n: u16) -> NodeId {
        NodeId::v7(Timestamp::from_millis(1), u128::from(n))
    }

    /// Nodes as (alive, draining), shards as (owner, wish) by the node's place.
    fn cluster(nodes: &[(bool, bool)], shards: &[(Option<u16>, Option<u16>)]) -> Cluster {
        let seen = |(n, (alive, draining)): (u16, &(bool, bool))| NodeRow {
            node: node(n),
            address: String::new(),
            for_ms: u64::from(*alive),
            draining: *draining,
        };
        let shard = |(n, (owner, wish)): (u16, &(Option<u16>, Option<u16>))| ShardRow {
            shard: ShardNo(n),
            epoch: 1,
            owner: owner.map(node),
            wish: wish.map(node),
        };
        Cluster { nodes: (0..).zip(nodes).map(seen).collect(), shards: (0..).zip(shards).map(shard).collect() }
    }

    fn owned_as(cluster: &Cluster, places: &BTreeMap<ShardNo, NodeId>) -> Cluster {
        let mut cluster = cluster.clone();
        for row in &mut cluster.shards {
            row.owner = places.get(&row.shard).copied();
        }
        cluster
    }

    fn clusters() -> impl Strategy<Value = Cluster> {
        let place = || proptest::option::of(0_u16..6);
        let wish = prop_oneof![4 => Just(None), 1 => place()];
        let nodes = proptest::collection::vec((prop::bool::weighted(0.8), prop::bool::weighted(0.2)), 0..6);
        let shards = proptest::collection::vec((place(), wish), 0..24);
        (nodes, shards).prop_map(|(nodes, shards)| cluster(&nodes, &shards))
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(4_000))]

        #[test]
        fn every_shard_has_a_place_on_a_node_that_takes_any(cluster in clusters()) {
            let takers: Vec<_> =
                cluster.nodes.iter().filter(|node| node.for_ms > 0 && !node.draining).map(|node| node.node).collect();
            let places = spread(&cluster);
            prop_assert_eq!(places.len(), if takers.is_empty() { 0 } else { cluster.shards.len() });
            prop_assert!(places.values().all(|node| takers.contains(node)));
            for row in &cluster.shards {
                if let Some(wish) = row.wish.filter(|wish| takers.contains(wish)) {
                    prop_assert_eq!(places[&row.shard], wish);
                }
            }
        }

        #[test]
        fn nobody_has_more_than_a_fair_share_unless_it_is_wished(cluster in clusters()) {
            let places = spread(&cluster);
            let takers = cluster.nodes.iter().filter(|node| node.for_ms > 0 && !node.draining);
            let loads: Vec<_> = takers
                .map(|taker| {
                    let of = |row: &&ShardRow| places[&row.shard] == taker.node;
                    let wished = cluster.shards.iter().filter(of).filter(|row| row.wish == Some(taker.node)).count();
                    (cluster.shards.iter().filter(of).count(), wished)
                })
                .collect();
            let least = loads.iter().map(|(load, _)| *load).min().unwrap_or(0);
            for (load, wished) in loads {
                prop_assert!(load <= least + 1 || load == wished, "{} beside {}", load, least);
            }
        }

        #[test]
        fn what_has_its_place_stays(cluster in clusters()) {
            let places = spread(&cluster);
            prop_assert_eq!(spread(&owned_as(&cluster, &places)), places);
        }

        #[test]
        fn a_new_node_moves_only_what_it_gets(nodes in 1_usize..6, shards in 0_usize..24) {
            let before = cluster(&vec![(true, false); nodes], &vec![(None, None); shards]);
            let before = owned_as(&before, &spread(&before));
            let mut after = before.clone();
            after.nodes = cluster(&vec![(true, false); nodes + 1], &[]).nodes;
            let places = spread(&after);
            let moved = before.shards.iter().filter(|row| row.owner != places.get(&row.shard).copied());
            let got: Vec<_> = moved.map(|row| places[&row.shard]).collect();
            prop_assert!(got.len() <= shards.div_ceil(nodes + 1), "{} of {} moved", got.len(), shards);
        }
    }
}
