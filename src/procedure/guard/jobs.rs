//! May a job start, a machine restart, a flag be set, a test run: it is their turn, nobody would
//! meet what they do, and people have said yes where they are asked.
use crate::farm::Half;
use crate::journal::FarmMilestone;
use crate::names::ServerName;

use super::super::action::JobKind;
use super::super::layout::ServerIx;
use super::super::progress::{Direction, ServerProgress};
use super::Guard;

impl Guard<'_> {
    pub(super) fn start(&self, server: ServerIx, kind: JobKind, job: &str) -> Result<(), String> {
        let record = &self.progress.servers[server];
        let name = &self.layout.servers[server].name;
        if let Some(open) = record.job.as_ref().filter(|it| it.ended.is_none() && it.id != job) {
            return Err(format!("{} may still run on {name}", open.kind.as_str()));
        }
        if record.left_out {
            return Err(format!("{name} was left out"));
        }
        if record.reboot.is_some() {
            return Err(format!("{name} was told to restart, and was not seen to have"));
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
        self.may_change(server, kind)?;
        self.room_beside_others(server)?;
        if record.jobs_begun == 0 {
            // Whether the others carry on without it was asked when it was marked as touched: it
            // serves nobody since, and only finishing what was begun gives it back.
            self.quiet_everywhere(server)?;
        }
        Ok(())
    }

    /// The server may be marked as touched: its first job is next.
    pub(super) fn touch(&self, server: ServerIx) -> Result<(), String> {
        let first = self.layout.jobs_of(server).next();
        let first = first.ok_or_else(|| "the plan has no job for it".to_owned())?;
        self.may_change(server, first)?;
        self.quiet_everywhere(server)?;
        self.others_carry(server)
    }

    /// It is the turn of this job on this server, and nobody would meet what it does.
    fn may_change(&self, server: ServerIx, kind: JobKind) -> Result<(), String> {
        if self.progress.direction != Direction::Forward {
            return Err("the run is on its way back".to_owned());
        }
        let half = self.layout.servers[server].half.unwrap_or(Half::Updating);
        match half {
            Half::Updating => {
                self.gate(3)?;
                if !self.progress.reached(FarmMilestone::SwitchBegan) {
                    self.loaded_disabled()?;
                }
            }
            Half::Loaded => {
                self.gate(6)?;
                if !self.progress.reached(FarmMilestone::Soaked) {
                    return Err("the new version has not soaked".to_owned());
                }
            }
        }
        if kind.is_for_all() {
            self.nobody_enabled_serves()?;
        }
        self.in_turn(half, server, kind)?;
        self.out_everywhere(server)
    }

    /// Fewer other servers are at work than policy allows at once.
    fn room_beside_others(&self, server: ServerIx) -> Result<(), String> {
        let max = self.layout.policy().parallel_max as usize;
        let works = |record: &ServerProgress| {
            let runs = record.job.as_ref().filter(|job| job.ended.is_none() && job.kind.touches());
            runs.is_some() && record.failure.is_none() && !record.left_out
        };
        let servers = self.progress.servers.iter().enumerate();
        let busy = servers.filter(|(it, record)| *it != server && works(record)).count();
        if busy < max {
            Ok(())
        } else {
            Err(format!("{busy} servers are at work, of {max} at most"))
        }
    }

    /// Whoever was admitted before his upgrade is deployed to with all others, unless he is disabled.
    fn nobody_enabled_serves(&self) -> Result<(), String> {
        for (ix, entry) in self.layout.servers.iter().enumerate() {
            let flag = self.view.flag(self.layout, ix);
            let record = &self.progress.servers[ix];
            let in_time = record.touched || record.left_out;
            if entry.half == Some(Half::Updating) && !in_time && flag != Some(false) {
                self.out_everywhere(ix)?;
            }
        }
        Ok(())
    }

    /// Whatever the plan puts before a job is done, or will not be done any more.
    fn in_turn(&self, half: Half, server: ServerIx, kind: JobKind) -> Result<(), String> {
        for stage in self.layout.stages(half) {
            for (one, kinds) in &stage.servers {
                let record = &self.progress.servers[*one];
                let due = |due: &&JobKind| !record.jobs_done.contains(due);
                let next = kinds.iter().find(due);
                if *one == server && kinds.contains(&kind) {
                    return match next {
                        Some(next) if *next == kind => Ok(()),
                        _ => Err(format!("{} is not next", kind.as_str())),
                    };
                }
            }
            let over = stage.servers.iter().all(|(one, kinds)| {
                let record = &self.progress.servers[*one];
                let done = kinds.iter().all(|kind| record.jobs_done.contains(kind));
                done || record.left_out || record.failure.is_some()
            });
            if !over {
                return Err("an earlier stage is not over".to_owned());
            }
        }
        Err(format!("the plan has no {} here", kind.as_str()))
    }

    /// A machine is restarted when its installer asked for it, and nobody uses it.
    pub(super) fn reboot(&self, server: ServerIx) -> Result<(), String> {
        if !self.progress.servers[server].wants_reboot {
            return Err("no installer asked for a restart".to_owned());
        }
        let told = self.progress.servers[server].reboot.as_ref();
        let time_ms = self.layout.policy().initialise_ms_max;
        if told.is_some_and(|told| told.told_ms + time_ms >= self.view.now_ms) {
            return Err("it was told to restart, and may be doing so".to_owned());
        }
        self.out_everywhere(server)
    }

    /// A person has passed the gate before a step, or there is none.
    pub(super) fn gate(&self, step: u8) -> Result<(), String> {
        let shut =
            self.layout.policy().gates.contains(&step) && !self.progress.approved.contains(&step);
        if shut { Err(format!("nobody has approved step {step}")) } else { Ok(()) }
    }

    pub(super) fn flag(
        &self,
        via: &ServerName,
        server: &ServerName,
        enabled: bool,
    ) -> Result<(), String> {
        let face = &self.progress.servers[self.server(via)?];
        let fresh_face = !face.touched
            || face.upgraded.is_some()
            || face.jobs_done.contains(&JobKind::ServiceCenterInstall);
        if !fresh_face {
            return Err(format!("{via}'s console is being upgraded"));
        }
        let record = &self.progress.servers[self.server(server)?];
        let half = self.layout.servers[self.server(server)?].half;
        let early = record.rescued_ms.is_some();
        let right = match (half, enabled) {
            (_, true) if self.progress.direction == Direction::Aborting => true,
            (Some(Half::Updating), true) if record.touched => record.upgraded.is_some(),
            (Some(Half::Updating), _) => !record.touched && enabled != early,
            (_, true) => record.upgraded.is_some(),
            (_, false) => half == Some(Half::Loaded) && !record.touched,
        };
        right
            .then_some(())
            .ok_or_else(|| format!("{server} shall not become enabled={enabled} now"))
    }

    pub(super) fn test(&self, server: ServerIx) -> Result<(), String> {
        let ready = self.progress.servers[server].upgraded.is_some();
        ready.then_some(()).ok_or_else(|| "tests before the upgrade prove nothing".to_owned())
    }
}
