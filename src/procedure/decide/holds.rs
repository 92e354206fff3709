//! Why a run holds, and what a person can do about it. A hold stops progress and nothing else.
use crate::farm::Half;
use crate::farm::policy::AfterDeadline;
use crate::journal::{FarmMilestone, HoldReason};

use super::super::fitness::{in_rotation_among, is_fit};
use super::super::layout::{Bench, Layout, Seat, SeatIx, ServerIx};
use super::super::progress::{Direction, Progress, ServerProgress};
use super::super::quiet::{in_rotation, seat_is_busy};
use super::super::rotation::{Sides, Wanted, can_be_spared, drained_for_ms, wants_change};
use super::super::steps::{current_stage, may_begin, stage_done, step};
use super::super::taking::kept_out_since_ms;
use super::super::view::{InVain, NodeView, ServerView, View};
use super::faces::tellers;
use super::flags;
use super::proof::deployment_since_ms;
use super::rescue::{have_held, replaces_left_out, spared, under_floor};
use super::{is_as_before, restores};

/// Drifts that are put right before the run holds: once may be an accident.
const DRIFTS_MAX: u32 = 1;
/// Times a flag that came back is put right: a machine may be restarted more than once.
const FLAGS_BACK_MAX: u32 = 3;
/// How long too few others may have served before somebody is told that a server cannot leave for its
/// upgrade: a machine that restarts is back by then. Readings are kept for a little longer.
const CANNOT_LEAVE_MS: u64 = 100_000;
/// How long a pool may be under its floor, with nobody left to admit, before a person is called:
/// longer than a health check takes to bring a member back.
const FLOOR_LOST_MS: u64 = 30_000;

/// Why the run holds now; `None` when it does not.
pub(super) fn reason(layout: &Layout, progress: &Progress, view: &View) -> Option<HoldReason> {
    if let Some(standing) = &progress.standing_hold {
        return Some(standing.clone());
    }
    if let Some(why) = &view.login_refused {
        return Some(HoldReason::LoginRefused { why: why.clone() });
    }
    if let Some(what) = view.unknown_word(layout) {
        return Some(HoldReason::UnknownWord { what: what.clone() });
    }
    somebody_else(layout, progress)
        .or_else(|| under_load(layout, progress, view))
        .or_else(|| floor_lost(layout, progress, view))
        .or_else(|| balancer_unknown(layout, view))
        .or_else(|| stood_in_for(layout, progress, view))
        .or_else(|| console_unknown(layout, progress, view))
        .or_else(|| server_unknown(layout, progress, view))
        .or_else(|| cannot_leave(layout, progress, view))
        .or_else(|| kept_out(layout, progress, view))
        .or_else(|| ignored(layout, progress, view))
        .or_else(|| drain_overdue(layout, progress, view))
        .or_else(|| server_failed(layout, progress, view))
}

fn somebody_else(layout: &Layout, progress: &Progress) -> Option<HoldReason> {
    if progress.drifts > DRIFTS_MAX {
        let what = "members' state in the balancer, again, within one life of its process".into();
        return Some(HoldReason::SomebodyElse { what });
    }
    let server =
        progress.servers.iter().position(|server| server.flag_came_back > FLAGS_BACK_MAX)?;
    let what = format!("{}'s Enabled flag, again and again", layout.servers[server].name);
    Some(HoldReason::SomebodyElse { what })
}

/// Deployment has begun on a member that has to go on serving: where others can stand in it goes
/// out, and nobody need be called; unless whoever stands in cannot be upgraded meanwhile.
fn under_load(layout: &Layout, progress: &Progress, view: &View) -> Option<HoldReason> {
    let sides = Sides::of(layout, progress);
    let stuck = |seat: SeatIx| {
        view.seat(layout, seat).is_some_and(in_rotation)
            && !can_be_spared(layout, progress, view, sides, seat)
    };
    let serves = |server: &ServerIx| {
        let record = &progress.servers[*server];
        let needed = |&seat: &SeatIx| stuck(seat) || is_stood_in_for(layout, progress, view, seat);
        // Traffic that goes back waits for every loaded server, and for this one in vain.
        let awaited = progress.direction == Direction::FallingBack
            && !progress.reached(FarmMilestone::FellBack)
            && !record.left_out;
        let unfit = record.tainted && !record.taint_accepted;
        unfit && (awaited || layout.servers[*server].seats.iter().any(needed))
    };
    let server = layout.half(Half::Loaded).find(serves)?;
    Some(HoldReason::DeploymentUnderLoad { server: layout.servers[server].name.clone() })
}

