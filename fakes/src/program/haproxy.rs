//! A configuration for one real HAProxy process in front of a served farm: a frontend and a
//! backend per pool, the member names of the farm file, the runtime API on loopback TCP.
use std::fmt::Write as _;

use crate::farm::weight;
use crate::http::first_segment;
use crate::spec::{PoolSpec, Spec};
use crate::truth::Truth;

use super::places::{Places, pools_of};

/// Long enough for the slowest request that a served application takes (120 s).
const TIMEOUT_S: u32 = 150;

/// What a careful operator adds, because a reload of HAProxy forgets drains.
const AROUND_A_RELOAD: &str = "    \
    # A reload puts drained members back, and the first failed check takes those down that cannot
    # serve. Meanwhile a request that a member refused, dropped or answered with 503 goes to
    # another member; only a GET, which does no harm twice.
    option redispatch 1
    retries 3
    retry-on conn-failure empty-response 503
    # Clients' idle connections are not closed by a reload, but after their next answer.
    option idle-close-on-response
";

/// The configuration of a node.
pub(super) fn configuration(spec: &Spec, truth: &Truth, places: &Places, node: &str) -> String {
    let place = &places.nodes[node];
    let mut text = format!(
        "# HAProxy for node {node} of farm {farm}, in front of evenkeel-fakes.\n\
         # Start it with: haproxy -f THIS_FILE\n\
         global\n    \
         stats socket ipv4@{api} level admin\n    \
         stats timeout 2m\n\n\
         defaults\n    \
         mode http\n    \
         timeout connect 5s\n    \
         timeout client {TIMEOUT_S}s\n    \
         timeout server {TIMEOUT_S}s\n{AROUND_A_RELOAD}",
        farm = spec.name,
        api = place.api,
    );
    for name in pools_of(spec, node) {
        let pool = spec.pools.iter().find(|pool| pool.name == name).expect("it was listed there");
        let _ = write!(
            text,
            "\nfrontend in-{name}\n    bind {}\n    default_backend {name}\n\n\
             backend {name}\n    balance roundrobin\n    \
             http-request disable-l7-retry unless METH_GET\n",
            place.traffic[name]
        );
        if pool.health_check {
            let _ = write!(
                text,
                "    option httpchk GET /{}/_ping.html\n    \
                 default-server check inter 500ms fall {} rise {}\n",
                checked_module(spec, pool),
                truth.check_fall.max(1),
                truth.check_rise.max(1)
            );
        }
        for front_end in &spec.front_ends {
            if let Some(member) = front_end.members.get(name) {
                let at = places.servers[&front_end.name];
                let weight = weight(spec, name, front_end);
                let _ = writeln!(text, "    server {member} {at} weight {weight}");
            }
        }
    }
    text
}

/// The module whose ping tells whether a member of a pool serves.
fn checked_module(spec: &Spec, pool: &PoolSpec) -> String {
    let listed = spec.zones.iter().find(|zone| zone.name == pool.zone);
    let listed = listed.and_then(|zone| zone.modules.first().cloned());
    let tested = || {
        let test = spec.tests.iter().find(|test| test.zone == pool.zone)?;
        first_segment(&test.path)
    };
    listed.or_else(tested).unwrap_or_else(|| crate::front_end::SERVICE_CENTER.to_owned())
}
