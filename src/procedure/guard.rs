//! The guard: every action passes here just before it leaves, and every conclusion just before it
//! is written down, in production as in rehearsal.
//!
//! It shares raw readings, how old they may be, and journaled facts with `decide` and none of its
//! conclusions: quiet, idle, fit and whose turn it is are concluded here again, in another way, so that
//! one mistake is not made twice. A refusal is a defect of the program, and the run holds.
//!
//! * [`members`] — may a member be drained, admitted, weighed, cut.
//! * [`jobs`] — may a job start, a flag be set, a test run.
//! * [`claims`] — is a conclusion borne out by the readings.
mod claims;
mod jobs;
mod members;

use crate::farm::Half;
use crate::journal::{Event, FarmMilestone};
use crate::names::ServerName;

use super::action::Action;
use super::layout::{Layout, SeatIx, ServerIx};
use super::progress::{Direction, Progress};
use super::readings::{MemberId, MemberReading, OperState};
use super::view::View;

/// Bits of `srv_admin_state` that keep new requests away: maintenance by command (1), inherited (2) or
/// by DNS (32), drain by command (8) or inherited (16). The others say how something began.
const OUT: u16 = 1 | 2 | 8 | 16 | 32;

/// Lets an action pass.
///
/// # Errors
/// What makes it unsafe, in a sentence.
pub fn check(
    layout: &Layout,
    progress: &Progress,
    view: &View,
    action: &Action,
) -> Result<(), String> {
    let guard = Guard { layout, progress, view };
    match action {
        Action::Balancer { node, members, change } => {
            let seats: Result<Vec<SeatIx>, String> =
                members.iter().map(|member| guard.seat(node.as_str(), member)).collect();
            let seats = seats?;
            seats.iter().try_for_each(|&seat| guard.balancer(seat, &seats, *change))
        }
        Action::Flag { via, server, enabled } => guard.flag(via, server, *enabled),
        Action::Start { server, kind, job } => guard.start(guard.server(server)?, *kind, job),
        Action::Reboot { server, .. } => guard.reboot(guard.server(server)?),
        Action::Test { server } => guard.test(guard.server(server)?),
        Action::Nudge { .. } => {
            let begun = progress.reached(FarmMilestone::SwitchBegan);
            begun.then_some(()).ok_or_else(|| "requests of ours before the switch".to_owned())
        }
    }
}

/// Lets a conclusion be written down.
///
/// # Errors
/// What contradicts it, in a sentence.
pub fn vouch(
    layout: &Layout,
    progress: &Progress,
    view: &View,
    event: &Event,
) -> Result<(), String> {
    Guard { layout, progress, view }.vouch(event)
}

struct Guard<'a> {
    layout: &'a Layout,
    progress: &'a Progress,
    view: &'a View,
}

