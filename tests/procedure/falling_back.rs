//! Traffic that goes back to the loaded half: who is waited for, and who serves by right then.
use super::*;

/// Goal: whoever took his share of the traffic and died since is not waited for in silence, and nobody is
/// called before he was asked once more when his time was over. Method: fe-2 takes traffic and cannot be
/// read from then on; without and with fe-1 standing in for it.
#[test]
fn a_person_is_called_about_a_dead_server_in_whose_place_an_upgraded_one_stands() {
    for stands_in in [false, true] {
        let mut bench = Bench::new();
        bench.reached("fe-1", Milestone::Touched);
        bench.happened(&decided(Wanted::FallBack));
        bench.reached("fe-2", Milestone::TakingTraffic);
        if stands_in {
            let (server, pool) = ("fe-1".into(), "web".into());
            bench.happened(&Event::Noticed(Notice::Rescued { server, pool }));
        }
        bench.view.servers[1].host_failing_since_ms = Some(0);
        let late_ms = bench.layout.policy().unknown_ms_max + 1_000;
        bench.node("one", late_ms, seat(0, 1, 40), seat(0, 0, 900));
        assert_eq!(bench.settle(), None, "the last question may still wait for its answer");
        bench.view.servers[1].host_last_failed_ms = late_ms;
        let unknown = HoldReason::ServerUnknown { server: "fe-2".into() };
        assert_eq!(bench.settle() == Some(unknown), stands_in);
    }
}

/// Goal: an old server that stood in serves by right once traffic is back, so that the next switch has
/// it leave with the others; an upgraded one goes on standing in. Method: both do as the run falls back.
#[test]
fn who_is_old_stands_in_for_nobody_once_the_run_fell_back() {
    let mut bench = Bench::new();
    bench.reached("fe-1", Milestone::Touched);
    for server in ["fe-1", "fe-2"] {
        let (server, pool) = (server.into(), "web".into());
        bench.happened(&Event::Noticed(Notice::Rescued { server, pool }));
    }
    bench.happened(&decided(Wanted::FallBack));
    bench.farm_reached(FarmMilestone::FellBack);
    let stand_in = bench.progress.servers.iter().map(|server| server.rescued_ms.is_some());
    assert_eq!(stand_in.collect::<Vec<_>>(), [true, false]);
}
