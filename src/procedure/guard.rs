//! The guard: every action passes here just before it leaves, in production as in rehearsal.
//!
//! It shares raw readings and journaled facts with `decide` and none of its conclusions: quiet, fit
//! and capacity are concluded here again, in another way, so that one mistake is not made twice. A
//! refusal is a defect of the program, and the run holds.
use crate::farm::Half;
use crate::journal::FarmMilestone;
use crate::names::ServerName;

use super::action::{Action, JobKind, MemberChange};
use super::layout::{Layout, SeatIx, ServerIx};
use super::progress::{Direction, Progress};
use super::readings::{CheckState, MemberId, MemberReading, OperState};
use super::view::View;

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
        Action::Start { server, kind, .. } => guard.start(guard.server(server)?, *kind),
        Action::Reboot { server } => guard.out_everywhere(guard.server(server)?),
        Action::Test { server } => guard.test(guard.server(server)?),
        Action::Nudge { .. } => {
            let begun = progress.reached(FarmMilestone::SwitchBegan);
            begun.then_some(()).ok_or_else(|| "requests of ours before the switch".to_owned())
        }
    }
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
        let age_max = u64::from(policy.stale_after_polls) * policy.balancer_poll_ms;
        if age_ms.is_none_or(|age| age > age_max) {
            return Err(format!("balancer {} was not read lately", node.name));
        }
        sample
            .and_then(|sample| sample.seats[seat - node.first_seat].as_ref())
            .ok_or_else(|| format!("balancer {} does not list {}", node.name, place.member.server))
    }

    /// A member would get users' requests.
    fn gets_requests(read: &MemberReading) -> bool {
        read.admin.0 == 0 && read.oper != OperState::Stopped && read.oper != OperState::Stopping
    }

    /// Untouched; or at the target version, tested against the service start that runs now.
    fn fit(&self, server: ServerIx) -> Result<(), String> {
        let record = &self.progress.servers[server];
        let name = &self.layout.servers[server].name;
        if record.left_out || record.tainted {
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
        let service = self.view.servers[server].service.as_ref();
        let same = service.is_some_and(|read| read.value.start == *start);
        same.then_some(())
            .ok_or_else(|| format!("{name} may have been started again since its tests"))
    }

    fn balancer(
        &self,
        seat: SeatIx,
        together: &[SeatIx],
        change: MemberChange,
    ) -> Result<(), String> {
        let server = self.layout.seats[seat].server;
        let read = self.read(seat)?;
        match change {
            MemberChange::Admit => {
                self.fit(server)?;
                let pool = &self.layout.pools[self.layout.seats[seat].pool];
                let checked = !pool.health_check
                    || read.check == CheckState::Passing
                    || !self.progress.servers[server].touched;
                checked.then_some(()).ok_or_else(|| "its health check does not pass yet".to_owned())
            }
            MemberChange::Drain => self.drain(seat, together),
            MemberChange::Maintain => Err("nothing wants a member in maintenance".to_owned()),
            MemberChange::Weight(_) => {
                let ready = read.admin.0 == 0;
                ready.then_some(()).ok_or_else(|| "weight of a member that is out".to_owned())
            }
            MemberChange::Cut => {
                let drained = !Self::gets_requests(read);
                drained.then_some(()).ok_or_else(|| "cutting a member in rotation".to_owned())
            }
        }
    }

    /// Somebody fit stays behind, unless the member itself must not serve.
    fn drain(&self, seat: SeatIx, together: &[SeatIx]) -> Result<(), String> {
        let server = self.layout.seats[seat].server;
        let record = &self.progress.servers[server];
        let must_go = record.left_out || (record.touched && record.proven.is_none());
        let place = &self.layout.seats[seat];
        let pool = &self.layout.pools[place.pool];
        if must_go && !record.proven_once || pool.may_go_down {
            return Ok(());
        }
        let mut others = 0;
        for bench in pool.benches.iter().filter(|bench| bench.node == place.node) {
            for &other in bench.seats.iter().filter(|other| !together.contains(other)) {
                let serves = self.read(other).is_ok_and(Self::gets_requests);
                if serves && self.fit_in_service(self.layout.seats[other].server) {
                    others += 1;
                }
            }
        }
        if others < pool.floor {
            return Err(format!("pool {} would keep {others} fit members", pool.name));
        }
        Ok(())
    }

    /// Fit by what is written down: the service start of others is their own action's matter.
    fn fit_in_service(&self, server: ServerIx) -> bool {
        let record = &self.progress.servers[server];
        let proven = record.proven.as_ref().map(|(version, _)| *version);
        let upgraded_well = proven == Some(self.layout.farm.version_to);
        !record.left_out && !record.tainted && (upgraded_well || !record.touched)
    }

    fn flag(&self, via: &ServerName, server: &ServerName, enabled: bool) -> Result<(), String> {
        let face = &self.progress.servers[self.server(via)?];
        let fresh_face = !face.touched || face.upgraded.is_some();
        if !fresh_face {
            return Err(format!("{via}'s console is being upgraded"));
        }
        let record = &self.progress.servers[self.server(server)?];
        let half = self.layout.servers[self.server(server)?].half;
        let right = if enabled {
            record.upgraded.is_some() || self.progress.direction == Direction::Aborting
        } else {
            half == Some(Half::Loaded) && !record.touched
        };
        right
            .then_some(())
            .ok_or_else(|| format!("{server} shall not become enabled={enabled} now"))
    }

    fn test(&self, server: ServerIx) -> Result<(), String> {
        let ready = self.progress.servers[server].upgraded.is_some();
        ready.then_some(()).ok_or_else(|| "tests before the upgrade prove nothing".to_owned())
    }

    /// No node sends it requests, by fresh readings of all.
    fn out_everywhere(&self, server: ServerIx) -> Result<(), String> {
        for &seat in &self.layout.servers[server].seats {
            if self.read(seat)?.admin.0 & (1 | 2 | 4 | 8 | 16 | 32) == 0 {
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

    fn start(&self, server: ServerIx, kind: JobKind) -> Result<(), String> {
        let record = &self.progress.servers[server];
        let name = &self.layout.servers[server].name;
        if record.left_out {
            return Err(format!("{name} was left out"));
        }
        if !kind.touches() {
            // Nothing is pending while nothing was touched, so starting a service deploys nothing.
            let nothing_touched = self.progress.servers.iter().all(|one| !one.touched);
            let aborting = self.progress.direction == Direction::Aborting && nothing_touched;
            return if aborting { Ok(()) } else { self.out_everywhere(server) };
        }
        if !record.touched {
            return Err(format!("{name} is not marked as touched"));
        }
        if self.progress.direction != Direction::Forward {
            return Err("the run is on its way back".to_owned());
        }
        let half = self.layout.servers[server].half.unwrap_or(Half::Updating);
        match half {
            Half::Updating => {
                if !self.progress.reached(FarmMilestone::SwitchBegan) {
                    self.loaded_disabled()?;
                }
            }
            Half::Loaded => {
                if !self.progress.reached(FarmMilestone::Soaked) {
                    return Err("the new version has not soaked".to_owned());
                }
            }
        }
        self.out_everywhere(server)?;
        if record.jobs_begun == 0 {
            self.quiet_everywhere(server)?;
            self.others_carry(server)?;
        }
        Ok(())
    }

    /// No loaded server would be deployed to: each was read disabled, and since then neither was it
    /// read enabled nor was its Deployment Service started.
    fn loaded_disabled(&self) -> Result<(), String> {
        for (ix, entry) in self.layout.servers.iter().enumerate() {
            let record = &self.progress.servers[ix];
            if entry.half != Some(Half::Loaded) || record.left_out || record.touched {
                continue;
            }
            let Some(start) = &record.disabled else {
                return Err(format!("{} is not disabled", entry.name));
            };
            let seen = &self.view.servers[ix];
            let enabled = seen.flag.as_ref().map(|read| read.value);
            let restarted = seen
                .service
                .as_ref()
                .zip(start.as_ref())
                .is_some_and(|(read, start)| read.value.start != *start);
            if enabled == Some(true) || (restarted && enabled != Some(false)) {
                return Err(format!("{} may have been enabled again", entry.name));
            }
        }
        Ok(())
    }
}