impl Guard<'_> {
    fn server(&self, name: &ServerName) -> Result<ServerIx, String> {
        self.layout.server(name).ok_or_else(|| format!("{name} is no server of this farm"))
    }

    fn seat(&self, node: &str, member: &MemberId) -> Result<SeatIx, String> {
        self.layout
            .seats
            .iter()
            .position(|seat| {
                self.layout.nodes[seat.node].name.as_str() == node && seat.member == *member
            })
            .ok_or_else(|| {
                format!("{} of {} is no member of ours on {node}", member.server, member.pool)
            })
    }

    /// The last reading of a seat, young enough to act on.
    fn read(&self, seat: SeatIx) -> Result<&MemberReading, String> {
        let place = &self.layout.seats[seat];
        let node = &self.layout.nodes[place.node];
        let policy = self.layout.policy();
        let sample = self.view.nodes[place.node].samples.back();
        let age_ms = sample.map(|sample| self.view.now_ms - sample.at_ms);
        let age_max = policy.stale_ms(policy.balancer_poll_ms);
        if age_ms.is_none_or(|age| age > age_max) {
            return Err(format!("balancer {} was not read lately", node.name));
        }
        if sample.is_some_and(|sample| sample.at_ms < self.view.nodes[place.node].doubted_ms) {
            return Err(format!(
                "balancer {} was not read since its last answer was lost",
                node.name
            ));
        }
        sample
            .and_then(|sample| sample.seats[seat - node.first_seat].as_ref())
            .ok_or_else(|| format!("balancer {} does not list {}", node.name, place.member.server))
    }

    /// A member would get users' requests.
    fn gets_requests(read: &MemberReading) -> bool {
        let idle = read.oper == OperState::Stopped || read.oper == OperState::Stopping;
        read.admin.0 & OUT == 0 && !idle && read.weight > 0
    }

    /// Untouched; or at the target version, tested against the service start that runs now.
    fn fit(&self, server: ServerIx) -> Result<(), String> {
        let record = &self.progress.servers[server];
        let name = &self.layout.servers[server].name;
        if record.left_out || (record.tainted && !record.taint_accepted) {
            return Err(format!("{name} was left out, or deployed to while it served"));
        }
        if !record.touched {
            return Ok(());
        }
        let Some((version, start)) = &record.proven else {
            return Err(format!("{name} was touched and is not proven"));
        };
        if *version != self.layout.farm.version_to {
            return Err(format!("{name} is proven at {version}"));
        }
        let service = self.view.service(self.layout, server);
        let same = service.is_some_and(|read| read.start == *start);
        same.then_some(())
            .ok_or_else(|| format!("{name} may have been started again since its tests"))
    }

    /// Fit by what is written down: the service start of others is their own action's matter.
    fn fit_in_service(&self, server: ServerIx) -> bool {
        let record = &self.progress.servers[server];
        let proven = record.proven.as_ref().map(|(version, _)| *version);
        let upgraded_well = proven == Some(self.layout.farm.version_to);
        let clean = !record.tainted || record.taint_accepted;
        let left_out = record.left_out && self.progress.direction != Direction::Aborting;
        !left_out && clean && (upgraded_well || !record.touched)
    }

    /// No node sends it requests, by fresh readings of all.
    fn out_everywhere(&self, server: ServerIx) -> Result<(), String> {
        for &seat in &self.layout.servers[server].seats {
            if self.read(seat)?.admin.0 & OUT == 0 {
                let place = &self.layout.seats[seat];
                return Err(format!(
                    "{} is in rotation on {}",
                    place.member.server, self.layout.nodes[place.node].name
                ));
            }
        }
        Ok(())
    }

    /// Nothing arrived and nothing was in flight in any sample of the last window, of this epoch.
    fn quiet_everywhere(&self, server: ServerIx) -> Result<(), String> {
        let window_ms = self.layout.policy().quiet_window_ms;
        for &seat in &self.layout.servers[server].seats {
            let place = &self.layout.seats[seat];
            let node = &self.layout.nodes[place.node];
            let samples = &self.view.nodes[place.node].samples;
            let newest_ms = samples.back().map_or(0, |sample| sample.at_ms);
            let lived_ms = samples.back().map_or(0, |sample| sample.lived_ms);
            if lived_ms < self.layout.policy().drain_ms_max {
                return Err(format!(
                    "{} began {lived_ms} ms ago: what an earlier process has in flight is unknown",
                    node.name
                ));
            }
            let begin = samples
                .iter()
                .rposition(|sample| sample.at_ms + window_ms <= newest_ms)
                .ok_or_else(|| format!("{} was not watched for a window", node.name))?;
            let mut arrivals = Vec::new();
            for sample in samples.iter().skip(begin) {
                let read = sample.seats[seat - node.first_seat].as_ref();
                let read = read.ok_or_else(|| format!("{} does not list it", node.name))?;
                if read.in_flight > 0 {
                    return Err(format!(
                        "{} requests are in flight on {}",
                        read.in_flight, node.name
                    ));
                }
                arrivals.push(read.arrivals);
            }
            arrivals.dedup();
            if arrivals.len() != 1 {
                return Err(format!("requests still arrive through {}", node.name));
            }
        }
        Ok(())
    }

    /// Every bench of the server keeps its floor of members in rotation without it.
    fn others_carry(&self, server: ServerIx) -> Result<(), String> {
        for &seat in &self.layout.servers[server].seats {
            let place = &self.layout.seats[seat];
            let pool = &self.layout.pools[place.pool];
            let bench = pool.benches.iter().find(|bench| bench.node == place.node);
            let serving = bench.map_or(0, |bench| {
                bench
                    .seats
                    .iter()
                    .filter(|&&other| self.layout.seats[other].server != server)
                    .filter(|&&other| self.read(other).is_ok_and(Self::gets_requests))
                    .count()
            });
            if serving < pool.floor && !pool.may_go_down {
                return Err(format!("pool {} has {serving} members in rotation", pool.name));
            }
        }
        Ok(())
    }

    /// No loaded server would be deployed to: each was read disabled, and since then neither was it
    /// read enabled nor was its Deployment Service started; or, once the commit is behind us, that
    /// service was read not to work since its flag was read.
    fn loaded_disabled(&self) -> Result<(), String> {
        for (ix, entry) in self.layout.servers.iter().enumerate() {
            let record = &self.progress.servers[ix];
            if entry.half != Some(Half::Loaded) || record.left_out || record.touched {
                continue;
            }
            let seen = &self.view.servers[ix];
            let read_flag_ms = seen.flag.as_ref().map_or(0, |read| read.at_ms);
            let later = seen.service.as_ref().is_some_and(|read| read.at_ms >= read_flag_ms);
            let service = self.view.service(self.layout, ix).filter(|_| later);
            let asleep = service.is_some_and(|read| !(read.running && read.initialised));
            if asleep && self.progress.committed() {
                continue;
            }
            let Some(start) = &record.disabled else {
                return Err(format!("{} is not disabled", entry.name));
            };
            let enabled = seen.flag.as_ref().map(|read| read.value);
            let restarted = seen
                .service
                .as_ref()
                .zip(start.as_ref())
                .is_some_and(|(read, start)| read.value.start != *start);
            let disabled = self.view.flag(self.layout, ix) == Some(false);
            if enabled == Some(true) || (restarted && !disabled) {
                return Err(format!("{} may have been enabled again", entry.name));
            }
        }
        Ok(())
    }
}
