//! Faults, and what people and watchdogs do to a farm by hand. Each names a server or node of the
//! farm; an unknown name is a mistake of the caller's and panics with the names there are.
use crate::balancer::Balancer;
use crate::front_end::jobs::Kind;
use crate::front_end::mishaps::{JobMishap, Mishap};
use crate::front_end::{FrontEnd, Machine};
use crate::ledger::{FlagBy, ServiceState};
use crate::trouble::{Snapshot, Trouble};

use super::Farm;

impl Farm {
    /// A server loses power. It stays down until [`Farm::power_on`].
    pub fn crash(&mut self, server: &str) {
        self.by_hand(server, |server, around| server.go_down(around, false));
    }

    /// Power comes back: after `truth.reboot_ms` the machine is up, the web server serves and
    /// automatic services start.
    pub fn power_on(&mut self, server: &str) {
        self.by_hand(server, |server, around| server.power_on(around));
    }

    /// A server is told to restart: down after `truth.shutdown_ms`, up `truth.reboot_ms` later.
    pub fn restart(&mut self, server: &str) {
        self.by_hand(server, |server, around| server.restart(around));
    }

    /// A server restarts: down now, up after `truth.reboot_ms`.
    pub fn reboot(&mut self, server: &str) {
        self.by_hand(server, |server, around| server.go_down(around, true));
    }

    /// Something is going to go wrong with a server. When it is met,
    /// [`Event::FaultMet`](crate::ledger::Event::FaultMet) is noted with `tag`.
    pub fn arm(&mut self, server: &str, mishap: Mishap, tag: u64) {
        self.by_hand(server, |server, around| server.arm(around.now_ms, mishap, tag));
    }

    /// Nothing lies in wait for a server any more, and what went wrong for a while ends now: a job
    /// that hangs for ever is ended in the task manager. What an installer left behind stays.
    pub fn disarm(&mut self, server: &str) {
        self.by_hand(server, |server, around| {
            server.disarm(around.now_ms);
            server.end_hanging_job(around);
        });
    }

    /// The next `times` jobs of a kind end with that code half-way, the installed version unchanged.
    ///
    /// # Panics
    /// The kind is none of [`Kind::ALL`].
    pub fn fail_jobs(&mut self, server: &str, kind: &str, code: i32, times: u32, tag: u64) {
        let kind = Kind::from_name(kind)
            .unwrap_or_else(|| panic!("no kind of job is called {kind}: {:?}", Kind::ALL));
        let what = JobMishap::Fails { code };
        self.arm(server, Mishap::Job { kind, what, times }, tag);
    }

    /// A person does a job at a server that is up, in no time: he was at it already. Whether that
    /// went well.
    ///
    /// # Panics
    /// The kind is none of [`Kind::ALL`].
    pub fn do_by_hand(&mut self, server: &str, kind: &str) -> bool {
        let kind = Kind::from_name(kind)
            .unwrap_or_else(|| panic!("no kind of job is called {kind}: {:?}", Kind::ALL));
        let mut well = false;
        self.by_hand(server, |server, around| {
            well = server.machine() == Machine::Up && server.do_by_hand(around, kind);
        });
        well
    }

    /// A balancer node is reloaded: counters from zero, runtime state lost. One that is down stays
    /// as it is.
    ///
    /// # Panics
    /// No node has that name.
    pub fn reload(&mut self, node: &str) {
        self.on_node(node, Balancer::reload);
    }

    /// Does something to a balancer node at the present instant, whose milliseconds `act` gets.
    ///
    /// # Panics
    /// No node has that name.
    pub fn on_node<R>(&mut self, node: &str, act: impl FnOnce(&mut Balancer, u64) -> R) -> R {
        self.meter();
        let now_ms = self.now_ms;
        let known: Vec<_> = self.nodes.keys().cloned().collect();
        let balancer = self.nodes.get_mut(node);
        let result =
            act(balancer.unwrap_or_else(|| panic!("no node is called {node}: {known:?}")), now_ms);
        self.settle();
        result
    }

