//! The whole way from a log to its section, by the sample logs of the repository. Their figures
//! were counted by another program (a few lines of Python) from the same files.
use std::io::Write;
use std::path::{Path, PathBuf};

use evenkeel::farm::{self, Farm, Load, LoadedFarm, ZoneLoad};
use evenkeel::plan::{self, Takes};
use flate2::Compression;
use flate2::write::GzEncoder;

use super::format::Format;
use super::section::text;
use super::zones::Zones;
use super::{Counts, LINE_BYTES_MAX, LogError, Profile, source};

fn scenarios() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../scenarios")
}

fn sample(name: &str) -> Vec<u8> {
    std::fs::read(scenarios().join("logs").join(name)).expect("the sample is there")
}

fn six() -> Farm {
    farm::load(&scenarios().join("six.farm.toml")).expect("it is valid").farm
}

/// A profile, slot by minute, of these logs; each must be in the format that it is called by.
fn of(zones: Zones, logs: &[(Format, &[u8])]) -> Profile {
    let mut profile = Profile::new(zones, "1".parse().expect("a minute divides the day"));
    for (format, log) in logs {
        let found = profile.read("a.log", *log, None, 0).expect("the format is recognised");
        assert_eq!(found, *format);
    }
    profile
}

/// Requests of a zone in all, and in the three minutes of the rush.
fn curve(zone: &ZoneLoad) -> (u64, [u64; 3]) {
    let minute = |at: usize| zone.requests_per_slot[at];
    (zone.requests_per_slot.iter().sum(), [minute(720), minute(721), minute(722)])
}

/// What has any.
fn counted(buckets: &[(u64, u64)]) -> Vec<(u64, u64)> {
    buckets.iter().copied().filter(|(_, count)| *count > 0).collect()
}

/// Goal: HAProxy's log becomes the load of the farm's zones. Method: the sample that HAProxy
/// itself wrote, by the farm's pools.
#[test]
fn haproxy_by_pools() {
    let profile = of(Zones::of_farm(&six()), &[(Format::Haproxy, &sample("haproxy.log"))]);
    let load = profile.load(1).expect("it has requests");
    assert_eq!(load.measured, "2026-11-16 to 2026-11-16 UTC, 1 file, 319 requests");
    let [shop, office] = load.zones.as_slice() else { panic!("{:?}", load.zones) };
    assert_eq!((shop.zone.as_str(), office.zone.as_str()), ("Shop", "Office"));
    assert_eq!(curve(shop), (300, [68, 66, 66]));
    assert_eq!(curve(office), (19, [4, 4, 4]));
    assert_eq!(
        counted(&shop.service_ms),
        [(7, 39), (10, 17), (15, 6), (20, 20), (30, 69), (50, 46), (70, 69), (100, 31), (150, 3)]
    );
    assert_eq!(office.longest_ms, [924, 920, 919, 918, 907, 904, 903, 903, 902, 175]);
    assert_eq!(
        counted(&shop.keep_alive_gap_ms),
        [(1, 84), (2, 1), (5, 11), (10, 12), (20, 35), (50, 7)]
    );
    let counts = profile.counts();
    assert_eq!((counts.lines, counts.requests, counts.aborted), (324, 319, 1));
    // Three changes of health, a bad request and a redirect.
    assert_eq!((counts.no_users, counts.zoneless, counts.bad), (5, 0, 0));
}

