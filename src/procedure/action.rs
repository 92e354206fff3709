//! What can be done to the world: every effect the orchestrator is capable of.
use serde::{Deserialize, Serialize};

use crate::names::{NodeName, PoolName, ServerName};

use super::readings::MemberId;

/// One effect. Each is idempotent, or preceded by a read that shows it is needed.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "do")]
pub enum Action {
    /// Changes members on one node with one line of commands, and reads the node back: after a
    /// reload every member that must not serve has to go at once, however slow the link.
    Balancer {
        /// The node.
        node: NodeName,
        /// The members.
        members: Vec<MemberId>,
        /// What they become.
        change: MemberChange,
    },
    /// Sets a server's Enabled flag through the console of a named front-end, and reads it back.
    Flag {
        /// Whose console.
        via: ServerName,
        /// Whose flag.
        server: ServerName,
        /// What it becomes.
        enabled: bool,
    },
    /// Starts a job on a server.
    Start {
        /// The server.
        server: ServerName,
        /// What is to be done.
        kind: JobKind,
        /// Our id for it; a known id is never started twice.
        job: String,
    },
    /// Restarts a machine.
    Reboot {
        /// The server.
        server: ServerName,
        /// Which start of its services was read before it: another one shows that it has restarted.
        /// `None` of a server that has no Deployment Service.
        #[serde(default)]
        start: Option<String>,
        /// Which start of the machine itself was read before it, where the host tells that.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        boot: Option<String>,
    },
    /// Runs the application tests of all of a server's zones, at its own address.
    Test {
        /// The server.
        server: ServerName,
    },
    /// Sends a request of ours through a node to a pool that has no arrivals.
    Nudge {
        /// The node.
        node: NodeName,
        /// The pool.
        pool: PoolName,
    },
}

/// What a member becomes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum MemberChange {
    /// No new requests; those in flight finish; health checks go on.
    Drain,
    /// New requests are welcome.
    Admit,
    /// Out, as a baseline that had it so wants it again.
    Maintain,
    /// Its weight.
    Weight(u32),
    /// What is in flight is cut.
    Cut,
}

/// What a job does on a server.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum JobKind {
    /// Binaries and configuration of the controller (and of the front-end, when it is one).
    ControllerUpgrade,
    /// Binaries and configuration of a front-end.
    FrontEndUpgrade,
    /// Service Center and System Components, once for the farm.
    ServiceCenterInstall,
    /// Applications prepared, compiled and deployed, once for the farm.
    Publish,
    /// Deployment Service Automatic and running (.NET), `service outsystems start DEPLOYER` (J2EE).
    EnsureDeploymentService,
}

impl JobKind {
    /// Its name in templates and in `EVENKEEL_KIND`.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::ControllerUpgrade => "controller-upgrade",
            Self::FrontEndUpgrade => "front-end-upgrade",
            Self::ServiceCenterInstall => "service-center-install",
            Self::Publish => "publish",
            Self::EnsureDeploymentService => "ensure-deployment-service",
        }
    }

    /// It installs Platform Server on its server, whose version then tells.
    #[must_use]
    pub fn installs(self) -> bool {
        matches!(self, Self::ControllerUpgrade | Self::FrontEndUpgrade)
    }

    /// It changes software, so the server counts as touched from its intent on.
    #[must_use]
    pub fn touches(self) -> bool {
        !matches!(self, Self::EnsureDeploymentService)
    }

    /// It is done once for the whole farm, and applications are deployed to every enabled server
    /// because of it, or of what follows it on the same server.
    #[must_use]
    pub fn is_for_all(self) -> bool {
        matches!(self, Self::ControllerUpgrade | Self::ServiceCenterInstall | Self::Publish)
    }
}
