//! Faults, and what people and watchdogs do to a farm by hand. Each names a server or node of the
//! farm; an unknown name is a mistake of the caller's and panics with the names there are.
use crate::front_end::FrontEnd;
use crate::front_end::jobs::Kind;

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

    /// A server restarts: down now, up after `truth.reboot_ms`.
    pub fn reboot(&mut self, server: &str) {
        self.by_hand(server, |server, around| server.go_down(around, true));
    }

    /// The next `times` jobs of a kind end with that code half-way, the installed version unchanged.
    /// Each notes [`Event::FaultMet`](crate::ledger::Event::FaultMet) with `tag`.
    ///
    /// # Panics
    /// The kind is none of [`Kind::ALL`].
    pub fn fail_jobs(&mut self, server: &str, kind: &str, code: i32, times: u32, tag: u64) {
        let kind = Kind::from_name(kind)
            .unwrap_or_else(|| panic!("no kind of job is called {kind}: {:?}", Kind::ALL));
        self.by_hand(server, |server, _| server.fail_jobs(kind, code, times, tag));
    }

    /// A balancer node is reloaded: counters from zero, runtime state lost.
    ///
    /// # Panics
    /// No node has that name.
    pub fn reload(&mut self, node: &str) {
        self.meter();
        let now_ms = self.now_ms;
        let known: Vec<_> = self.nodes.keys().cloned().collect();
        self.nodes
            .get_mut(node)
            .unwrap_or_else(|| panic!("no node is called {node}: {known:?}"))
            .reload(now_ms);
        self.settle();
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
