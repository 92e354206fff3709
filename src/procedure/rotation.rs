//! Where each server is wanted, and the changes that bring it there: traffic is moved by wanting,
//! so that a reload, a crash of ours or somebody's hand is put right by the same rule.
use crate::farm::Half;
use crate::journal::{Event, FarmMilestone, Milestone, Notice};

use super::action::{Action, MemberChange};
use super::decide::Decision;
use super::fitness::{eligible_beside, is_fit, is_spoilt, still_proven};
use super::idle::{Doubt, deploying_doubt, is_being_deployed_to};
use super::last_resort::{last_resort, returns_in_silence};
use super::layout::{Layout, NodeIx, Seat, SeatIx, ServerIx};
use super::load::can_do_without;
use super::progress::{Direction, Progress};
use super::quiet::{in_rotation, server_is_quiet};
use super::readings::{CheckState, MemberId, MemberReading, OperState};
use super::steps::{everyone, everyone_in, may_begin};
use super::taking::{is_kept_out, kept_out_since_ms, takes_traffic};
use super::view::View;

/// Where a server is wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wanted {
    /// In rotation, as far as the baseline had it there.
    In,
    /// Out: no new requests.
    Out,
}

/// Where a server is wanted now.
#[must_use]
pub fn wanted(layout: &Layout, progress: &Progress, server: ServerIx) -> Wanted {
    Sides::of(layout, progress).wanted(layout, progress, server)
}

/// Which halves shall serve: what depends on every server and is the same for all of them, so that
/// whoever asks about many servers computes it once.
#[derive(Clone, Copy, Debug)]
pub struct Sides {
    updating: bool,
    loaded: bool,
}

impl Sides {
    /// As the run stands.
    #[must_use]
    pub fn of(layout: &Layout, progress: &Progress) -> Self {
        let taking = |half| everyone_in(layout, progress, half, |server| server.taking);
        match progress.direction {
            Direction::Aborting => Self { updating: true, loaded: true },
            // Back on loaded first, then out: service before one version.
            Direction::FallingBack => {
                Self { updating: !taken_back(layout, progress), loaded: true }
            }
            Direction::Forward => {
                let began = progress.reached(FarmMilestone::SwitchBegan);
                let before_switch = !progress.reached(FarmMilestone::Switched)
                    && (!began || !taking(Half::Updating));
                // Once proven is enough: one that was started again goes out on its own account.
                let step_nine = progress.reached(FarmMilestone::Soaked)
                    && everyone(layout, progress, |server| server.proven_once)
                    && may_begin(layout, progress, 9);
                let updating = began || !may_begin(layout, progress, 1);
                Self { updating, loaded: before_switch || step_nine }
            }
        }
    }

    /// Where a server is wanted.
    #[must_use]
    pub fn wanted(self, layout: &Layout, progress: &Progress, server: ServerIx) -> Wanted {
        let inside = is_fit(progress, server)
            && (progress.servers[server].rescued_ms.is_some()
                || layout.servers[server].half.is_some_and(|half| self.serves(half)));
        if inside { Wanted::In } else { Wanted::Out }
    }

    /// A half shall serve.
    pub(super) fn serves(self, half: Half) -> bool {
        match half {
            Half::Updating => self.updating,
            Half::Loaded => self.loaded,
        }
    }
}

/// Every loaded server that is to serve takes users' requests again. One to which deployment began
/// under load stays out until its upgrade, and nobody waits for it.
pub(super) fn taken_back(layout: &Layout, progress: &Progress) -> bool {
    everyone_in(layout, progress, Half::Loaded, |server| server.taking || server.tainted)
}

/// A baseline that had a member out wants it left so.
pub(super) fn baseline_out(progress: &Progress, seat: SeatIx) -> bool {
    let Some(baseline) = &progress.baseline_seats else { return true };
    baseline[seat].as_ref().is_some_and(|read| !read.admin.ready())
}

/// Adds the changes that bring every seat where its server is wanted, one at a time on each node.
pub(super) fn reconcile(
    layout: &Layout,
    progress: &Progress,
    view: &View,
    holding: bool,
    decision: &mut Decision,
) {
    let sides = Sides::of(layout, progress);
    for (node_ix, node) in layout.nodes.iter().enumerate() {
        if view.nodes[node_ix].acting || view.fresh_sample(layout, node_ix).is_none() {
            continue;
        }
        if let Some((change, members)) = change_on(layout, progress, view, sides, node_ix, holding)
        {
            decision.actions.push(Action::Balancer { node: node.name.clone(), members, change });
        }
    }
}

/// A node's members are not known to be where their servers are wanted.
pub(super) fn wants_change(
    layout: &Layout,
    progress: &Progress,
    view: &View,
    node: NodeIx,
) -> bool {
    view.fresh_sample(layout, node).is_none()
        || change_on(layout, progress, view, Sides::of(layout, progress), node, false).is_some()
}