/// Goal: nginx's log becomes the load of one zone. Method: the sample that nginx itself wrote.
#[test]
fn nginx_of_one_zone() {
    let profile = of(Zones::one("Shop"), &[(Format::Nginx, &sample("nginx.log"))]);
    let load = profile.load(1).expect("it has requests");
    let [shop] = load.zones.as_slice() else { panic!("{:?}", load.zones) };
    assert_eq!(curve(shop), (321, [72, 72, 68]));
    assert_eq!(
        counted(&shop.service_ms),
        [
            (1, 1),
            (7, 61),
            (10, 17),
            (15, 15),
            (20, 6),
            (30, 92),
            (50, 10),
            (70, 91),
            (100, 9),
            (200, 9),
            (1_000, 9)
        ]
    );
    assert_eq!(shop.longest_ms, [923, 916, 903, 902, 902, 902, 902, 901, 901, 163]);
    assert_eq!(counted(&shop.keep_alive_gap_ms), [(100, 9), (1_000, 7)]);
    assert_eq!(profile.counts().aborted, 1);
    // It names neither pool nor host, so a farm of two zones leaves it open whose requests it has.
    let open = of(Zones::of_farm(&six()), &[(Format::Nginx, &sample("nginx.log"))]);
    assert_eq!((open.counts().zoneless, open.load(1)), (321, None));
}

/// Goal: an IIS log becomes the load of the farm's zones. Method: the sample, by host names.
#[test]
fn iis_by_host_names() {
    let profile = of(Zones::of_farm(&six()), &[(Format::Iis, &sample("iis.log"))]);
    let load = profile.load(1).expect("it has requests");
    let [shop, office] = load.zones.as_slice() else { panic!("{:?}", load.zones) };
    assert_eq!(curve(shop), (287, [55, 56, 56]));
    assert_eq!(curve(office), (33, [7, 7, 5]));
    assert_eq!(shop.longest_ms, [51_135, 24_001, 326, 326, 324, 315, 315, 315, 309, 308]);
    assert_eq!(counted(&shop.keep_alive_gap_ms), [(60_000, 4), (120_000, 2)]);
    assert_eq!(counted(&office.service_ms).last(), Some(&(10_000, 1)));
    assert_eq!((profile.counts().lines, profile.counts().requests), (324, 320));
}

/// Goal: a section says the same to whoever reads it as to who wrote it, and a plan finds the time
/// of day to start at. Method: the sample's section behind a small farm; the rush is no time.
#[test]
fn a_section_goes_into_a_farm_file_and_a_plan_comes_out() {
    let profile = of(Zones::one("Global"), &[(Format::Haproxy, &sample("haproxy.log"))]);
    let load = profile.load(1).expect("it has requests");
    let tiny = std::fs::read_to_string(scenarios().join("tiny.farm.toml")).expect("it is there");
    // Two requests a second in the rush are more than a half carries within the margin.
    let tiny = tiny.replace("capacity_rps = 40", "capacity_rps = 2");
    let farm = format!("{tiny}\n{}", text(&load));
    let farm =
        farm::parse(Path::new("tiny"), &farm).unwrap_or_else(|e| panic!("{}", e.report(false)));
    assert_eq!(farm.load.as_ref(), Some(&load));
    let loaded = LoadedFarm { farm, path: PathBuf::from("/x"), text_hash: String::new() };
    let plan = plan::build_taking(&loaded, None, Some(Takes::given(150))).expect("a window holds");
    let window = plan.window.expect("there is a load");
    assert_eq!(
        (window.from.to_string(), window.until.to_string()),
        ("12:03".into(), "09:30".into())
    );
}

/// Goal: bad lines are counted, sampled and fatal to nothing. Method: a sample with broken lines
/// amid, one of them longer than the bound, some more than are shown.
#[test]
fn bad_lines_are_counted_and_sampled() {
    let good = sample("haproxy.log");
    let mut log = good.clone();
    log.extend(b"\x1b[31mnonsense\n");
    log.extend(vec![b'x'; LINE_BYTES_MAX + 1]);
    log.push(b'\n');
    log.extend("cut [16/Nov/2026:12:00\n".repeat(5).bytes());
    let whole = of(Zones::one("Shop"), &[(Format::Haproxy, &good)]);
    let broken = of(Zones::one("Shop"), &[(Format::Haproxy, &log)]);
    assert_eq!(broken.load(1), whole.load(1));
    let Counts { bad, samples, lines, .. } = broken.counts();
    assert_eq!((*bad, *lines, samples.len()), (7, 331, 5));
    let told: Vec<(u64, &str, usize)> =
        samples.iter().map(|it| (it.line, it.why, it.text.chars().count())).collect();
    assert_eq!(told[0], (325, "no time in brackets", 13));
    assert_eq!(told[1], (326, "longer than 65,536 bytes", 120));
    assert_eq!(told[2].1, "cut within the time");
    assert!(samples[0].text.starts_with(".[31m"), "nothing of it reaches a terminal");
}