/// On a seat's bench an untouched server of the updating half has stood in for long, and is needed.
fn is_stood_in_for(layout: &Layout, progress: &Progress, view: &View, seat: SeatIx) -> bool {
    let place = &layout.seats[seat];
    let benches = layout.pools[place.pool].benches.iter();
    let seats = benches.filter(|bench| bench.node == place.node).flat_map(|bench| &bench.seats);
    let mut servers = seats.map(|&seat| layout.seats[seat].server);
    servers.any(|server| {
        stands_in_for_long(layout, progress, view, server)
            && layout.servers[server].half == Some(Half::Updating)
            && !spared(layout, progress, view, server)
    })
}

/// A server that has yet to be upgraded was admitted early, long ago.
fn stands_in_for_long(layout: &Layout, progress: &Progress, view: &View, server: ServerIx) -> bool {
    let record = &progress.servers[server];
    let patience_ms = layout.policy().unknown_ms_max;
    !record.touched && record.rescued_ms.is_some_and(|since| since + patience_ms < view.now_ms)
}

/// One that stands in for servers that were left out keeps its own upgrade from beginning, and its
/// turn has come.
fn too_few(layout: &Layout, progress: &Progress, view: &View) -> Option<HoldReason> {
    if progress.direction != Direction::Forward {
        return None;
    }
    let turn = match progress.reached(FarmMilestone::Soaked) {
        true => Half::Loaded,
        false => Half::Updating,
    };
    let server = layout.half(turn).find(|&server| {
        stands_in_for_long(layout, progress, view, server)
            && have_held(layout, progress, view, server)
            && replaces_left_out(layout, progress, view, server)
    })?;
    Some(HoldReason::TooFew { server: layout.servers[server].name.clone() })
}

/// A bench has been under its floor in every sample of the last while, and rescue found nobody.
fn floor_lost(layout: &Layout, progress: &Progress, view: &View) -> Option<HoldReason> {
    for (pool_ix, pool) in layout.pools.iter().enumerate() {
        for bench in &pool.benches {
            if !under_floor(layout, progress, view, pool_ix, bench) {
                continue;
            }
            let since_ms = view.nodes[bench.node]
                .samples
                .iter()
                .rev()
                .take_while(|sample| {
                    // One to which deployment began serves, and has a hold of its own.
                    let serves =
                        |server| is_fit(progress, server) || progress.servers[server].tainted;
                    in_rotation_among(layout, bench, sample, serves) < pool.floor
                })
                .last()
                .map(|sample| sample.at_ms);
            // Of a hold that stands a proof to come is no end.
            let stands = matches!(&progress.held, Some(HoldReason::FloorLost { node, pool: lost })
                if *node == layout.nodes[bench.node].name && *lost == pool.name);
            let proof_ms = proof_due_ms(layout, progress, view, bench).filter(|_| !stands);
            let deadline_ms = since_ms.map(|ms| (ms + FLOOR_LOST_MS).max(proof_ms.unwrap_or(0)));
            if deadline_ms.is_some_and(|deadline_ms| deadline_ms <= view.now_ms) {
                let node = layout.nodes[bench.node].name.clone();
                return Some(HoldReason::FloorLost { node, pool: pool.name.clone() });
            }
        }
    }
    None
}

/// By when somebody who serves on a bench is proven again, if all is well with him: he has merely
/// started again, or nobody could be asked for a while. Who is known to be ill is not waited for.
fn proof_due_ms(layout: &Layout, progress: &Progress, view: &View, bench: &Bench) -> Option<u64> {
    let policy = layout.policy();
    let serving =
        bench.seats.iter().filter(|&&seat| view.seat(layout, seat).is_some_and(in_rotation));
    let well = serving.map(|&seat| layout.seats[seat].server).filter(|&server| {
        let record = &progress.servers[server];
        let failed = record.tested.as_ref().is_some_and(|last| last.failure.is_some());
        record.proven.is_none()
            && record.failure.is_none()
            && !record.left_out
            && !failed
            && view.service(layout, server).is_some_and(|read| read.running && read.initialised)
    });
    well.filter_map(|server| {
        let since_ms = deployment_since_ms(layout, progress, server)?;
        let legible_ms = view.consoles_back_ms.max(view.servers[server].host_back_ms);
        Some(since_ms.max(legible_ms) + policy.idle_window_ms + 2 * policy.jobs_poll_ms)
    })
    .max()
}

