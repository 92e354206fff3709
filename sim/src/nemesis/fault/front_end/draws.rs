//! The catalogue's rows of this family, and how each is drawn: most pass by themselves, a few are
//! for good.
use evenkeel::procedure::action::JobKind;

use super::FrontEndFault;
use crate::nemesis::draw::{Draw, MINUTE, SECOND};
use crate::nemesis::fault::{Family, Fault, Kind};
use crate::nemesis::schedule::Planned;
use crate::nemesis::trigger::{Effect, Trigger};

/// The catalogue of this family.
pub const KINDS: &[Kind] = &[
    Kind {
        name: "front-end-crash",
        family: Family::FrontEnd,
        reason: "a machine goes down by itself",
        source: "apple/foundationdb, testing.rst: machine shutdowns and reboots",
        needs_person: true,
        draw: front_end_crash,
    },
    Kind {
        name: "reboot-during-install",
        family: Family::FrontEnd,
        reason: "a machine restarts in the midst of an installer, which leaves no exit code",
        source: "general experience of installers",
        needs_person: true,
        draw: reboot_during_install,
    },
    Kind {
        name: "installer-fails",
        family: Family::FrontEnd,
        reason: "an installer ends with an error",
        source: "OutSystems/docs-product, unattended-install/intro.md: exit code 2",
        needs_person: true,
        draw: installer_fails,
    },
    Kind {
        name: "installer-hangs",
        family: Family::FrontEnd,
        reason: "an installer waits for ever, or for long, for a file that somebody has locked",
        source: "OutSystems/OutSystems.SetupTools 4.0.2 waits without end for machine.config",
        needs_person: true,
        draw: installer_hangs,
    },
    Kind {
        name: "installer-wants-reboot",
        family: Family::FrontEnd,
        reason: "an installer ends with 1, 3010 or 3011 and wants the machine restarted",
        source: "OutSystems/docs-product, unattended-install/intro.md; \
                 OutSystems/OutSystems.SetupTools",
        needs_person: false,
        draw: installer_wants_reboot,
    },
    Kind {
        name: "installs-nothing",
        family: Family::FrontEnd,
        reason: "an installer ends with 0 and the old version stays",
        source: "inferred: each part has a version of its own (OutSystems forum, 14329)",
        needs_person: true,
        draw: installs_nothing,
    },
    Kind {
        name: "installs-part",
        family: Family::FrontEnd,
        reason: "an installer leaves new binaries beside a service that cannot initialise",
        source: "inferred from OutSystems/docs-support, service-permissions-change.md",
        needs_person: true,
        draw: installs_part,
    },
    Kind {
        name: "front-end-disk-full",
        family: Family::FrontEnd,
        reason: "an installer unpacks more than the disk holds",
        source: "general experience of installers; apple/foundationdb, testing.rst: drives fill up",
        needs_person: true,
        draw: disk_full,
    },
    Kind {
        name: "service-stalls",
        family: Family::FrontEnd,
        reason: "a service is Running and has not initialised: it retries for ever",
        source: "OutSystems/docs-support, manual-start-services.md, retry mechanism",
        needs_person: true,
        draw: service_stalls,
    },
    Kind {
        name: "service-does-not-start",
        family: Family::FrontEnd,
        reason: "a service is not started by the installer that stopped it",
        source: "OutSystems/docs-support, platform-server-11.11.1.htm, RSUPT-474",
        needs_person: true,
        draw: service_does_not_start,
    },
    Kind {
        name: "slow-start",
        family: Family::FrontEnd,
        reason: "services take minutes to initialise, and modules load on first access",
        source: "OutSystems/docs-support, manual-start-services.md, connection-pools.md; minutes: \
                 inferred",
        needs_person: false,
        draw: slow_start,
    },
    Kind {
        name: "enables-itself",
        family: Family::FrontEnd,
        reason: "a watchdog or an update restarts a Deployment Service, which enables its server",
        source: "inferred from OutSystems/docs-support, deployment.log: it subscribes its node",
        needs_person: true,
        draw: enables_itself,
    },
    Kind {
        name: "shallow-ping",
        family: Family::FrontEnd,
        reason: "_ping.html is a static file: it answers 200 over a broken application",
        source: "www.outsystems.com/forums/discussion/26527",
        needs_person: true,
        draw: shallow_ping,
    },
    Kind {
        name: "delayed-failure",
        family: Family::FrontEnd,
        reason: "assemblies are deleted bit by bit, and applications fail half an hour later",
        source: "OutSystems/docs-support, ki-11_10-downtime-CT.md",
        needs_person: true,
        draw: delayed_failure,
    },
    Kind {
        name: "modules-skipped",
        family: Family::FrontEnd,
        reason: "the retry loop for pending modules races with deployment, whose threads idle",
        source: "OutSystems/docs-support, platform-server-11.27.0.htm, RPM-4545",
        needs_person: false,
        draw: modules_skipped,
    },
];

