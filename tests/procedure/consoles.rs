//! Which console is asked about everybody.
use super::*;

/// The server whose console is asked for the flags next.
fn asked(bench: &Bench) -> Option<String> {
    let (due, _) = polls::due(&bench.layout, &bench.progress, &bench.view);
    due.into_iter().find_map(|poll| match poll {
        Poll::Server { question: Question::Flags, via, .. } => {
            Some(bench.layout.servers[via].name.to_string())
        }
        _ => None,
    })
}

fn in_vain(since_ms: u64, last_ms: u64) -> Option<InVain> {
    Some(InVain { since_ms, last_ms })
}

/// Goal: a console that answers and never shows a change leaves its turn to another of its
/// generation, and none of the new version to an old one. Method: fe-1's console takes changes in
/// vain for 20 s and for 40 s, then everybody's does; and again once it is the only new one.
#[test]
fn a_console_that_shows_no_change_leaves_its_turn_to_its_like() {
    let mut bench = Bench::of(six());
    bench.view.now_ms = 100_000;
    assert_eq!(asked(&bench).as_deref(), Some("fe-1"));
    bench.view.servers[0].console_in_vain = in_vain(80_000, 99_000);
    assert_eq!(asked(&bench).as_deref(), Some("fe-1"), "a page may be slow to change");
    bench.view.servers[0].console_in_vain = in_vain(60_000, 99_000);
    assert_eq!(asked(&bench).as_deref(), Some("fe-2"));
    bench.view.now_ms = 1_000_000;
    assert_eq!(asked(&bench).as_deref(), Some("fe-2"), "its page is as old as before");
    for server in &mut bench.view.servers {
        server.console_in_vain = in_vain(60_000, 99_000);
    }
    assert_eq!(asked(&bench).as_deref(), Some("fe-1"), "nobody is better");
    bench.reached("fe-1", Milestone::Touched);
    bench.progress.servers[0].jobs_done.push(JobKind::ServiceCenterInstall);
    for server in &mut bench.view.servers[1..] {
        server.console_in_vain = None;
    }
    assert_eq!(asked(&bench).as_deref(), Some("fe-1"), "old ones may show the past");
}

/// Goal: a console that failed is asked again once its host is back, and not for a while where the
/// host was there. Method: fe-1's console fails; its host comes back before or after that.
#[test]
fn a_console_whose_host_came_back_since_it_failed_has_rested() {
    let mut bench = Bench::of(six());
    bench.view.now_ms = 100_000;
    let seen = &mut bench.view.servers[0];
    (seen.console_failing_since_ms, seen.console_failed_ms) = (Some(90_000), Some(95_000));
    seen.host_back_ms = 80_000;
    assert_eq!(asked(&bench).as_deref(), Some("fe-2"));
    bench.reached("fe-1", Milestone::Touched);
    bench.progress.servers[0].jobs_done.push(JobKind::ServiceCenterInstall);
    assert_eq!(asked(&bench).as_deref(), Some("fe-2"), "it rests");
    bench.view.servers[0].host_back_ms = 97_000;
    assert_eq!(asked(&bench).as_deref(), Some("fe-1"));
}

/// Goal: an abort does not end on what a console shows that showed nothing of a flag's last change: it
/// may have shown an old page all along. Method: a Disable at fe-1's console is without effect; who is
/// asked before a person aborts, and after.
#[test]
fn an_abort_asks_another_console_than_the_one_that_showed_nothing_of_a_change() {
    let mut bench = Bench::of(six());
    bench.view.now_ms = 100_000;
    let action = Action::Flag { via: "fe-1".into(), server: "fe-3".into(), enabled: false };
    bench.happened(&Event::Intent { id: 1, action });
    let result = ActionResult::NoEffect { why: "the list shows enabled=true".to_owned() };
    bench.happened(&Event::Outcome { id: 1, result });
    assert_eq!(asked(&bench).as_deref(), Some("fe-1"), "it is tried again there");
    bench.happened(&decided(Wanted::Abort));
    assert_eq!(asked(&bench).as_deref(), Some("fe-2"));
}

/// Goal: once a console of the new version is known, no other tells of servers that were touched, and
/// it is missed while it fails; whoever is upgraded merely has the old one yet. Method: Service Center
/// is installed on fe-1, whose console then fails; fe-2 is upgraded, deployed to; fe-1 is left out.
#[test]
fn a_new_console_alone_tells_as_long_as_there_is_one() {
    let mut bench = Bench::of(six());
    let tell = |bench: &Bench| {
        let servers = 0..bench.layout.servers.len();
        let names = |server: usize| bench.layout.servers[server].name.to_string();
        let tell = servers.filter(|server| tells(&bench.layout, &bench.progress, *server));
        tell.map(names).collect::<Vec<_>>()
    };
    let silent = |bench: &Bench| consoles_are_silent(&bench.layout, &bench.progress, &bench.view);
    assert_eq!(tell(&bench).len(), 6, "all are of one version");
    bench.reached("fe-1", Milestone::Touched);
    bench.progress.servers[0].jobs_done.push(JobKind::ServiceCenterInstall);
    assert_eq!(tell(&bench), ["fe-1"]);
    bench.view.servers[0].console_failing_since_ms = Some(0);
    assert!(silent(&bench), "the others answer, and may tell of the past");
    bench.reached("fe-2", Milestone::Touched);
    bench.reached("fe-2", Milestone::Upgraded { version: bench.layout.target() });
    assert_eq!(tell(&bench), ["fe-1"]);
    bench.reached("fe-2", Milestone::Deployed);
    assert_eq!(tell(&bench), ["fe-1", "fe-2"]);
    assert!(!silent(&bench));
    bench.happened(&decided(Wanted::LeaveOut { server: "fe-1".into() }));
    assert_eq!(tell(&bench), ["fe-2"]);
}