/// A job is under way: it may be the very one that brings consoles back (old ones may fail on a new
/// database, or go on showing what was so before), and it has a deadline of its own.
fn is_working(progress: &Progress) -> bool {
    progress.servers.iter().any(|server| {
        !server.left_out
            && server.failure.is_none()
            && server.job.as_ref().is_some_and(|job| job.ended.is_none())
    })
}

fn too_long(layout: &Layout, view: &View, since_ms: Option<u64>) -> bool {
    since_ms.is_some_and(|since_ms| since_ms + layout.policy().unknown_ms_max < view.now_ms)
}

fn balancer_unknown(layout: &Layout, view: &View) -> Option<HoldReason> {
    let silent = |node: &NodeView| too_long(layout, view, node.failing_since_ms);
    let node = view.nodes.iter().position(silent)?;
    Some(HoldReason::BalancerUnknown { node: layout.nodes[node].name.clone() })
}

/// What brings consoles back waits for whoever stands in to leave, and he for those whom he stands in
/// for: it is about them that a person is asked.
fn stood_in_for(layout: &Layout, progress: &Progress, view: &View) -> Option<HoldReason> {
    let stands_in = |server: &ServerProgress| server.rescued_ms.is_some() && !server.touched;
    if !progress.servers.iter().any(stands_in) {
        return None;
    }
    server_unknown(layout, progress, view).or_else(|| too_few(layout, progress, view))
}

fn console_unknown(layout: &Layout, progress: &Progress, view: &View) -> Option<HoldReason> {
    // Nobody is called before each was asked once more when its time was over.
    let silent = |server: ServerIx| {
        let seen = &view.servers[server];
        let times = seen.console_failing_since_ms.zip(seen.console_failed_ms);
        too_long(layout, view, seen.console_failing_since_ms)
            && times.is_some_and(|(since, last)| since + layout.policy().unknown_ms_max <= last)
    };
    // Whose consoles may be believed at all is asked only when one of them is silent.
    if is_working(progress) || !(0..layout.servers.len()).any(silent) {
        return None;
    }
    let mut tellers = tellers(layout, progress).peekable();
    (tellers.peek().is_some() && tellers.all(silent)).then_some(HoldReason::ConsoleUnknown)
}

fn server_unknown(layout: &Layout, progress: &Progress, view: &View) -> Option<HoldReason> {
    // Nobody is called before it was asked once more when its time was over: the last question may
    // still wait for its answer when the host can long be reached again.
    let asked_again = |seen: &ServerView| {
        let since_ms = seen.host_failing_since_ms;
        since_ms.is_some_and(|ms| ms + layout.policy().unknown_ms_max <= seen.host_last_failed_ms)
    };
    let lost = |server: &ServerIx| {
        let seen = &view.servers[*server];
        too_long(layout, view, seen.host_failing_since_ms)
            && asked_again(seen)
            && progress.servers[*server].failure.is_none()
            && (is_needed(layout, progress, *server) || is_missed(layout, progress, view, *server))
    };
    let server = (0..layout.servers.len()).find(lost)?;
    Some(HoldReason::ServerUnknown { server: layout.servers[server].name.clone() })
}

/// Seats of the half that is upgraded first which are to leave rotation, for their upgrade or as traffic
/// goes back, and cannot be spared there.
fn kept_back(layout: &Layout, progress: &Progress, view: &View) -> impl Iterator<Item = SeatIx> {
    let sides = Sides::of(layout, progress);
    let leaving = match progress.direction {
        Direction::Forward => !progress.reached(FarmMilestone::SwitchBegan),
        Direction::FallingBack => !progress.reached(FarmMilestone::FellBack),
        Direction::Aborting => false,
    };
    let servers = layout.half(Half::Updating).filter(move |&server| {
        leaving
            && !progress.servers[server].left_out
            && sides.wanted(layout, progress, server) == Wanted::Out
    });
    let seats = servers.flat_map(|server| layout.servers[server].seats.iter().copied());
    seats.filter(move |&seat| {
        view.seat(layout, seat).is_some_and(in_rotation)
            && !can_be_spared(layout, progress, view, sides, seat)
    })
}

