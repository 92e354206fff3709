//! What changes mean for the users' requests, and what became of those: told to the oracle.
use evenkeel::journal::{self, FarmMilestone, Milestone};
use evenkeel_fakes::farm::Farm;
use evenkeel_fakes::ledger;

use crate::oracle::sometimes::DRAINED_UNDER_LOAD;
use crate::oracle::{Lost, MemberKey, Sight, TurnedAway};
use crate::traffic::{Cell, REQUEST_MS_MAX};

use super::Inner;

impl Inner {
    /// Tells the users what servers do with requests from now on.
    pub(super) fn servers_changed(&mut self, at_ms: u64, farm: &Farm, event: &ledger::Event) {
        use ledger::Event as E;
        let (E::JobStarted { server, .. }
        | E::JobEnded { server, .. }
        | E::Installed { server, .. }
        | E::Down { server }
        | E::Up { server }
        | E::Service { server, .. }
        | E::Applications { server, .. }
        | E::DeploymentBegan { server }
        | E::DeploymentEnded { server }
        | E::DeploymentStopped { server }
        | E::ModulesSkipped { server }) = event
        else {
            return;
        };
        let oracle = self.oracle.as_ref().expect("nothing happens after the end");
        let ground = oracle.ground();
        let fit = ground.servers.get(server).is_some_and(|it| it.fit(&ground.target));
        let applications = farm.servers[server].applications();
        self.users.server_changed(server, applications, fit);
        for (cell, requests) in self.users.take_lost() {
            let lost = self.lost(cell, server, requests);
            self.oracle().saw(at_ms, &Sight::Lost(&lost));
        }
    }

    /// Tells what queues have turned away before a change.
    pub(super) fn queues_looked_at(&mut self, at_ms: u64) {
        for (server, requests, piling_up_since_ms) in self.users.take_turned_away() {
            let turned_away = TurnedAway { server, requests, piling_up_since_ms };
            self.oracle().saw(at_ms, &Sight::TurnedAway(&turned_away));
        }
    }

    /// Tells which servers have requests to answer, where the journal is to claim something of them.
    pub(super) fn requests_looked_at(&mut self, event: &journal::Event) {
        let claims = match event {
            journal::Event::Reached { milestone, .. } => *milestone == Milestone::Quiet,
            journal::Event::FarmReached { milestone, .. } => {
                matches!(milestone, FarmMilestone::Switched | FarmMilestone::FellBack)
            }
            _ => false,
        };
        if !claims {
            return;
        }
        // What an earlier process of a balancer carries nobody can count. It is waited for as long as a
        // drain may take, be that shorter than the longest request.
        let to_the_end = self.oracle().policy().drain_ms_max >= REQUEST_MS_MAX;
        let traffic = self.users.traffic();
        let of = |cell| match to_the_end {
            true => traffic.unanswered(cell),
            false => traffic.in_flight(cell),
        };
        let requests =
            |server: &str| traffic.cells_of(server).iter().map(|cell| of(*cell)).sum::<u64>();
        let busy = traffic.servers().map(|server| (server.to_owned(), requests(server)));
        let busy = busy.filter(|(_, requests)| *requests > 0).collect();
        drop(traffic);
        self.oracle().unanswered(busy);
    }

    /// Notices a drain that users are busy with.
    pub(super) fn members_changed(&mut self, event: &ledger::Event) {
        let ledger::Event::MemberAdmin { node, pool, member, admin: 1.. } = event else { return };
        let traffic = self.users.traffic();
        let cell = traffic.cell(node, pool, member);
        let busy = cell.is_some_and(|cell| traffic.unanswered(cell) > 0);
        drop(traffic);
        if busy {
            self.oracle().happened(DRAINED_UNDER_LOAD);
        }
    }

    fn lost(&self, cell: Cell, server: &str, requests: u64) -> Lost {
        let traffic = self.users.traffic();
        let (node, pool, member) = traffic.name_of(cell).expect("a cell has a name").clone();
        Lost { member: MemberKey { node, pool, member }, server: server.to_owned(), requests }
    }
}
