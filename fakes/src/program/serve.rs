//! `evenkeel-fakes serve`: a whole farm on loopback, told line by line.
use std::io::Write as _;
use std::path::Path;
use std::rc::Rc;

use futures_util::future::{Either, select};
use tokio::task::spawn_local;

use crate::farm::serve::{Resolve, serve_node_on, serve_shell, serve_web};
use crate::farm::{Farm, Shared, control};
use crate::listen::Tokio;
use crate::spec::Spec;
use crate::truth::Truth;

use super::places::{self, Places, Sockets};
use super::written::Settings;
use super::{Failure, Serve, haproxy, written};

/// The largest farm file or truth file that is read.
const FILE_BYTES_MAX: u64 = 1024 * 1024;
/// Health checks of a sped-up balancer are not made more often than that.
const CHECK_INTERVAL_MS_MIN: u64 = 200;

pub(super) async fn run(options: &Serve) -> Result<(), Failure> {
    let text = read(&options.farm)?;
    let spec = spec_of(&text).map_err(|error| unusable(&options.farm, &error))?;
    let truth = faster(truth_of(options)?, options.speed);
    let (places, sockets) = places::bind_all(&spec, options.control, !options.behind_haproxy)
        .await
        .map_err(|error| Failure::environment(format!("no loopback port to serve on: {error}")))?;
    let program = std::env::current_exe()
        .map_err(|error| Failure::environment(format!("own path unknown: {error}")))?;
    let settings = Settings {
        program: &program.to_string_lossy(),
        password_env: &options.password_env,
        speed: options.speed,
    };
    let text = written::farm_file(&text, &places, &settings)
        .map_err(|error| unusable(&options.farm, &error))?;
    // What is served is what the written file says, addresses and all.
    let spec = spec_of(&text).map_err(|error| unusable(&options.farm, &error))?;
    if let Some(folder) = &options.write {
        write_files(folder, &text, &spec, &truth, &places)?;
    }
    let password = password(&options.password_env);
    tell_places(&spec, &places, options);
    let shared = Shared::new(Farm::new(spec, truth, &password));
    follow(&shared);
    serve_all(&shared, sockets, &places);
    let clock = std::pin::pin!(shared.run_clock());
    let stop = std::pin::pin!(tokio::signal::ctrl_c());
    match select(clock, stop).await {
        Either::Left((never, _)) => never,
        Either::Right((Ok(()), _)) => {
            say("stopped");
            Ok(())
        }
        Either::Right((Err(error), _)) => {
            Err(Failure::environment(format!("cannot listen for Ctrl-C: {error}")))
        }
    }
}

fn read(path: &Path) -> Result<String, Failure> {
    let words = |error: std::io::Error| unusable(path, &error.to_string());
    let length = std::fs::metadata(path).map_err(words)?.len();
    if length > FILE_BYTES_MAX {
        return Err(unusable(path, &format!("{length} bytes; at most {FILE_BYTES_MAX} are read")));
    }
    std::fs::read_to_string(path).map_err(words)
}

fn unusable(path: &Path, error: &str) -> Failure {
    Failure::usage(format!("{}: {error}\nNothing is served.", path.display()))
}

fn spec_of(text: &str) -> Result<Spec, String> {
    toml::from_str(text).map_err(|error| error.to_string())
}

/// The truth of a file: its `[truth]` when it has one, as a scenario does; otherwise all of it.
fn truth_of(options: &Serve) -> Result<Truth, Failure> {
    let Some(path) = &options.truth else { return Ok(Truth::default()) };
    let text = read(path)?;
    let mut table: toml::Table =
        toml::from_str(&text).map_err(|error| unusable(path, &error.to_string()))?;
    let truth = table.remove("truth").unwrap_or(toml::Value::Table(table));
    truth.try_into().map_err(|error: toml::de::Error| unusable(path, &error.to_string()))
}

fn faster(truth: Truth, speed: u64) -> Truth {
    let ms = |ms: u64| ms / speed;
    Truth {
        idle_first_ms: ms(truth.idle_first_ms),
        controller_upgrade_ms: ms(truth.controller_upgrade_ms),
        front_end_upgrade_ms: ms(truth.front_end_upgrade_ms),
        service_center_install_ms: ms(truth.service_center_install_ms),
        publish_ms: ms(truth.publish_ms),
        deploy_ms: ms(truth.deploy_ms),
        initialise_ms: ms(truth.initialise_ms),
        retry_ms: ms(truth.retry_ms).max(1),
        quick_job_ms: ms(truth.quick_job_ms),
        shutdown_ms: ms(truth.shutdown_ms),
        reboot_ms: ms(truth.reboot_ms),
        check_interval_ms: ms(truth.check_interval_ms)
            .max(CHECK_INTERVAL_MS_MIN)
            .min(truth.check_interval_ms),
        ..truth
    }
}

