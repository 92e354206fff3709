//! `check --live`: logs in everywhere, reads everything, runs each template's harmless verb, and
//! lists what differs from the farm file. It changes nothing.
use std::collections::BTreeSet;
use std::future::Future;

use secrecy::SecretString;

use crate::balancer::PoolMembers;
use crate::balancer::haproxy::Haproxy;
use crate::farm::{BalancerNode, Farm, FrontEnd, LoadedFarm};
use crate::host::Host;
use crate::names::ServerName;
use crate::ports::{Dial, Launcher};
use crate::probe::Probe;
use crate::procedure::readings::{CheckState, JobReading, ThreadState};
use crate::service_center::Console;

use super::complain;

/// A job id that nobody ever starts: asking for it runs the `job` template harmlessly.
const NEVER_STARTED: &str = "check-live-never-started";

/// What was found.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize)]
pub struct LiveReport {
    /// What was read and is as the file says.
    pub read: Vec<String>,
    /// What differs from the file, stands in the way of a run, or could not be read.
    pub differences: Vec<String>,
}

/// Logs in everywhere, reads everything and runs each template's harmless verb.
///
/// # Errors
/// This machine cannot even begin: no password, no runtime.
pub fn check_live(loaded: &LoadedFarm) -> Result<LiveReport, String> {
    let farm = &loaded.farm;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|why| format!("no runtime: {why}"))?;
    tokio::task::LocalSet::new().block_on(&runtime, async {
        let password = crate::secret::read(&farm.service_center.password)
            .await
            .map_err(|why| format!("Service Center's password: {why}; nothing was read"))?;
        let (dial, launcher) = (crate::net::Tokio, crate::host::process::Processes);
        // A farm that cannot be reached takes a minute for each server.
        let progress = |what: &str| complain(&format!("reading {what}"));
        Ok(look(farm, dial, launcher, password, progress).await)
    })
}

/// Looks at the whole farm; `progress` is told whom it looks at next. Runs inside a `LocalSet`.
pub async fn look<D: Dial, L: Launcher>(
    farm: &Farm,
    dial: D,
    launcher: L,
    password: SecretString,
    progress: impl Fn(&str),
) -> LiveReport {
    let mut live = Live { farm, report: LiveReport::default() };
    for node in &farm.balancers {
        progress(node.name.as_str());
        live.balancer(dial.clone(), node).await;
    }
    let console = Console::new(dial.clone(), &farm.service_center, password);
    let probe = Probe::new(dial, farm.service_center.scheme);
    let host = Host::new(launcher, &farm.host, farm.version_to);
    for front_end in &farm.front_ends {
        progress(front_end.name.as_str());
        live.console(&console, front_end).await;
        live.applications(&probe, front_end).await;
        live.host(&host, &front_end.name, &front_end.address, true).await;
    }
    if let Some(controller) = &farm.pure_controller {
        progress(controller.name.as_str());
        live.host(&host, &controller.name, &controller.address, false).await;
    }
    live.report
}

struct Live<'a> {
    farm: &'a Farm,
    report: LiveReport,
}