/// No upgrade job that goes well is over sooner: the shortest of any scenario take a minute.
const JOB_LASTS_MIN_MS: u64 = 55 * SECOND;
/// One in so many of what can be for good is.
const FOR_GOOD: u64 = 6;

fn from_the_begin(fault: FrontEndFault) -> Planned {
    Planned { trigger: Trigger::At { at_ms: 0 }, fault: Fault::FrontEnd(fault) }
}

/// A length of time in minutes; rarely `None`, for good.
fn mostly_passes(draw: &mut Draw<'_>, low: u64, high: u64) -> Option<u64> {
    let for_ms = draw.between(low * 60, high * 60) * SECOND;
    (!draw.stream.ratio(1, FOR_GOOD)).then_some(for_ms)
}

/// Once; rarely always.
fn mostly_once(draw: &mut Draw<'_>) -> u32 {
    if draw.stream.ratio(1, FOR_GOOD) { u32::MAX } else { 1 }
}

/// A job that installs Platform Server, and its server.
fn upgrade(draw: &mut Draw<'_>) -> (JobKind, String) {
    let jobs: Vec<_> = draw.aims.jobs.iter().filter(|job| job.kind.installs()).collect();
    let job = *draw.one(&jobs);
    (job.kind, draw.one(&job.servers).clone())
}

fn front_end_crash(draw: &mut Draw<'_>) -> Planned {
    let server = draw.front_end();
    let back_after_ms = draw.stream.ratio(2, 3).then(|| draw.between(2 * MINUTE, 30 * MINUTE));
    // Some during somebody's installer: the time in which the farm has least to spare.
    let trigger = match draw.stream.ratio(1, 3) {
        true => {
            let (kind, nth, _) = draw.job();
            Trigger::JobStarted { kind, nth, after_ms: draw.between(0, 300) * SECOND }
        }
        false => draw.moment(),
    };
    // No other fault of this family comes when nearly all is done.
    let trigger = if draw.stream.ratio(1, 8) { draw.last_step() } else { trigger };
    let fault = FrontEndFault::FrontEndCrash { server, back_after_ms };
    Planned { trigger, fault: Fault::FrontEnd(fault) }
}

fn reboot_during_install(draw: &mut Draw<'_>) -> Planned {
    let (kind, _, server) = draw.job();
    let after_ms = draw.between(1, JOB_LASTS_MIN_MS);
    let trigger = Trigger::JobStartedOn { server: server.clone(), kind, nth: 1, after_ms };
    let fault = FrontEndFault::RebootDuringInstall { server };
    Planned { trigger, fault: Fault::FrontEnd(fault) }
}

fn installer_fails(draw: &mut Draw<'_>) -> Planned {
    let (job, _, server) = draw.job();
    from_the_begin(FrontEndFault::InstallerFails {
        server,
        job,
        code: 2, // what NSIS installers leave after an error
        times: *draw.one(&[1, 1, u32::MAX]),
    })
}