/// The console's password. It is never printed, but for the one everybody knows.
fn password(name: &str) -> String {
    std::env::var(name).ok().filter(|password| !password.is_empty()).unwrap_or_else(|| {
        say(&format!("{name} is not set: the console's password is 'admin'"));
        say(&format!("  export {name}=admin   # for whoever uses the written farm file"));
        "admin".into()
    })
}

fn write_files(
    folder: &Path,
    text: &str,
    spec: &Spec,
    truth: &Truth,
    places: &Places,
) -> Result<(), Failure> {
    let words = |error: std::io::Error| {
        Failure::environment(format!("{}: {error}\nNothing is served.", folder.display()))
    };
    std::fs::create_dir_all(folder).map_err(words)?;
    let sound = |name: &str| {
        !name.is_empty() && name.chars().all(|c| c.is_alphanumeric() || "-_.".contains(c))
    };
    let name = if sound(&spec.name) { spec.name.as_str() } else { "served" };
    let mut files = vec![(format!("{name}.farm.toml"), text.to_owned())];
    for (place, node) in places.nodes.keys().enumerate() {
        let file = match places.nodes.len() {
            1 => "haproxy.cfg".into(),
            _ if sound(node) => format!("haproxy-{node}.cfg"),
            _ => format!("haproxy-{}.cfg", place + 1),
        };
        files.push((file, haproxy::configuration(spec, truth, places, node)));
    }
    for (file, text) in files {
        let path = folder.join(file);
        std::fs::write(&path, text).map_err(words)?;
        say(&format!("wrote {}", path.display()));
    }
    Ok(())
}

fn tell_places(spec: &Spec, places: &Places, options: &Serve) {
    say(&format!("farm {} ({} times as fast as life)", spec.name, options.speed));
    for (server, at) in &places.servers {
        say(&format!("  front-end {server}: http://{at}/ServiceCenter/"));
    }
    for (node, place) in &places.nodes {
        let whose = if options.behind_haproxy { "left to HAProxy" } else { "served" };
        say(&format!("  balancer {node} ({whose}): runtime API {}", place.api));
        for (pool, at) in &place.traffic {
            say(&format!("    pool {pool}: http://{at}/"));
        }
    }
    say(&format!("  shell of every server: {}", places.shell));
    say(&format!("  control by hand: {} ({})", places.control, control::COMMANDS));
    say("ready; Ctrl-C stops");
}

/// Prints every change and every request as it comes.
fn follow(shared: &Shared) {
    shared.observe(Box::new(|_, entry| tell(entry.at_ms, &entry.event.to_string())));
    shared.log_requests(Box::new(tell));
}

fn tell(at_ms: u64, line: &str) {
    say(&format!("{}.{:03}s {line}", at_ms / 1_000, at_ms % 1_000));
}

/// A line of output; a reader that went away does not stop the farm.
fn say(line: &str) {
    let mut out = std::io::stdout().lock();
    let _closed = writeln!(out, "{line}").and_then(|()| out.flush());
}

fn serve_all(shared: &Shared, sockets: Sockets, places: &Places) {
    for (server, socket) in sockets.servers {
        spawn_local(serve_web::<Tokio>(shared.clone(), socket, server));
    }
    spawn_local(serve_shell::<Tokio>(shared.clone(), sockets.shell, None));
    spawn_local(control::serve::<Tokio>(shared.clone(), sockets.control));
    let servers = places.servers.clone();
    let resolve: Resolve = Rc::new(move |server| servers[server]);
    let mut traffic = sockets.traffic;
    for (node, api) in sockets.apis {
        let of_node: Vec<_> = traffic.keys().filter(|(owner, _)| *owner == node).cloned().collect();
        let proxies = of_node.into_iter().filter_map(|key| {
            let socket = traffic.remove(&key)?;
            Some((key.1, socket))
        });
        let proxies = proxies.collect();
        let (shared, resolve) = (shared.clone(), resolve.clone());
        spawn_local(async move {
            serve_node_on(shared, Tokio, &node, api, proxies, resolve).await;
        });
    }
}