/// A server of the loaded half without which another cannot leave for its upgrade.
fn is_missed(layout: &Layout, progress: &Progress, view: &View, server: ServerIx) -> bool {
    let place = |seat: SeatIx| (layout.seats[seat].pool, layout.seats[seat].node);
    let beside = |seat| layout.servers[server].seats.iter().any(|&own| place(own) == place(seat));
    layout.servers[server].half == Some(Half::Loaded)
        && !progress.servers[server].left_out
        && kept_back(layout, progress, view).any(beside)
}

/// A server cannot leave for its upgrade, and in no reading of the last while could it.
fn cannot_leave(layout: &Layout, progress: &Progress, view: &View) -> Option<HoldReason> {
    if progress.direction != Direction::Forward {
        return None;
    }
    let sides = Sides::of(layout, progress);
    let for_long = |&seat: &SeatIx| {
        let Seat { pool, node, .. } = layout.seats[seat];
        let pool = &layout.pools[pool];
        let Some(bench) = pool.benches.iter().find(|bench| bench.node == node) else {
            return false;
        };
        let stays = |one| sides.wanted(layout, progress, one) == Wanted::In;
        let samples = view.nodes[node].samples.iter().rev();
        let few = samples
            .take_while(|sample| in_rotation_among(layout, bench, sample, stays) < pool.floor);
        few.last().is_some_and(|sample| sample.at_ms + CANNOT_LEAVE_MS <= view.now_ms)
    };
    let seat = kept_back(layout, progress, view).find(for_long)?;
    let server = layout.servers[layout.seats[seat].server].name.clone();
    Some(HoldReason::CannotLeave { server })
}

/// Everything else is done, or traffic goes back, or somebody cannot leave for his upgrade, and a member's
/// checks have kept it out, off and on, for so long that whoever waits for its server waits in vain.
fn kept_out(layout: &Layout, progress: &Progress, view: &View) -> Option<HoldReason> {
    let patience_ms = layout.policy().unknown_ms_max;
    let too_long = |&seat: &SeatIx| {
        let since_ms = kept_out_since_ms(layout, progress, view, seat);
        since_ms.is_some_and(|since_ms| since_ms + patience_ms < view.now_ms)
    };
    let kept_out = |it: &ServerIx| {
        !progress.servers[*it].left_out && layout.servers[*it].seats.iter().any(too_long)
    };
    layout.front_ends().find(kept_out)?;
    let goes_back =
        progress.direction == Direction::FallingBack && !progress.reached(FarmMilestone::FellBack);
    let server = match restores(layout, progress) {
        true => layout.front_ends().find(kept_out)?,
        false if goes_back || kept_back(layout, progress, view).next().is_some() => {
            let beside = |it: &ServerIx| goes_back || is_missed(layout, progress, view, *it);
            layout.half(Half::Loaded).find(|it| kept_out(it) && beside(it))?
        }
        false => return None,
    };
    Some(HoldReason::KeptOut { server: layout.servers[server].name.clone() })
}

/// The run's next progress needs this server: its half is being worked on and it is not proven, or
/// everything else is done and it is not restored, or somebody stands in for its half and cannot be
/// upgraded as long as he does. On the way back every front-end is needed until it is as it was;
/// while traffic goes back, every loaded one until it takes its share, and again where one that is to
/// leave has to stand in: whoever took his share may have died since.
fn is_needed(layout: &Layout, progress: &Progress, server: ServerIx) -> bool {
    let record = &progress.servers[server];
    if progress.direction == Direction::Aborting {
        return layout.servers[server].front_end.is_some() && !record.left_out && !record.restored;
    }
    let half = layout.servers[server].half.unwrap_or(Half::Updating);
    if progress.direction == Direction::FallingBack {
        let stands_in = |one: ServerIx| progress.servers[one].rescued_ms.is_some();
        let stood_in = layout.half(Half::Updating).any(stands_in);
        let back = progress.reached(FarmMilestone::FellBack)
            || ((record.taking || record.tainted) && !stood_in);
        return half == Half::Loaded && !record.left_out && !back;
    }
    let turn = match half {
        Half::Updating => !progress.reached(FarmMilestone::Soaked),
        Half::Loaded => progress.reached(FarmMilestone::Soaked),
    };
    let last = step(layout, progress) == 9 && !record.restored;
    let serves = layout.servers[server].front_end.is_some();
    let open = if serves { record.proven.is_none() } else { record.upgraded.is_none() };
    // The soak ends only when each of its servers has passed its last round of tests.
    let soaks = progress.reached(FarmMilestone::SoakBegan)
        && !progress.reached(FarmMilestone::Soaked)
        && half == Half::Updating;
    let is_missed = layout
        .front_ends()
        .filter(|&other| layout.servers[other].half != Some(half))
        .map(|other| &progress.servers[other])
        .any(|other| other.rescued_ms.is_some() && !other.touched);
    !record.left_out && ((turn && open) || ((last || soaks || is_missed) && serves))
}

