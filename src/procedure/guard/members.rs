//! May a member be drained, admitted, weighed, cut: somebody fit stays, nobody unfit comes where
//! anybody fit serves, and whoever moves is whose turn it is.
use crate::farm::Half;
use crate::farm::policy::AfterDeadline;
use crate::journal::FarmMilestone;

use super::super::action::MemberChange;
use super::super::layout::{SeatIx, ServerIx};
use super::super::progress::Direction;
use super::super::readings::{CheckState, MemberReading, ThreadState};
use super::{Guard, OUT};

impl Guard<'_> {
    pub(super) fn balancer(
        &self,
        seat: SeatIx,
        together: &[SeatIx],
        change: MemberChange,
    ) -> Result<(), String> {
        let server = self.layout.seats[seat].server;
        let read = self.read(seat)?;
        match change {
            MemberChange::Admit => {
                if !self.better_than_nobody(seat, together) {
                    if !self.was_well(seat, read, together) {
                        self.fit(server)?;
                    }
                    self.serves_now(server)?;
                }
                self.not_deployed_to(server)?;
                let pool = &self.layout.pools[self.layout.seats[seat].pool];
                let checked = !pool.health_check
                    || read.check == CheckState::Passing
                    || !self.progress.servers[server].touched
                    || (read.check != CheckState::Failing
                        && self.serving(seat, together) < pool.floor);
                checked.then_some(()).ok_or_else(|| "its health check does not pass yet".to_owned())
            }
            MemberChange::Drain => self.drain(seat, together),
            MemberChange::Maintain => Err("nothing wants a member in maintenance".to_owned()),
            MemberChange::Weight(weight) => {
                if read.admin.0 & OUT != 0 {
                    return Err("weight of a member that is out".to_owned());
                }
                let before = self.baseline(seat).map(|read| read.weight);
                let as_before = before == Some(weight);
                as_before.then_some(()).ok_or_else(|| format!("its weight was {before:?}"))
            }
            MemberChange::Cut => self.cut(seat, read),
        }
    }

    /// Somebody fit stays behind, unless the member itself must not serve.
    fn drain(&self, seat: SeatIx, together: &[SeatIx]) -> Result<(), String> {
        let server = self.layout.seats[seat].server;
        let record = &self.progress.servers[server];
        let must_go = record.left_out || (record.touched && record.proven.is_none());
        if self.read(seat)?.admin.0 & 1 != 0 {
            return Ok(()); // from maintenance: no user loses it, and its checks run again
        }
        self.leaves_now(server)?;
        let place = &self.layout.seats[seat];
        let pool = &self.layout.pools[place.pool];
        if must_go && !record.proven_once || pool.may_go_down {
            return Ok(());
        }
        let mut others = self.serving(seat, together);
        if others < pool.floor && self.may_be_deployed_to(server) {
            others += self.spoilt_serving(seat, together);
        }
        if others < pool.floor {
            return Err(format!("pool {} would keep {others} fit members", pool.name));
        }
        Ok(())
    }

    /// Fit members of a seat's pool and node that get requests, these not counted.
    pub(super) fn serving(&self, seat: SeatIx, but: &[SeatIx]) -> usize {
        self.beside(seat, but).filter(|&server| self.fit_in_service(server)).count()
    }

    /// The same of members to which deployment began under load.
    fn spoilt_serving(&self, seat: SeatIx, but: &[SeatIx]) -> usize {
        self.beside(seat, but).filter(|&server| self.spoilt(server)).count()
    }

    fn spoilt(&self, server: ServerIx) -> bool {
        let record = &self.progress.servers[server];
        record.tainted && !record.left_out && !self.fit_in_service(server)
    }

    /// Deployment began under load on a seat's server, and nobody fit gets its pool's requests: what it
    /// serves is better than nothing.
    fn better_than_nobody(&self, seat: SeatIx, together: &[SeatIx]) -> bool {
        self.spoilt(self.layout.seats[seat].server) && self.serving(seat, together) == 0
    }

    /// Proven, of a host that does not answer just now and by whose last answer its services were those
    /// that it was tested with; its check passes, and nobody fit gets its pool's requests.
    fn was_well(&self, seat: SeatIx, read: &MemberReading, together: &[SeatIx]) -> bool {
        let server = self.layout.seats[seat].server;
        let seen = &self.view.servers[server];
        let last = seen.service.as_ref().map(|service| &service.value.start);
        let tested = self.progress.servers[server].proven.as_ref().map(|(_, start)| start);
        self.fit_in_service(server)
            && seen.host_failing_since_ms.is_some()
            && (last.is_some() && last == tested)
            && read.check == CheckState::Passing
            && self.serving(seat, together) == 0
    }

    /// Servers whose members of a seat's pool and node get requests, these members not counted.
    fn beside<'s>(
        &'s self,
        seat: SeatIx,
        but: &'s [SeatIx],
    ) -> impl Iterator<Item = ServerIx> + 's {
        let place = &self.layout.seats[seat];
        let benches = self.layout.pools[place.pool].benches.iter();
        let seats = benches.filter(|bench| bench.node == place.node).flat_map(|it| &it.seats);
        let others = seats.filter(|other| !but.contains(other));
        let serving = others.filter(|&&other| self.read(other).is_ok_and(Self::gets_requests));
        serving.map(|&other| self.layout.seats[other].server)
    }

    /// An untouched server of the half that goes first, to which others' jobs deploy: its threads were
    /// not all read idle since the last of those ended, or one goes on.
    fn may_be_deployed_to(&self, server: ServerIx) -> bool {
        let servers = &self.progress.servers;
        let ended_ms = servers.iter().map(|it| it.job_ended_ms).max().unwrap_or(0);
        let goes_on = servers.iter().any(|it| {
            it.job.as_ref().is_some_and(|job| job.ended.is_none() && job.kind.is_for_all())
        });
        let rounds = &self.view.servers[server].threads;
        let every_ms = self.layout.policy().jobs_poll_ms;
        let last = rounds.back().filter(|last| last.at_ms >= ended_ms);
        let idle = self.view.fresh(self.layout, last, every_ms).is_some_and(|rows| {
            !rows.is_empty() && rows.iter().all(|row| row.state == ThreadState::Idle)
        });
        self.layout.servers[server].half == Some(Half::Updating)
            && !servers[server].touched
            && (goes_on || !idle)
    }

    /// Users' requests are cut only where policy says so, and only after the drain's deadline.
    fn cut(&self, seat: SeatIx, read: &MemberReading) -> Result<(), String> {
        if Self::gets_requests(read) {
            return Err("cutting a member in rotation".to_owned());
        }
        let policy = self.layout.policy();
        if policy.drain_after_deadline != AfterDeadline::Cut {
            return Err("policy does not cut requests".to_owned());
        }
        let place = &self.layout.seats[seat];
        let offset = seat - self.layout.nodes[place.node].first_seat;
        let since_ms = self.view.nodes[place.node].drained_since_ms[offset];
        let overdue = since_ms.is_some_and(|since| since + policy.drain_ms_max < self.view.now_ms);
        overdue.then_some(()).ok_or_else(|| "its drain has time left".to_owned())
    }

    /// It is this server's turn to serve.
    fn serves_now(&self, server: ServerIx) -> Result<(), String> {
        let reached = |milestone| self.progress.farm.contains_key(&milestone);
        let record = &self.progress.servers[server];
        let turn = match (self.progress.direction, self.layout.servers[server].half) {
            (Direction::Forward, Some(Half::Updating)) => {
                reached(FarmMilestone::SwitchBegan) || self.gate(1).is_err()
            }
            (Direction::Forward, Some(Half::Loaded)) => {
                !reached(FarmMilestone::Switched)
                    || (reached(FarmMilestone::Soaked) && record.touched)
            }
            (Direction::FallingBack | Direction::Aborting, Some(_)) => true,
            (_, None) => false,
        };
        let name = &self.layout.servers[server].name;
        let may = turn || record.rescued_ms.is_some();
        may.then_some(()).ok_or_else(|| format!("it is not {name}'s turn to serve"))
    }

    /// One to which deployment began under load comes back only between deployments, whatever a person
    /// has said: its threads were read idle lately, or its service not to run.
    fn not_deployed_to(&self, server: ServerIx) -> Result<(), String> {
        let (view, every_ms) = (self.view, self.layout.policy().jobs_poll_ms);
        let threads = view.fresh(self.layout, view.servers[server].threads.back(), every_ms);
        let idle = threads.is_some_and(|rows| {
            !rows.is_empty() && rows.iter().all(|it| it.state == ThreadState::Idle)
        });
        let service = view.service(self.layout, server);
        let begins_nothing = service.is_some_and(|read| !read.running || !read.initialised);
        let calm = !self.progress.servers[server].tainted || idle || begins_nothing;
        calm.then_some(()).ok_or_else(|| "applications may be being deployed to it".to_owned())
    }

    /// It is this server's turn to leave, as far as it is fit: others must go at any time.
    fn leaves_now(&self, server: ServerIx) -> Result<(), String> {
        let switching = self.progress.farm.contains_key(&FarmMilestone::SwitchBegan);
        let turn = match (self.progress.direction, self.layout.servers[server].half) {
            (Direction::Forward, Some(Half::Updating)) => !switching,
            (Direction::Forward, Some(Half::Loaded)) => switching,
            (Direction::FallingBack, half) => half == Some(Half::Updating),
            (Direction::Aborting, _) | (_, None) => false,
        };
        let name = &self.layout.servers[server].name;
        let may = turn || !self.fit_in_service(server);
        may.then_some(()).ok_or_else(|| format!("it is not {name}'s turn to leave"))
    }

    /// How the baseline had a seat.
    pub(super) fn baseline(&self, seat: SeatIx) -> Option<&MemberReading> {
        self.progress.baseline_seats.as_ref()?[seat].as_ref()
    }
}