/// The next change on a node, and all members that one line of commands can change alike.
fn change_on(
    layout: &Layout,
    progress: &Progress,
    view: &View,
    sides: Sides,
    node: NodeIx,
    holding: bool,
) -> Option<(MemberChange, Vec<MemberId>)> {
    // What must not serve goes first, then service grows, and only then it shrinks.
    let rules: [&dyn Fn(SeatIx) -> Option<MemberChange>; 5] = [
        &|seat| banish(layout, progress, view, seat),
        &|seat| admission(layout, progress, view, sides, seat),
        &|seat| last_resort(layout, progress, view, sides, seat),
        &|seat| drain(layout, progress, view, sides, seat, holding),
        &|seat| cut(layout, progress, view, sides, seat),
    ];
    let node = &layout.nodes[node];
    // Nearly always all seats are where they are wanted: no rule is asked then.
    let mut seats = node.first_seat..node.first_seat + node.seat_count;
    let first = seats.find(|seat| !is_settled(layout, progress, view, sides, *seat))?;
    let seats = first..seats.end;
    rules.into_iter().find_map(|rule| {
        let mut changes = seats.clone().filter_map(|seat| Some((seat, rule(seat)?)));
        let (first, change) = changes.next()?;
        let alike = changes.filter(|(_, other)| *other == change).map(|(seat, _)| seat);
        let seats = std::iter::once(first).chain(alike);
        Some((change, seats.map(|seat| layout.seats[seat].member.clone()).collect()))
    })
}

/// No rule changes the seat: where it is wanted it was read to be, lately, and where it is out nothing
/// is left to be cut and nobody's last resort. Whoever changes a rule looks here too.
fn is_settled(
    layout: &Layout,
    progress: &Progress,
    view: &View,
    sides: Sides,
    seat: SeatIx,
) -> bool {
    let server = layout.seats[seat].server;
    view.seat(layout, seat).is_some_and(|read| match sides.wanted(layout, progress, server) {
        Wanted::In => read.admin.ready() && baseline_weight(progress, seat) == Some(read.weight),
        Wanted::Out => !read.admin.ready() && read.in_flight == 0 && !is_spoilt(progress, server),
    })
}

fn admission(
    layout: &Layout,
    progress: &Progress,
    view: &View,
    sides: Sides,
    seat: SeatIx,
) -> Option<MemberChange> {
    let server = layout.seats[seat].server;
    if sides.wanted(layout, progress, server) != Wanted::In || baseline_out(progress, seat) {
        return None;
    }
    if progress.servers[server].left_out {
        return None; // of an abort: he stays as he is
    }
    let read = view.seat(layout, seat)?;
    if let Some(weight) = baseline_weight(progress, seat).filter(|at| *at != read.weight)
        && read.admin.ready()
        && read.oper != OperState::Starting
    {
        return Some(MemberChange::Weight(weight));
    }
    if read.admin.ready() || read.admin.inherited() {
        return None;
    }
    if !still_proven(layout, progress, view, server)
        && !returns_in_silence(layout, progress, view, seat)
    {
        return None;
    }
    // Service before proof: a fit server whose pool has too few is admitted unless its check fails.
    let needed = is_needed(layout, progress, view, seat) && read.check != CheckState::Failing;
    // A person's word that it may serve is about what deployment leaves, not about its midst; and of one
    // that somebody has enabled since it was disabled it is not known whether anything is deployed to
    // it before its threads were read since.
    let record = &progress.servers[server];
    let enabled_once = record.flag_came_back > 0 && !record.touched;
    let doubted = record.tainted || (enabled_once && !needed);
    if doubted && is_being_deployed_to(layout, view, server) != Some(false) {
        return None;
    }
    // In maintenance checks stand still, and whoever leaves it is up before the first of them:
    // drained, they run while no user is sent there.
    if read.admin.by_command() && !needed {
        return Some(MemberChange::Drain);
    }
    // Proof before traffic: the check has passed while no user could be sent there. An untouched
    // server is as good as it was; the balancer itself keeps it out while it is sick.
    let proven_by_check = checked_well(layout, seat, read) || !progress.servers[server].touched;
    (proven_by_check || needed).then_some(MemberChange::Admit)
}

/// The seat's pool is under its floor on this node.
fn is_needed(layout: &Layout, progress: &Progress, view: &View, seat: SeatIx) -> bool {
    let place = &layout.seats[seat];
    let serving = eligible_beside(layout, progress, view, place.pool, place.node, None);
    serving.is_some_and(|serving| serving < layout.pools[place.pool].floor)
}