/// A change that is still wanted is answered every time, and nothing changes: a balancer's API that
/// may only be read, a server that follows another, a page that shows what is no longer so.
fn ignored(layout: &Layout, progress: &Progress, view: &View) -> Option<HoldReason> {
    let lasts = |in_vain: Option<InVain>| {
        in_vain.is_some_and(|it| it.lasts(view.now_ms, layout.policy().unknown_ms_max))
    };
    let node = (0..layout.nodes.len()).find(|&node| {
        lasts(view.nodes[node].in_vain) && wants_change(layout, progress, view, node)
    });
    if let Some(node) = node {
        return Some(HoldReason::BalancerIgnores { node: layout.nodes[node].name.clone() });
    }
    if is_working(progress) {
        return None;
    }
    // What consoles did before the last job ended says nothing of those that it left.
    let jobs_ended_ms = progress.servers.iter().map(|server| server.job_ended_ms).max();
    let since = |it: InVain| InVain { since_ms: it.since_ms.max(jobs_ended_ms.unwrap_or(0)), ..it };
    let server = layout.front_ends().find(|&server| {
        lasts(view.servers[server].flag_in_vain.map(since))
            && !flags::stays_disabled(layout, progress, view, server)
            && flags::is_not_as_wanted(layout, progress, view, server)
    })?;
    Some(HoldReason::ConsoleIgnores { server: layout.servers[server].name.clone() })
}

fn drain_overdue(layout: &Layout, progress: &Progress, view: &View) -> Option<HoldReason> {
    let policy = layout.policy();
    let patience_ms = match policy.drain_after_deadline {
        AfterDeadline::Hold => policy.drain_ms_max,
        // Whoever waits for requests that never end is told so in the end.
        AfterDeadline::Wait => policy.drain_ms_max + policy.switch_ms_max,
        AfterDeadline::Cut => return None,
    };
    let sides = Sides::of(layout, progress);
    let overdue = |server: &ServerIx| {
        sides.wanted(layout, progress, *server) == Wanted::Out
            && !progress.servers[*server].touched
            // Of whom nothing was read for a while, or since a reload, it is the count of requests that is
            // overdue, and not they.
            && layout.servers[*server].seats.iter().any(|&seat| {
                drained_for_ms(layout, view, seat).is_some_and(|ms| ms > patience_ms)
                    && seat_is_busy(layout, view, seat)
            })
    };
    let server = layout.front_ends().find(overdue)?;
    Some(HoldReason::DrainOverdue { server: layout.servers[server].name.clone() })
}

/// A failed server holds the run only when no other server of its half can go on without it.
fn server_failed(layout: &Layout, progress: &Progress, view: &View) -> Option<HoldReason> {
    let failed = progress.servers.iter().position(|one| one.failure.is_some() && !one.left_out)?;
    let half = layout.servers[failed].half.unwrap_or(Half::Updating);
    let stage = current_stage(layout, progress, half);
    let goes_on = |server: ServerIx| {
        let record = &progress.servers[server];
        let serves = layout.servers[server].front_end.is_some();
        if progress.direction == Direction::Aborting {
            let waits = serves && !record.left_out && record.failure.is_none();
            return waits && !is_as_before(layout, progress, view, server);
        }
        let at_goal = if serves { record.proven.is_some() } else { record.upgraded.is_some() };
        let its_turn = match stage {
            // Jobs are left: only servers of this stage can do anything.
            Some(stage) => stage
                .servers
                .iter()
                .any(|(one, kinds)| *one == server && !stage_done(progress, server, kinds)),
            None => may_begin(layout, progress, step(layout, progress)),
        };
        // A loaded server goes from job to proof on its own; an updating one waits for its stage.
        let on_its_own = half == Half::Loaded && record.upgraded.is_some();
        !record.left_out && record.failure.is_none() && !at_goal && (its_turn || on_its_own)
    };
    let others = (0..layout.servers.len())
        .filter(|&server| layout.servers[server].half.unwrap_or(Half::Updating) == half);
    if others.into_iter().any(goes_on) {
        return None;
    }
    Some(HoldReason::ServerFailed { server: layout.servers[failed].name.clone() })
}
