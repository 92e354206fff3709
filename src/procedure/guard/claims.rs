//! Is a conclusion borne out: what is written down is acted upon for hours, also by a process that
//! has read nothing itself. Only what follows from it needs checking: doubts, holds and failures are
//! caution, and pass.
use crate::farm::{Half, Version};
use crate::journal::{Event, FarmMilestone, Milestone, Notice, Verdict};

use super::super::action::JobKind;
use super::super::layout::ServerIx;
use super::super::progress::{Direction, ServerProgress};
use super::super::readings::{JobReading, ThreadState};
use super::super::view::OLD_PAGE_MS_MAX;
use super::Guard;

fn when(is: bool, otherwise: &str) -> Result<(), String> {
    if is { Ok(()) } else { Err(otherwise.to_owned()) }
}

impl Guard<'_> {
    pub(super) fn vouch(&self, event: &Event) -> Result<(), String> {
        match event {
            Event::Reached { server, milestone, .. } => {
                self.milestone(self.server(server)?, milestone)
            }
            Event::FarmReached { milestone, .. } => self.farm_milestone(*milestone),
            Event::JobEnded { server, job, reading, .. } => {
                self.job_ended(self.server(server)?, job, reading)
            }
            Event::Noticed(Notice::Rescued { server, .. }) => {
                when(self.fit_in_service(self.server(server)?), "the rescuer is unfit")
            }
            Event::Noticed(Notice::Rebooted { server }) => self.restarted(self.server(server)?),
            Event::Noticed(Notice::RescueEnded { server }) => {
                self.rescue_ends(self.server(server)?)
            }
            Event::Ended { verdict } => self.ended(verdict),
            _ => Ok(()),
        }
    }

    /// It was told to, and what is read of it now is not what was read before.
    fn restarted(&self, server: ServerIx) -> Result<(), String> {
        let Some(told) = &self.progress.servers[server].reboot else {
            return Err("nobody told it to restart".to_owned());
        };
        let read = self.view.service(self.layout, server);
        let anew = match (&told.boot, read.map(|read| &read.boot)) {
            (Some(_), None) => false,
            (Some(before), Some(Some(now))) => now != before,
            // Not told, or not any more: its services, and where they do not run only its silence.
            (None, _) | (Some(_), Some(None)) => {
                read.is_none_or(|read| !read.running || Some(&read.start) != told.start.as_ref())
            }
        };
        when(anew, "it was not read started anew")
    }

    /// Its pools keep their floors without it.
    fn rescue_ends(&self, server: ServerIx) -> Result<(), String> {
        let missed = self.layout.servers[server].seats.iter().find(|seat| {
            let pool = &self.layout.pools[self.layout.seats[**seat].pool];
            !pool.may_go_down && self.serving(**seat, &[**seat]) < pool.floor
        });
        let pool = missed.map(|seat| &self.layout.pools[self.layout.seats[*seat].pool].name);
        pool.map_or(Ok(()), |pool| Err(format!("pool {pool} is not served without it")))
    }

    fn milestone(&self, server: ServerIx, milestone: &Milestone) -> Result<(), String> {
        let record = &self.progress.servers[server];
        let flag = self.view.flag(self.layout, server);
        let service = self.view.service(self.layout, server);
        match milestone {
            Milestone::Quiet => {
                self.out_everywhere(server)?;
                self.quiet_everywhere(server)
            }
            Milestone::Disabled { .. } => {
                when(flag == Some(false), "its flag was not read disabled")
            }
            Milestone::Touched => self.touch(server),
            Milestone::Upgraded { version } => self.upgraded(server, *version),
            Milestone::DeploymentServiceEnsured => {
                let well = service.is_some_and(|it| it.running && it.automatic && it.initialised);
                when(well, "its Deployment Service is not as step 7 wants it")?;
                when(flag == Some(true), "it was not read enabled")
            }
            Milestone::Deployed => self.deployed(server),
            Milestone::Proven { version, start } => {
                let start = Some(start);
                let tested = record.tested.as_ref().is_some_and(|last| {
                    last.failure.is_none()
                        && last.version == Some(*version)
                        && last.start.as_ref() == start
                });
                when(tested, "its last tests do not prove it")?;
                when(record.deployed_ms.is_some(), "nobody saw deployment reach it")?;
                when(*version == self.layout.target(), "it was tested at another version")?;
                let now = service.map(|read| &read.start);
                when(now == start, "other services run than were tested")
            }
            Milestone::TakingTraffic => self.as_before(server, false),
            Milestone::Restored => {
                let aborting = self.progress.direction == Direction::Aborting;
                let proven = self.progress.servers[server].proven.is_some();
                when(aborting || proven, "it is not proven")?;
                self.as_before(server, true)?;
                self.service_as_before(server)
            }
            Milestone::Unproven => Ok(()),
        }
    }

    /// Every job of the plan has ended well, and the host reads this version.
    fn upgraded(&self, server: ServerIx, version: Version) -> Result<(), String> {
        let record = &self.progress.servers[server];
        let read = self.view.servers[server].version.as_ref();
        let read = read.filter(|read| read.at_ms >= record.job_ended_ms).map(|read| read.value);
        // Publishing changes applications, not whether this server is whole.
        let mut due = self.layout.jobs_of(server).filter(|kind| *kind != JobKind::Publish);
        let open = due.find(|kind| !record.jobs_done.contains(kind));
        if let Some(kind) = open {
            return Err(format!("{} is not done", kind.as_str()));
        }
        when(version == self.layout.target(), "it is another version than the plan's")?;
        when(read == Some(version), "the host does not read that version")
    }

    /// The newest readings, as many as policy asks for and as far back, show every thread idle.
    fn deployed(&self, server: ServerIx) -> Result<(), String> {
        let policy = self.layout.policy();
        let seen = &self.view.servers[server];
        let mut ended_ms = self.progress.servers[server].job_ended_ms;
        let stages = self.layout.stages(Half::Updating).iter().flat_map(|stage| &stage.servers);
        for (one, kinds) in stages {
            let record = &self.progress.servers[*one];
            let to_all =
                |kind: &&JobKind| matches!(kind, JobKind::ServiceCenterInstall | JobKind::Publish);
            for kind in kinds.iter().filter(to_all) {
                let done = record.jobs_done.contains(kind);
                when(done, "a job that deploys to every server is not done")?;
                // The loaded ones have their own, which ends later.
                if self.layout.servers[server].half == Some(Half::Updating) {
                    ended_ms = ended_ms.max(record.job_ended_ms);
                }
            }
        }
        let service = self.view.service(self.layout, server);
        let initialised = service.is_some_and(|read| read.initialised);
        when(initialised, "its Deployment Service has not initialised")?;
        let enabled = self.view.flag(self.layout, server) == Some(true);
        when(enabled, "it was not read enabled, so that nothing is deployed to it")?;
        let lately = |last| self.view.fresh(self.layout, Some(last), policy.jobs_poll_ms).is_some();
        let Some(newest) = seen.threads.back().filter(|last| lately(last)) else {
            return Err("its deployment threads were not read lately".to_owned());
        };
        let (mut reads, mut covered) = (0, false);
        for round in seen.threads.iter().rev() {
            if covered && reads >= policy.idle_reads {
                break;
            }
            let idle = round.value.iter().all(|row| row.state == ThreadState::Idle);
            when(idle && !round.value.is_empty(), "a deployment thread was not read idle")?;
            when(
                round.at_ms > ended_ms,
                "its threads idled before the last job that deploys to it had ended",
            )?;
            when(
                seen.enabled_since_ms.is_some_and(|enabled_ms| round.at_ms >= enabled_ms),
                "its threads idled before it was read enabled",
            )?;
            reads += 1;
            covered = newest.at_ms - round.at_ms >= policy.idle_window_ms;
        }
        let enough = covered && reads >= policy.idle_reads;
        when(enough, "its deployment threads have not been read idle for long enough")
    }

    /// Every member that the baseline had in rotation is there; with its weight, up if it was, and
    /// all others out, where `wholly`.
    fn as_before(&self, server: ServerIx, wholly: bool) -> Result<(), String> {
        for &seat in &self.layout.servers[server].seats {
            let moving = self.view.nodes[self.layout.seats[seat].node].acting;
            when(!moving, "something is under way on a node of its")?;
            let read = self.read(seat)?;
            let before = self.baseline(seat).filter(|it| it.admin.ready());
            let there = read.admin.ready() == before.is_some() || (before.is_none() && !wholly);
            when(there, "a member is not where the baseline had it")?;
            let weight = before.map_or(read.weight, |it| it.weight);
            when(!wholly || weight == read.weight, "a member has another weight than before")?;
            let served = before.is_some_and(Self::gets_requests);
            let serves = !served || Self::gets_requests(read);
            when(!wholly || serves, "a member that served before gets no requests")?;
        }
        Ok(())
    }

    /// Flag and start type are as the baseline had them, and the service works.
    fn service_as_before(&self, server: ServerIx) -> Result<(), String> {
        let name = &self.layout.servers[server].name;
        let Some(baseline) = &self.progress.baseline else {
            return Err("there is no baseline".to_owned());
        };
        let seen = &self.view.servers[server];
        when(!seen.acting, "something is under way on it")?;
        let flag = self.view.flag(self.layout, server);
        when(flag == baseline.enabled.get(name).copied(), "its flag is not as before")?;
        let Some(service) = self.view.service(self.layout, server) else {
            return Err("its Deployment Service was not read lately".to_owned());
        };
        let read_ms = seen.service.as_ref().map_or(0, |read| read.at_ms);
        let aborting = self.progress.direction == Direction::Aborting;
        let shown_ms = seen.flag.as_ref().map_or(0, |read| read.at_ms);
        let unclear = self.progress.servers[server].flag_unclear.as_ref().filter(|_| aborting);
        let may_be_old = unclear.is_some_and(|it| shown_ms < it.since_ms + OLD_PAGE_MS_MAX);
        when(!may_be_old, "its flag may be that of a page older than its last change")?;
        let since = seen.enabled_since_ms.filter(|_| aborting).unwrap_or(0);
        when(read_ms >= since, "its Deployment Service was not read since it was enabled")?;
        let automatic = baseline.automatic.get(name) == Some(&service.automatic);
        when(automatic, "its Deployment Service has another start type than before")?;
        when(service.running && service.initialised, "its Deployment Service does not work")
    }

    fn job_ended(&self, server: ServerIx, job: &str, reading: &JobReading) -> Result<(), String> {
        let read = self.view.servers[server].job.as_ref();
        let seen = read.is_some_and(|(id, read)| id == job && read.value == *reading);
        when(seen, "the host did not say so")
    }

    fn farm_milestone(&self, milestone: FarmMilestone) -> Result<(), String> {
        let since_ms = |milestone| self.progress.farm.get(&milestone).copied();
        match milestone {
            FarmMilestone::SwitchBegan => {
                self.gate(5)?;
                self.each(Half::Updating, |it| it.proven.is_some(), "is not proven")
            }
            FarmMilestone::Switched => {
                for server in self.layout.half(Half::Loaded) {
                    if !self.progress.servers[server].left_out {
                        self.out_everywhere(server)?;
                        self.quiet_everywhere(server)?;
                    }
                }
                Ok(())
            }
            FarmMilestone::SoakBegan => {
                when(since_ms(FarmMilestone::Switched).is_some(), "both versions serve")
            }
            FarmMilestone::Soaked => {
                let soak_ms = self.layout.policy().soak_ms;
                let began_ms = since_ms(FarmMilestone::SoakBegan);
                let long = began_ms.is_some_and(|began| began + soak_ms <= self.view.now_ms);
                when(long, "the soak has time left")?;
                let well = |it: &ServerProgress| {
                    let lately = it.tested.as_ref().filter(|last| Some(last.at_ms) >= began_ms);
                    it.proven.is_some() && lately.is_some_and(|last| last.failure.is_none())
                };
                self.each(Half::Updating, well, "did not pass its last tests")?;
                let stays = |&server: &ServerIx| !self.progress.servers[server].left_out;
                let mut soaked = self.layout.half(Half::Updating).filter(stays);
                let works = |server| {
                    let service = self.view.service(self.layout, server);
                    service.is_some_and(|it| it.running && it.initialised)
                };
                let well = |server| works(server) && self.fit_in_service(server);
                when(soaked.all(well), "somebody's service does not work, or cannot be read")
            }
            FarmMilestone::FellBack => {
                self.each(Half::Loaded, |it| it.taking || it.tainted, "takes no traffic yet")
            }
        }
    }

    fn ended(&self, verdict: &Verdict) -> Result<(), String> {
        let all = |is: fn(&ServerProgress) -> bool, otherwise| {
            self.each(Half::Updating, is, otherwise)?;
            self.each(Half::Loaded, is, otherwise)
        };
        match verdict {
            Verdict::Done { .. } => {
                all(|it| it.restored, "is not as the baseline had it")?;
                all(|it| it.upgraded.is_some(), "is not upgraded")?;
                all(|it| it.proven_once, "was never proven")?;
                self.staying().try_for_each(|server| self.as_before(server, true))
            }
            Verdict::Aborted => {
                when(!self.progress.committed(), "a server was touched")?;
                all(|it| it.restored, "is not as the baseline had it")?;
                self.staying().try_for_each(|server| {
                    self.as_before(server, true)?;
                    self.service_as_before(server)
                })
            }
            Verdict::Refused { .. } => when(self.progress.baseline.is_none(), "the run has begun"),
            Verdict::Holding { .. } => Ok(()),
        }
    }

    /// Front-ends that were not left out.
    fn staying(&self) -> impl Iterator<Item = ServerIx> + '_ {
        self.layout.front_ends().filter(|&server| !self.progress.servers[server].left_out)
    }

    /// Every server of a half that was not left out.
    fn each(
        &self,
        half: Half,
        is: impl Fn(&ServerProgress) -> bool,
        otherwise: &str,
    ) -> Result<(), String> {
        let fails = |server: &ServerIx| {
            let record = &self.progress.servers[*server];
            !record.left_out && !is(record)
        };
        match self.layout.half(half).find(fails) {
            Some(server) => Err(format!("{} {otherwise}", self.layout.servers[server].name)),
            None => Ok(()),
        }
    }
}
