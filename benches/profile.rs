//! How fast access logs are read, on one core: megabytes a second of each format, plain from
//! memory, and gzipped. The goal is 200 MB/s of plain log.
//!
//! ```text
//! cargo bench --bench profile
//! ```
#[path = "support/access_log.rs"]
mod access_log;

use std::io::Write;

use access_log::Format;
use criterion::{Criterion, Throughput};
use evenkeel_sim::profile::Profile;
use evenkeel_sim::profile::zones::Zones;
use flate2::Compression;
use flate2::read::MultiGzDecoder;
use flate2::write::GzEncoder;

/// As the program has it.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Requests of a log: some 20 MB, more than any cache.
const REQUESTS: u64 = 120_000;

fn main() {
    let mut criterion = Criterion::default().configure_from_args();
    let mut group = criterion.benchmark_group("profile");
    group.sample_size(20);
    for (name, format) in
        [("haproxy", Format::Haproxy), ("nginx", Format::Nginx), ("iis", Format::Iis)]
    {
        let mut log = Vec::new();
        access_log::write(&mut log, format, REQUESTS).expect("a Vec takes everything");
        group.throughput(Throughput::Bytes(log.len() as u64));
        group.bench_function(name, |bencher| bencher.iter(|| read(log.as_slice())));
        if format == Format::Haproxy {
            let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
            encoder.write_all(&log).expect("a Vec takes everything");
            let zipped = encoder.finish().expect("a Vec takes everything");
            // Throughput is still that of the plain log.
            let unzipped = || MultiGzDecoder::new(zipped.as_slice());
            group.bench_function("haproxy, gzip", |bencher| bencher.iter(|| read(unzipped())));
        }
    }
    group.finish();
    criterion.final_summary();
}

fn read(log: impl std::io::Read) -> u64 {
    let slot = "15".parse().expect("a slot");
    let mut profile = Profile::new(Zones::one("Shop"), slot);
    profile.read("generated", log, None, 0).expect("the log is one of a known format");
    let counts = profile.counts();
    assert!(counts.bad == 0 && counts.requests >= REQUESTS - 1, "{counts:?}");
    counts.requests
}