/// Goal: what is no access log is not taken for an empty one; `--format` reads it all the same.
/// Method: prose, and nothing.
#[test]
fn what_is_no_log_is_refused() {
    for text in [&b"Dear Sir,\nno log.\n"[..], b""] {
        let mut profile = Profile::new(Zones::one("Shop"), "15".parse().expect("a slot"));
        let read = profile.read("a.txt", text, None, 0);
        assert!(matches!(read, Err(LogError::Unrecognised)));
        assert!(profile.read("a.txt", text, Some(Format::Iis), 0).is_ok());
        assert_eq!(profile.load(1), None);
    }
}

/// Goal: a log is the same plain and gzipped, also when rotation left several members after each
/// other; one that is torn is an error. Method: the sample through files of each kind.
#[test]
fn gzip_is_told_by_content_and_read_to_its_last_member() {
    let log = sample("haproxy.log");
    let zipped = |part: &[u8]| {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
        encoder.write_all(part).expect("a Vec takes everything");
        encoder.finish().expect("a Vec takes everything")
    };
    // Cut within a line: a member ends anywhere.
    let members = [zipped(&log[..10_000]), zipped(&log[10_000..])].concat();
    let folder = tempfile::tempdir().expect("a scratch folder");
    let path = folder.path().join("no-matter-what-it-is-called");
    let read = |bytes: &[u8]| -> Result<Option<Load>, LogError> {
        std::fs::write(&path, bytes).expect("the scratch folder can be written");
        let mut profile = Profile::new(Zones::one("Shop"), "15".parse().expect("a slot"));
        let log = source::open(&path, |file| file).expect("it can be opened");
        profile.read("a.log", log, None, 0)?;
        Ok(profile.load(1))
    };
    let plain = read(&log).expect("it is whole");
    assert!(plain.is_some());
    assert_eq!(read(&zipped(&log)).expect("it is whole"), plain);
    assert_eq!(read(&members).expect("it is whole"), plain);
    let torn = &members[..members.len() - 100];
    assert!(matches!(read(torn), Err(LogError::Unreadable(_))));
}

/// Goal: HAProxy's local time becomes UTC. Method: the rush of the sample, an hour ahead.
#[test]
fn local_time_becomes_utc() {
    let mut profile = Profile::new(Zones::one("Shop"), "60".parse().expect("a slot"));
    let log = sample("haproxy.log");
    profile.read("a.log", log.as_slice(), None, 3_600).expect("it is one");
    let load = profile.load(1).expect("it has requests");
    let curve = &load.zones[0].requests_per_slot;
    let busiest = curve.iter().enumerate().max_by_key(|(_, requests)| **requests);
    assert_eq!(busiest.map(|(hour, _)| hour), Some(11));
    assert_eq!(load.measured, "2026-11-15 to 2026-11-16 UTC, 1 file, 319 requests");
}

/// Goal: an instant that no log can be of is a bad line, whoever wrote it. Method: the last day of
/// four digits, and a request that would have begun before there were computers.
#[test]
fn instants_out_of_the_world_are_bad_lines() {
    let log = "#Fields: date time time-taken\n\
               9999-12-31 23:59:59 7\n\
               2026-11-16 11:14:14 999999999999999\n\
               2026-11-16 11:14:14 1109\n";
    let profile = of(Zones::one("Shop"), &[(Format::Iis, log.as_bytes())]);
    assert_eq!((profile.counts().bad, profile.counts().requests), (2, 1));
    assert!(profile.load(1).is_some());
}
