//! HAProxy's runtime commands for a farm's members.
use crate::names::{NodeName, ServerName};
use crate::plan::Plan;

use super::commands::quoted;

/// `set server POOL/MEMBER state STATE` for every membership of these servers on a node, in the
/// servers' order.
#[must_use]
pub fn commands(plan: &Plan, node: &NodeName, servers: &[ServerName], state: &str) -> Vec<String> {
    let mut commands = Vec::new();
    for server in servers {
        for (pool, member) in memberships(plan, node, server) {
            commands.push(format!("set server {pool}/{member} state {state}"));
        }
    }
    commands
}

/// A server's pools and members on a node.
fn memberships<'p>(
    plan: &'p Plan,
    node: &'p NodeName,
    server: &ServerName,
) -> impl Iterator<Item = (&'p str, &'p str)> {
    let server = plan.farm.front_ends.iter().find(|front_end| front_end.name == *server);
    let members = server.into_iter().flat_map(|front_end| &front_end.members);
    members
        .filter(move |(pool, _)| plan.nodes_of_pool(pool).contains(&node))
        .map(|(pool, member)| (pool.as_str(), member.as_str()))
}

/// A shell's line that gives a node a command.
#[must_use]
pub(super) fn line(plan: &Plan, node: &NodeName, command: &str) -> String {
    let node = plan.farm.balancers.iter().find(|other| other.name == *node);
    let api = node.map_or("", |node| node.api.as_str());
    let to = match api.strip_prefix("unix:") {
        Some(path) => format!("unix-connect:{path}"),
        None => format!("tcp:{api}"),
    };
    format!("echo {} | socat stdio {}", quoted(command), quoted(&to))
}

/// Lines for every node.
pub(super) fn lines(plan: &Plan, servers: &[ServerName], state: &str) -> Vec<String> {
    let nodes = plan.farm.balancers.iter();
    nodes
        .flat_map(|node| {
            commands(plan, &node.name, servers, state)
                .into_iter()
                .map(|command| line(plan, &node.name, &command))
        })
        .collect()
}