/// The seat is wanted in rotation and can be brought there at once: nobody else is needed.
pub(super) fn helps_itself(
    layout: &Layout,
    progress: &Progress,
    view: &View,
    sides: Sides,
    seat: SeatIx,
) -> bool {
    let change = admission(layout, progress, view, sides, seat);
    matches!(change, Some(MemberChange::Admit | MemberChange::Weight(_)))
}

fn baseline_weight(progress: &Progress, seat: SeatIx) -> Option<u32> {
    progress.baseline_seats.as_ref()?[seat].as_ref().map(|read| read.weight)
}

/// The balancer's own check passes, or there is none.
fn checked_well(layout: &Layout, seat: SeatIx, read: &MemberReading) -> bool {
    let checked = layout.pools[layout.seats[seat].pool].health_check;
    match read.check {
        CheckState::Passing => read.oper == OperState::Running,
        CheckState::None => !checked,
        CheckState::Failing | CheckState::Unproven => false,
    }
}

/// An unfit member in rotation goes out whatever else happens. One that was proven and merely
/// started again, and one on which deployment began under load, go when others can stand in.
fn banish(layout: &Layout, progress: &Progress, view: &View, seat: SeatIx) -> Option<MemberChange> {
    let server = layout.seats[seat].server;
    let record = &progress.servers[server];
    let must = !is_fit(progress, server) && !record.proven_once && !record.tainted;
    let read = view.seat(layout, seat)?;
    (must && read.admin.ready()).then_some(MemberChange::Drain)
}

fn drain(
    layout: &Layout,
    progress: &Progress,
    view: &View,
    sides: Sides,
    seat: SeatIx,
    holding: bool,
) -> Option<MemberChange> {
    let place = &layout.seats[seat];
    if sides.wanted(layout, progress, place.server) != Wanted::Out {
        return None;
    }
    let read = view.seat(layout, seat)?;
    if !read.admin.ready() {
        return None;
    }
    let server = &progress.servers[place.server];
    let unfit = !is_fit(progress, place.server);
    let begun = server.quiet || progress.drained_seats[seat];
    if holding && !unfit && !begun && progress.direction == Direction::Forward {
        return None; // a hold begins nothing new; what a reload put back goes out again
    }
    can_be_spared(layout, progress, view, sides, seat).then_some(MemberChange::Drain)
}

/// A seat's pool has its floor of others on its node, or may go down. Where fewer serve than the plan
/// reckoned with, because deployment began on some or while traffic goes back, those who stay must
/// also carry the users: who is overloaded serves nobody.
pub(super) fn can_be_spared(
    layout: &Layout,
    progress: &Progress,
    view: &View,
    sides: Sides,
    seat: SeatIx,
) -> bool {
    let Seat { pool, node, server, .. } = layout.seats[seat];
    let pool = &layout.pools[pool];
    if pool.may_go_down {
        return true;
    }
    let Some(bench) = pool.benches.iter().find(|bench| bench.node == node) else { return false };
    let (tainted, returning) =
        (progress.servers[server].tainted, progress.direction == Direction::FallingBack);
    // Fit, in rotation and wanted there: those that stay when all others that are to go have gone. On
    // the way back these go only where the others carry the users: until then they stay, and serve for
    // one that is being deployed to.
    // So for one that was proven and has started again, which is proven anew by itself: whoever is fit
    // and serves stands in meanwhile, be he wanted there or not, and goes only where others stay.
    let record = &progress.servers[server];
    let restarted = record.proven_once && record.proven.is_none();
    let (few, again) = (tainted || returning, record.quiet || progress.drained_seats[seat]);
    let stays = |other: SeatIx| {
        let server = layout.seats[other].server;
        // The first time to those who serve steadily: who just came back is cold, and may go again.
        let stands = match (tainted && returning) || restarted {
            true => is_fit(progress, server),
            false => {
                let steady = few || again || !is_kept_out(layout, view, other);
                steady && sides.wanted(layout, progress, server) == Wanted::In
            }
        };
        stands && view.seat(layout, other).is_some_and(in_rotation)
    };
    let enough = |serves: &dyn Fn(SeatIx) -> bool| {
        bench.seats.iter().filter(|&&other| serves(other)).count() >= pool.floor
    };
    if enough(&stays) {
        return !few || can_do_without(layout, progress, view, server, bench, stays);
    }
    // Who may be being deployed to is no better than another such one that serves: put back by a reload,
    // he goes again.
    let serves = |other: SeatIx| {
        let one = &progress.servers[layout.seats[other].server];
        let spoilt = one.tainted && !one.left_out;
        stays(other) || (spoilt && view.seat(layout, other).is_some_and(in_rotation))
    };
    layout.servers[server].half == Some(Half::Updating)
        && record.rescued_ms.is_none()
        && deploying_doubt(layout, progress, view, server) != Doubt::None
        && enough(&serves)
        && can_do_without(layout, progress, view, server, bench, serves)
}

