//! The same number of hosts and of exchanges on the umbrella crate `turmoil`.
#[path = "../../tests/support/turmoil_net.rs"]
mod turmoil_net;

use std::io;
use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use evenkeel::ports::{Address, Dial};
use evenkeel_fakes::listen::Listen;
use evenkeel_sim::scenario::Scenario;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use turmoil_net::Turmoil;

use crate::figures::{Figures, wall_clock};

/// How long the exchanges on `turmoil` go on: twenty thousand of its ticks.
const TURMOIL_SIMULATED: Duration = Duration::from_secs(20);
/// What a host answers there: the size of a shell's reply or a small page.
const ANSWER_BYTES: usize = 600;

/// The farm's hosts on `turmoil`, asked as often as the orchestrator asks in `retail`, one after
/// the other, over a new connection each time.
pub(crate) fn compare(retail: &Scenario, plain: &Figures) {
    let hosts = retail.spec.front_ends.len() + retail.spec.balancers.len();
    let pause = Duration::from_secs_f64(1.0 / plain.exchanges_per_s());
    let begun = wall_clock();
    let exchanges = on_turmoil(hosts, pause);
    let wall = begun.elapsed();
    let (simulated_s, wall_s) = (TURMOIL_SIMULATED.as_secs_f64(), wall.as_secs_f64());
    println!(
        "umbrella turmoil, ticks of 1 ms: {simulated_s} s simulated, {hosts} hosts, {exchanges} \
         bare exchanges"
    );
    println!(
        "  {:.0} ms by the wall: {:.1} µs an exchange, {:.0} times real time",
        wall_s * 1e3,
        wall_s * 1e6 / f64::from(exchanges),
        simulated_s / wall_s
    );
    println!(
        "  retail, with all it does, is {:.0} times as fast",
        plain.ratio() * wall_s / simulated_s
    );
}

fn on_turmoil(hosts: usize, pause: Duration) -> u32 {
    let mut builder = turmoil::Builder::new();
    // The scenario's links: 1 to 3 ms.
    builder.min_message_latency(Duration::from_millis(1));
    builder.max_message_latency(Duration::from_millis(3));
    builder.simulation_duration(TURMOIL_SIMULATED * 2);
    let mut sim = builder.build();
    for host in 0..hosts {
        sim.host(name(host), || async { Ok(serve().await?) });
    }
    let exchanges = (TURMOIL_SIMULATED.as_secs_f64() / pause.as_secs_f64()).round() as u32;
    sim.client("orchestrator", async move {
        let begun = tokio::time::Instant::now();
        for exchange in 0..exchanges {
            tokio::time::sleep_until(begun + pause * exchange).await;
            ask(exchange as usize % hosts).await?;
        }
        tokio::time::sleep_until(begun + TURMOIL_SIMULATED).await;
        Ok(())
    });
    sim.run().expect("every host answers");
    exchanges
}

fn name(host: usize) -> String {
    format!("host-{host}")
}

const PORT: u16 = 80;

/// Answers a line with a text, one connection after the other.
async fn serve() -> io::Result<()> {
    let mut socket = Turmoil.bind((IpAddr::V4(Ipv4Addr::UNSPECIFIED), PORT).into()).await?;
    let answer = [b'x'; ANSWER_BYTES];
    loop {
        let (stream, _) = Turmoil::accept(&mut socket).await?;
        let mut stream = BufReader::new(stream);
        stream.read_line(&mut String::new()).await?;
        stream.write_all(&answer).await?;
        stream.shutdown().await?;
    }
}

/// Sends a line and reads the answer to its end.
async fn ask(host: usize) -> io::Result<()> {
    let mut stream = Turmoil.dial(&Address::Tcp(name(host), PORT)).await?;
    stream.write_all(b"show info\n").await?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await?;
    match answer.len() {
        ANSWER_BYTES => Ok(()),
        short => Err(io::Error::other(format!("an answer of {short} bytes"))),
    }
}
