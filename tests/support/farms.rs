//! Farms nobody thought of: drawn shapes, written as a user would write them.
use std::fmt::Write as _;

use proptest::prelude::*;

/// A farm: 2 to 64 servers, 1 to 8 overlapping zones, some pools of them twofold, 1 to 3 nodes.
#[derive(Clone, Debug)]
pub(crate) struct Shape {
    java: bool,
    pure_controller: bool,
    publish: bool,
    nodes: usize,
    /// Capacity of each server, in requests a second.
    capacities: Vec<u32>,
    /// For each zone: its servers as bits, and how many pools (http, https …) it has.
    zones: Vec<(u64, usize)>,
    parallel_max: u32,
}

/// Capacity from which the one server that has to carry every zone of its half still has its
/// margin: 8 zones of [`ZONE_RPS`] are 64 % of it.
const CAPACITY_RPS_MIN: u32 = 50;
/// Load of a zone, in requests a second.
const ZONE_RPS: u32 = 4;

/// Mostly small farms, in which nearly every mistake shows; some large ones.
fn servers() -> impl Strategy<Value = usize> {
    prop_oneof![8 => 2_usize..=6, 3 => 7_usize..=16, 1 => 17_usize..=64]
}

/// Draws a farm.
pub(crate) fn shape() -> impl Strategy<Value = Shape> {
    servers().prop_flat_map(|servers| {
        (
            prop::collection::vec(CAPACITY_RPS_MIN..=173, servers),
            prop::collection::vec((any::<u64>(), 1_usize..=2), 1..=8),
            1_usize..=3,
            any::<[bool; 3]>(),
            1_u32..=4,
        )
            .prop_map(move |(capacities, zones, nodes, flags, parallel_max)| {
                // Each zone has at least the first and the last server, so that each half can
                // have somebody of it; every server is in some zone: the first has them all.
                let all = u64::MAX >> (64 - servers);
                let ends = 1 | 1 << (servers - 1);
                let zone = |(nth, (bits, pools)): (usize, (u64, usize))| {
                    (if nth == 0 { all } else { bits & all | ends }, pools)
                };
                Shape {
                    java: flags[0],
                    pure_controller: flags[1],
                    publish: flags[2],
                    nodes,
                    capacities,
                    zones: zones.into_iter().enumerate().map(zone).collect(),
                    parallel_max,
                }
            })
    })
}

impl Shape {
    /// Its farm file.
    pub(crate) fn farm_file(&self) -> String {
        let (stack, from, to) = match self.java {
            true => ("j2ee", "10.0.1005.0", "10.0.1019.0"),
            false => ("dotnet", "11.35.0.43000", "11.36.1.43500"),
        };
        let controller = if self.pure_controller { "ctl" } else { "fe-0" };
        let mut text = format!(
            "name = \"drawn\"\nstack = \"{stack}\"\nversion_from = \"{from}\"\n\
             version_to = \"{to}\"\ncontroller = \"{controller}\"\n"
        );
        if self.pure_controller {
            text.push_str("[pure_controller]\nname = \"ctl\"\naddress = \"10.9.0.1\"\n");
        }
        self.zones(&mut text);
        for node in 1..=self.nodes {
            let _ =
                write!(text, "[[balancer]]\nname = \"lb-{node}\"\napi = \"10.9.1.{node}:9999\"\n");
        }
        self.front_ends(&mut text);
        self.rest(&mut text);
        text
    }

    fn zones(&self, text: &mut String) {
        for (zone, (_, pools)) in self.zones.iter().enumerate() {
            let _ = write!(
                text,
                "[[zone]]\nname = \"z{zone}\"\npublic_name = \"z{zone}.drawn.example\"\n\
                 load_rps = {ZONE_RPS}\nmodules = [\"M{zone}\"]\n\
                 [[test]]\nzone = \"z{zone}\"\npath = \"/M{zone}/Home\"\n"
            );
            for pool in 0..*pools {
                let _ = write!(text, "[[pool]]\nname = \"p{zone}-{pool}\"\nzone = \"z{zone}\"\n");
            }
        }
    }

    fn front_ends(&self, text: &mut String) {
        for (server, capacity_rps) in self.capacities.iter().enumerate() {
            let own: Vec<usize> = (0..self.zones.len())
                .filter(|zone| self.zones[*zone].0 >> server & 1 == 1)
                .collect();
            let zones: Vec<String> = own.iter().map(|zone| format!("\"z{zone}\"")).collect();
            let pools =
                own.iter().flat_map(|zone| (0..self.zones[*zone].1).map(move |it| (zone, it)));
            let members: Vec<String> =
                pools.map(|(zone, pool)| format!("p{zone}-{pool} = \"m{server}\"")).collect();
            let _ = write!(
                text,
                "[[front_end]]\nname = \"fe-{server}\"\naddress = \"10.9.2.{}\"\nzones = [{}]\n\
                 members = {{ {} }}\ncapacity_rps = {capacity_rps}\n",
                server + 1,
                zones.join(", "),
                members.join(", ")
            );
        }
    }

    /// Windows and waits as short as the procedure lets them be: a run costs less.
    fn rest(&self, text: &mut String) {
        let verb = "[\"ssh\", \"{address}\", \"verb\"]";
        let _ = write!(
            text,
            "[service_center]\nuser = \"admin\"\npassword = {{ env = \"UNUSED\" }}\n\
             [host]\nstart = {verb}\njob = {verb}\nversion = {verb}\nservice = {verb}\n\
             reboot = {verb}\npublish = {}\n[policy]\nparallel_max = {}\nidle_reads = 3\n\
             idle_window_ms = 60_000\nsoak_ms = 120_000\nsoak_test_every_ms = 30_000\n",
            self.publish, self.parallel_max
        );
    }
}