    /// Breaks a server's applications (they answer 500, pings 200) or mends them.
    pub fn set_broken(&mut self, server: &str, broken: bool) {
        self.by_hand(server, |server, around| server.set_broken(around, broken));
    }

    /// Starts a Deployment Service. One whose start type is Disabled, and one that runs, stay as
    /// they are.
    pub fn start_service(&mut self, server: &str) {
        self.by_hand(server, |server, around| {
            server.start_service(around);
        });
    }

    /// Somebody sets the Deployment Service of an enabled server Automatic and starts it, if it does
    /// not run: it was enabled while its machine was down, and nobody has told that.
    pub fn ensure_service(&mut self, server: &str) {
        if self.database.enabled(server) == Some(true) {
            self.by_hand(server, |server, around| {
                if server.service_state() == ServiceState::Stopped {
                    server.ensure_service(around);
                }
            });
        }
    }

    /// An operator enables or disables a server at a console; false when it was so already, or is
    /// not registered.
    pub fn set_enabled(&mut self, server: &str, enabled: bool) -> bool {
        if self.database.enabled(server) != Some(!enabled) {
            return false;
        }
        self.by_hand(server, |server, around| {
            server.set_enabled(around, enabled, FlagBy::Hand);
        });
        true
    }

    /// A watchdog, or a person, starts a Deployment Service again; false when its start type is
    /// Disabled or its machine is down, so that it stays as it is.
    pub fn restart_service(&mut self, server: &str) -> bool {
        let mut started = false;
        self.by_hand(server, |server, around| {
            if server.automatic() && server.is_up() {
                server.stop_service(around);
                started = server.start_service(around);
            }
        });
        started
    }

    /// Lays a trouble in wait: it begins when somebody meets it, notes
    /// [`Event::FaultMet`](crate::ledger::Event::FaultMet) with `tag` then, and lasts for so long.
    pub fn lay_trouble(&mut self, trouble: Trouble, for_ms: u64, tag: u64) {
        self.troubles.lay(trouble, for_ms, tag);
    }

    /// Ends every trouble, also what lies in wait.
    pub fn end_troubles(&mut self) {
        self.troubles.end();
    }

    /// What a console shows now, for [`Trouble::ConsoleStale`].
    #[must_use]
    pub fn snapshot(&self) -> Snapshot {
        let mut shown = Snapshot { at_ms: self.now_ms, ..Snapshot::default() };
        for (name, server) in &self.servers {
            let threads = server.threads(self.truth.idle_word, self.database.published());
            let threads = threads.into_iter().map(|it| (it.name, it.status, it.details));
            shown.threads.insert(name.clone(), threads.collect());
            if let Some(enabled) = self.database.enabled(name) {
                shown.enabled.insert(name.clone(), enabled);
            }
        }
        shown
    }

    /// A server's next deployment goes on in `rounds` more rounds after it seemed to be over, with
    /// idle threads in between. Each notes `FaultMet` with `tag`.
    pub fn deploy_in_rounds(&mut self, server: &str, rounds: u32, pause_ms: u64, tag: u64) {
        self.by_hand(server, |server, _| server.deploy_in_rounds(rounds, pause_ms, tag));
    }

    /// Every session of a console's user ends; false when there was none.
    pub fn end_sessions(&mut self) -> bool {
        self.database.sessions.clear()
    }

    /// Stops a Deployment Service.
    pub fn stop_service(&mut self, server: &str) {
        self.by_hand(server, |server, around| {
            server.stop_service(around);
        });
    }

    fn by_hand(
        &mut self,
        server: &str,
        act: impl FnOnce(&mut FrontEnd, &mut crate::front_end::Around<'_>),
    ) {
        self.meter();
        if self.on_server(server, act).is_none() {
            let known: Vec<_> = self.servers.keys().collect();
            panic!("no server is called {server}: {known:?}");
        }
        self.settle();
    }
}