impl Live<'_> {
    fn compare(&mut self, agrees: bool, text: String) {
        if agrees { self.report.read.push(text) } else { self.report.differences.push(text) }
    }

    async fn read<T, E: std::fmt::Display>(
        &mut self,
        what: &str,
        reading: impl Future<Output = Result<T, E>>,
    ) -> Option<T> {
        match reading.await {
            Ok(value) => Some(value),
            Err(why) => {
                self.report.differences.push(format!("{what} could not be read: {why}"));
                None
            }
        }
    }

    async fn balancer<D: Dial>(&mut self, dial: D, node: &BalancerNode) {
        let farm = self.farm;
        let carries = |nodes: &[_]| nodes.is_empty() || nodes.contains(&node.name);
        let pools: Vec<PoolMembers> = farm
            .pools
            .iter()
            .filter(|pool| carries(&pool.nodes))
            .map(|pool| PoolMembers {
                pool: pool.name.clone(),
                members: farm
                    .front_ends
                    .iter()
                    .filter_map(|one| {
                        Some((one.members.get(&pool.name)?.clone(), one.name.clone()))
                    })
                    .collect(),
            })
            .collect();
        let expected: usize = pools.iter().map(|pool| pool.members.len()).sum();
        let haproxy = Haproxy::new(dial, node, pools);
        let what = format!("balancer {}", node.name);
        let Some(reading) = self.read(&what, haproxy.observe()).await else { return };
        self.compare(
            reading.members.len() == expected,
            format!("{what} lists {} of the file's {expected} members", reading.members.len()),
        );
        for (member, read) in &reading.members {
            let whom = format!("{what}, pool {}, {}", member.pool, member.server);
            if !read.admin.ready() {
                self.report
                    .differences
                    .push(format!("{whom}: is not in rotation ({})", read.status));
            }
            if read.admin.inherited() {
                self.report
                    .differences
                    .push(format!("{whom}: follows another server's state (track)"));
            }
            if read.admin.ready() && (read.weight == 0 || read.backup) {
                let why = if read.backup { "is a backup" } else { "has weight 0" };
                let text =
                    format!("{whom}: {why}, so that no user's request tells whether it serves");
                self.report.differences.push(text);
            }
            let pool = farm.pools.iter().find(|pool| pool.name == member.pool);
            let checked = read.check != CheckState::None;
            if pool.is_some_and(|pool| pool.health_check != checked) {
                self.report.differences.push(format!("{whom}: health check is {checked}"));
            }
        }
    }

    async fn console<D: Dial>(&mut self, console: &Console<D>, front_end: &FrontEnd) {
        let name = &front_end.name;
        let what = format!("{name}'s Service Center");
        if let Some(rows) = self.read(&what, console.servers(front_end)).await {
            let listed: BTreeSet<&str> = rows.iter().map(|row| row.name.as_str()).collect();
            let ours: BTreeSet<&str> =
                self.farm.front_ends.iter().map(|one| one.name.as_str()).collect();
            let text = format!("{what} lists the servers {}", join(&listed));
            self.compare(ours.is_subset(&listed), text);
            for stranger in listed.difference(&ours) {
                let known = *stranger == self.farm.controller.as_str();
                if !known {
                    let text = format!("{what} lists {stranger}, which the file does not name");
                    self.report.differences.push(text);
                }
            }
            let own = rows.iter().find(|row| row.name == name.as_str());
            if own.is_some_and(|row| !row.enabled) {
                self.report.differences.push(format!("{name} is Disabled in Service Center"));
            }
        }
        let threads = console.threads(front_end, name.as_str());
        if let Some(rows) = self.read(&format!("{name}'s deployment threads"), threads).await {
            let idle = !rows.is_empty() && rows.iter().all(|row| row.state == ThreadState::Idle);
            self.compare(
                idle,
                format!("{name} shows {} deployment threads, all idle: {idle}", rows.len()),
            );
        }
        let soap = format!("{name}'s GetPlatformInfo");
        if let Some(info) = self.read(&soap, console.platform_info(front_end)).await {
            let agrees = info.version == self.farm.version_from;
            self.compare(agrees, format!("{soap} says {}", info.version));
        }
    }

    async fn applications<D: Dial>(&mut self, probe: &Probe<D>, front_end: &FrontEnd) {
        let name = &front_end.name;
        for zone in self.farm.zones.iter().filter(|zone| front_end.zones.contains(&zone.name)) {
            let ids = probe.pings(front_end, &zone.public_name, &zone.modules);
            let what = format!("{name}'s pings in zone {}", zone.name);
            if let Some(ids) = self.read(&what, ids).await {
                self.report.read.push(format!("{what}: {} modules answer", ids.len()));
            }
            let tests: Vec<_> = self
                .farm
                .tests
                .iter()
                .filter(|test| test.zone == zone.name)
                .map(|test| (test, zone.public_name.as_str()))
                .collect();
            let found = probe.tests(front_end, &tests, 0, 1).await;
            let failure = found.failure.unwrap_or_default();
            let text = format!("{name}: application tests of zone {} pass {failure}", zone.name);
            self.compare(found.passed, text.trim_end().to_owned());
        }
    }

    async fn host<L: Launcher>(
        &mut self,
        host: &Host<L>,
        name: &ServerName,
        address: &str,
        serves: bool,
    ) {
        let what = format!("{name}: verb version");
        // A server that cannot be reached costs a minute for each verb that is tried.
        let Some(version) = self.read(&what, host.version(name, address)).await else { return };
        let agrees = version == self.farm.version_from;
        self.compare(agrees, format!("{name} runs {version}"));
        let what = format!("{name}: verb job");
        if let Some(job) = self.read(&what, host.job(name, address, NEVER_STARTED)).await {
            let text = format!("{what} knows nothing of a job never started");
            self.compare(job == JobReading::Never, text);
        }
        if !serves {
            return;
        }
        let what = format!("{name}: verb service");
        if let Some(service) = self.read(&what, host.service(name, address)).await {
            let well = service.running && service.initialised && service.automatic;
            let text = format!(
                "{name}'s Deployment Service: running {}, initialised {}, automatic {}",
                service.running, service.initialised, service.automatic
            );
            self.compare(well, text);
        }
    }
}

fn join(names: &BTreeSet<&str>) -> String {
    names.iter().copied().collect::<Vec<_>>().join(", ")
}