/// After the drain's deadline, where policy says so.
fn cut(
    layout: &Layout,
    progress: &Progress,
    view: &View,
    sides: Sides,
    seat: SeatIx,
) -> Option<MemberChange> {
    let policy = layout.policy();
    if policy.drain_after_deadline != crate::farm::policy::AfterDeadline::Cut {
        return None;
    }
    let server = layout.seats[seat].server;
    let read = view.seat(layout, seat)?;
    let out = sides.wanted(layout, progress, server) == Wanted::Out && !read.admin.ready();
    let overdue = drained_for_ms(layout, view, seat)? > policy.drain_ms_max;
    (out && overdue && read.in_flight > 0).then_some(MemberChange::Cut)
}

/// For how long a seat has been seen drained without a break. `None` when it is not.
pub(super) fn drained_for_ms(layout: &Layout, view: &View, seat: SeatIx) -> Option<u64> {
    let place = &layout.seats[seat];
    let since =
        view.nodes[place.node].drained_since_ms[seat - layout.nodes[place.node].first_seat]?;
    Some(view.now_ms - since)
}

/// Members that are not as our last change left them, within the epoch of that change.
fn drifts(layout: &Layout, view: &View, decision: &mut Decision) {
    for (seat_ix, seat) in layout.seats.iter().enumerate() {
        let node = &view.nodes[seat.node];
        let entry = &layout.nodes[seat.node];
        let offset = seat_ix - entry.first_seat;
        let (Some(sample), Some((epoch, ready))) = (node.samples.back(), &node.asserted[offset])
        else {
            continue;
        };
        // Whoever has no address any more was changed by nobody.
        let differs = sample.seats[offset]
            .as_ref()
            .is_some_and(|read| read.admin.ready() != *ready && !read.admin.by_dns());
        if differs && !node.acting && sample.epoch == *epoch {
            let member = seat.member.clone();
            let notice = Notice::Drifted { node: entry.name.clone(), member };
            decision.events.push(Event::Noticed(notice));
        }
    }
}

/// Milestones of traffic: quiet, taking traffic, switched, fallen back, aborted, restored.
pub(super) fn milestones(
    layout: &Layout,
    progress: &Progress,
    view: &View,
    decision: &mut Decision,
) {
    drifts(layout, view, decision);
    let sides = Sides::of(layout, progress);
    for server in layout.front_ends() {
        let record = &progress.servers[server];
        if record.left_out {
            continue;
        }
        let out = sides.wanted(layout, progress, server) == Wanted::Out;
        if out && !record.quiet && server_is_quiet(layout, view, server) {
            decision.reached(
                layout,
                server,
                Milestone::Quiet,
                quiet_evidence(layout, view, server),
            );
        }
        // Only of those that are being admitted: a server that serves on proves nothing by it.
        let wanted_taking = match (progress.direction, layout.servers[server].half) {
            (Direction::Forward, Some(Half::Updating)) => {
                progress.reached(FarmMilestone::SwitchBegan)
            }
            (Direction::FallingBack, Some(Half::Loaded)) => true,
            _ => false,
        };
        if !out && wanted_taking && !record.taking && takes_traffic(layout, progress, view, server)
        {
            let evidence = "eligible on every node, arrivals rose in every pool".to_owned();
            decision.reached(layout, server, Milestone::TakingTraffic, evidence);
        }
    }
}

fn quiet_evidence(layout: &Layout, view: &View, server: ServerIx) -> String {
    let seats = layout.servers[server].seats.iter().filter_map(|&seat| {
        let read = view.seat(layout, seat)?;
        let place = &layout.seats[seat];
        Some(format!(
            "{}/{} stot {} scur {}",
            layout.nodes[place.node].name,
            layout.pools[place.pool].name,
            read.arrivals,
            read.in_flight
        ))
    });
    seats.collect::<Vec<_>>().join(", ")
}

/// Every seat of a server is as the baseline had it, and serves to stay where it served.
pub(super) fn is_restored(
    layout: &Layout,
    progress: &Progress,
    view: &View,
    server: ServerIx,
) -> bool {
    layout.servers[server].seats.iter().all(|&seat| {
        // What is under way there may be a change of this very seat.
        if view.nodes[layout.seats[seat].node].acting {
            return false;
        }
        let Some(read) = view.seat(layout, seat) else { return false };
        if baseline_out(progress, seat) {
            return !read.admin.ready();
        }
        // Ready is what we set. Whoever its checks keep out, overloaded while few serve, is not back.
        read.admin.ready()
            && baseline_weight(progress, seat) == Some(read.weight)
            && kept_out_since_ms(layout, progress, view, seat).is_none()
    })
}
