//! What a farm is really like: the choices that the public documents leave open, and the durations.
//! A scenario's `[truth]` sets them; what it leaves out is drawn by seed in a rehearsal.
use serde::{Deserialize, Serialize};

/// What Disable in Service Center does besides clearing the flag (not documented).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum DisableMode {
    /// Nothing: it is a flag.
    #[default]
    Flag,
    /// It stops the Deployment Service.
    StopsService,
    /// It stops the service and sets its start type to Disabled.
    StopsAndDisablesService,
}

/// Which version `GetPlatformInfo` tells (not documented).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum SoapVersion {
    /// Its own build's.
    #[default]
    Build,
    /// The database's.
    Database,
}

/// What an old service does when it is started after the database was upgraded (not documented).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum OldServices {
    /// It never initialises; it retries every 30 s.
    #[default]
    CannotStart,
    /// It runs on.
    RunOn,
}

/// What an old console does on a new database (not documented).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum OldConsole {
    /// It works.
    #[default]
    Works,
    /// It answers 500.
    Fails,
    /// Its pages stay as they were when the database changed; writes take effect.
    Stale,
}

/// The word of an idle deployment thread: the guide says one, newer documents both.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum IdleWord {
    /// `Sleeping`
    #[default]
    Sleeping,
    /// `Idle`
    Idle,
}

/// What deployment threads show right after the service has initialised, with work waiting.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum AfterStart {
    /// They are busy at once.
    #[default]
    BusyFirst,
    /// They idle for a while, and then the work is noticed.
    IdleFirst,
}

/// Variants and durations of one farm. Durations are in milliseconds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Truth {
    /// What Disable does.
    pub disable_mode: DisableMode,
    /// Starting the Deployment Service enables the front-end again.
    pub start_enables: bool,
    /// Which version SOAP tells.
    pub soap_version: SoapVersion,
    /// What old services do on a new database.
    pub old_services: OldServices,
    /// What old consoles do on a new database.
    pub old_console: OldConsole,
    /// The idle word.
    pub idle_word: IdleWord,
    /// Busy or idle first after a start.
    pub after_start: AfterStart,
    /// How long threads idle first, where they do.
    pub idle_first_ms: u64,
    /// The script behind the verb `service` tells when its machine was started.
    pub tells_boot: bool,
    /// Binaries and configuration of the controller.
    pub controller_upgrade_ms: u64,
    /// Binaries and configuration of a front-end.
    pub front_end_upgrade_ms: u64,
    /// Service Center and System Components.
    pub service_center_install_ms: u64,
    /// Preparing, compiling and deploying the applications.
    pub publish_ms: u64,
    /// Deploying what is pending to one front-end.
    pub deploy_ms: u64,
    /// Services from start to initialised, with the controller up.
    pub initialise_ms: u64,
    /// Between two attempts of a service to initialise.
    pub retry_ms: u64,
    /// A job that has little to do: a start type, an installer that finds its version there.
    pub quick_job_ms: u64,
    /// How long a machine that was told to restart goes on before it is down.
    pub shutdown_ms: u64,
    /// A reboot, from there to the first answer.
    pub reboot_ms: u64,
    /// The share of the upgrade after which the installer has stopped services and web server, in percent.
    pub stops_after_percent: u32,
    /// Health checks of the balancer: interval.
    pub check_interval_ms: u64,
    /// Failed checks that take a member down.
    pub check_fall: u32,
    /// Passed checks that bring it up.
    pub check_rise: u32,
}

impl Default for Truth {
    /// Durations as far as public sources give them; the others are guesses.
    fn default() -> Self {
        const SECOND: u64 = 1_000;
        const MINUTE: u64 = 60 * SECOND;
        Self {
            disable_mode: DisableMode::default(),
            start_enables: true,
            soap_version: SoapVersion::default(),
            old_services: OldServices::default(),
            old_console: OldConsole::default(),
            idle_word: IdleWord::default(),
            after_start: AfterStart::default(),
            idle_first_ms: 20 * SECOND, // the retry loop for pending modules turns every 30 s
            tells_boot: true,
            controller_upgrade_ms: 8 * MINUTE,
            front_end_upgrade_ms: 6 * MINUTE,
            service_center_install_ms: 10 * MINUTE,
            publish_ms: 10 * MINUTE,
            deploy_ms: 3 * MINUTE,
            initialise_ms: 30 * SECOND, // 29 s in the one log that was published
            retry_ms: 30 * SECOND,      // "Retrying in 30 seconds", the event log says
            quick_job_ms: 5 * SECOND,
            shutdown_ms: 20 * SECOND, // services have that long to end, and more when they ask for it
            reboot_ms: 3 * MINUTE,
            stops_after_percent: 5,
            check_interval_ms: 2 * SECOND, // HAProxy's default inter
            check_fall: 3,
            check_rise: 2,
        }
    }
}