fn installer_hangs(draw: &mut Draw<'_>) -> Planned {
    let (job, _, server) = draw.job();
    // Some for longer than policy gives a job, which ends well all the same.
    let for_ms = mostly_passes(draw, 5, 50);
    from_the_begin(FrontEndFault::InstallerHangs { server, job, for_ms })
}

fn installer_wants_reboot(draw: &mut Draw<'_>) -> Planned {
    let (job, server) = upgrade(draw);
    let code = *draw.one(&[1, 3010, 3011]);
    from_the_begin(FrontEndFault::InstallerWantsReboot { server, job, code })
}

fn installs_nothing(draw: &mut Draw<'_>) -> Planned {
    let (job, server) = upgrade(draw);
    let times = mostly_once(draw);
    from_the_begin(FrontEndFault::InstallsNothing { server, job, times })
}

fn installs_part(draw: &mut Draw<'_>) -> Planned {
    let (job, server) = upgrade(draw);
    // A pure controller has no Deployment Service that could stay old.
    let serves = draw.aims.front_ends.contains(&server);
    let (job, server) =
        if serves { (job, server) } else { (JobKind::FrontEndUpgrade, draw.front_end()) };
    let (code, times) = (*draw.one(&[0, 2]), mostly_once(draw));
    from_the_begin(FrontEndFault::InstallsPart { server, job, code, times })
}

fn disk_full(draw: &mut Draw<'_>) -> Planned {
    let (kind, nth, server) = draw.job();
    let for_ms = mostly_passes(draw, 1, 15);
    let fault = FrontEndFault::DiskFull { server, for_ms };
    let trigger = Trigger::Intent { effect: Effect::Start(kind), nth, after_ms: 0 };
    Planned { trigger, fault: Fault::FrontEnd(fault) }
}

fn service_stalls(draw: &mut Draw<'_>) -> Planned {
    let server = draw.front_end();
    let for_ms = mostly_passes(draw, 1, 15);
    from_the_begin(FrontEndFault::ServiceStalls { server, for_ms })
}

fn service_does_not_start(draw: &mut Draw<'_>) -> Planned {
    let server = draw.front_end();
    let times = mostly_once(draw);
    from_the_begin(FrontEndFault::ServiceDoesNotStart { server, times })
}

fn slow_start(draw: &mut Draw<'_>) -> Planned {
    let server = draw.front_end();
    from_the_begin(FrontEndFault::SlowStart {
        server,
        initialise_ms: draw.between(30, 300) * SECOND,
        answer_ms: draw.between(1, 8) * SECOND,
        for_ms: draw.between(1, 5) * MINUTE,
    })
}

fn enables_itself(draw: &mut Draw<'_>) -> Planned {
    let server = draw.loaded();
    // From the moment it is disabled until its own upgrade begins.
    let trigger = match draw.stream.ratio(1, 2) {
        true => {
            let (kind, nth, _) = draw.job();
            Trigger::JobStarted { kind, nth, after_ms: draw.between(0, 300) * SECOND }
        }
        false => Trigger::Step {
            step: draw.between(2, 6) as u8,
            after_ms: draw.between(1, 120) * SECOND,
        },
    };
    Planned { trigger, fault: Fault::FrontEnd(FrontEndFault::EnablesItself { server }) }
}

fn shallow_ping(draw: &mut Draw<'_>) -> Planned {
    let server = draw.front_end();
    let for_ms = mostly_passes(draw, 5, 20);
    from_the_begin(FrontEndFault::ShallowPing { server, for_ms })
}

fn delayed_failure(draw: &mut Draw<'_>) -> Planned {
    let server = draw.front_end();
    let after_ms = draw.between(25, 40) * MINUTE;
    let for_ms = mostly_passes(draw, 2, 20);
    from_the_begin(FrontEndFault::DelayedFailure { server, after_ms, for_ms })
}

fn modules_skipped(draw: &mut Draw<'_>) -> Planned {
    let server = draw.front_end();
    // The retry loop turns every 30 s, and may miss a turn.
    let for_ms = draw.between(5, 50) * SECOND;
    from_the_begin(FrontEndFault::ModulesSkipped { server, for_ms })
}
