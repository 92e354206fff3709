//! Readings of a text captured from HAProxy 2.6.12: fe-1 drained, fe-2 down, fe-3 with an agent,
//! fe-4 in maintenance, and a second pool whose fe-1 tracks the first's.
use super::*;

const CAPTURED: &str = include_str!("captured_2_6_12.txt");

fn roster(names: &[(&str, &str)]) -> Roster {
    let id = |pool: &str, member: &str| MemberId { pool: pool.into(), server: member.into() };
    Roster::new(names.iter().map(|(pool, name)| (id(pool, name), (*name).into())).collect())
}

fn farm() -> Roster {
    let retail = ["fe-1", "fe-2", "fe-3", "fe-4"].map(|name| ("retail", name));
    roster(&[&retail[..], &[("admin", "fe-1")]].concat())
}

fn seen(answer: &str, roster: &Roster) -> Result<Facts, BalancerError> {
    read(answer, roster, &mut Shape::new())
}

fn member<'a>(facts: &'a Facts, pool: &str, server: &str) -> &'a MemberReading {
    let id = MemberId { pool: pool.into(), server: server.into() };
    facts.reading.member(&id).expect("the node lists it")
}

/// Goal: every part of a reading is the one HAProxy meant. Method: the captured text, whose state
/// was set up by hand.
#[test]
fn a_captured_answer_is_read_as_haproxy_meant_it() {
    let facts = seen(CAPTURED, &farm()).expect("a real answer");
    let drained = member(&facts, "retail", "fe-1");
    assert_eq!(
        (drained.admin, drained.oper, drained.check),
        (AdminState(8), OperState::Running, CheckState::Passing)
    );
    assert_eq!((drained.arrivals, drained.in_flight, drained.weight), (10, 0, 10));
    assert_eq!(drained.status, "DRAIN");
    let down = member(&facts, "retail", "fe-2");
    assert_eq!((down.oper, down.check), (OperState::Stopped, CheckState::Failing));
    let agent = member(&facts, "retail", "fe-3");
    assert_eq!((agent.check, agent.errors, agent.arrivals), (CheckState::None, 1, 4));
    let maintained = member(&facts, "retail", "fe-4");
    assert!(maintained.admin.in_maintenance());
    let tracker = member(&facts, "admin", "fe-1");
    assert!(tracker.admin.draining() && tracker.admin.inherited());
    // Its own check is none; what counts is the followed server's.
    assert_eq!(tracker.check, CheckState::Passing);

    let (retail, admin) = (PoolName::from("retail"), PoolName::from("admin"));
    let agent = MemberId { pool: retail, server: "fe-3".into() };
    assert_eq!(facts.agents, BTreeSet::from([agent]));
    let tracker = MemberId { pool: admin, server: "fe-1".into() };
    assert_eq!(facts.tracked, BTreeMap::from([(tracker, "retail/fe-1".to_owned())]));
}

/// Goal: the epoch is the process's life and nothing else. Method: the same text with another
/// uptime, which is read beside it, then another process number, then another start.
#[test]
fn an_epoch_changes_with_the_process_and_not_with_time() {
    let reading = |text: &str| seen(text, &farm()).expect("a real answer").reading;
    let epoch = |text: &str| reading(text).epoch;
    let field = |name: &str| {
        CAPTURED.lines().find(|line| line.starts_with(name)).expect("a field of `show info`")
    };
    let before = epoch(CAPTURED);
    let later = CAPTURED.replace(field("Uptime_sec: "), "Uptime_sec: 99");
    assert_eq!(epoch(&later), before);
    assert_eq!((reading(CAPTURED).lived_ms, reading(&later).lived_ms), (7_000, 99_000));
    assert_ne!(epoch(&CAPTURED.replace(field("Pid: "), "Pid: 1")), before);
    assert_ne!(epoch(&CAPTURED.replace(field("Start_time_sec: "), "Start_time_sec: 1")), before);
}

/// Goal: a member that is not there is absent, and strangers are not read. Method: a roster with
/// a name HAProxy does not have.
#[test]
fn a_member_that_the_node_does_not_list_is_absent() {
    let facts = seen(CAPTURED, &roster(&[("retail", "fe-1"), ("retail", "fe-9")])).expect("text");
    let servers: Vec<_> = facts.reading.members.iter().map(|(id, _)| id.server.as_str()).collect();
    assert_eq!(servers, ["fe-1"]);
}

/// Goal: the columns are found by name. Method: the columns of `show stat` turned round.
#[test]
fn columns_are_found_by_header_wherever_they_stand() {
    let at = CAPTURED.find("# pxname").expect("the header of `show stat`");
    let (before, stat) = CAPTURED.split_at(at);
    let turned: Vec<String> = stat
        .trim_start_matches("# ")
        .lines()
        .map(|line| line.split(',').rev().collect::<Vec<_>>().join(","))
        .collect();
    let turned = format!("{before}# {}\n\n", turned.join("\n"));
    let expected = seen(CAPTURED, &farm()).expect("a real answer").reading;
    assert_eq!(seen(&turned, &farm()).expect("the same answer").reading, expected);
}

/// Goal: the admin bits are decimal. Method: 16 (inherited drain) must not become 0x16, which
/// would be maintenance; that mistake is in a published client.
#[test]
fn admin_bits_are_decimal() {
    let facts = seen(CAPTURED, &farm()).expect("a real answer");
    assert_eq!(member(&facts, "admin", "fe-1").admin, AdminState(16));
}

/// Goal: a member assumed to be up, or on its way, is unproven. Method: the status fractions.
#[test]
fn a_check_on_its_way_is_unproven() {
    for status in ["UP 1/2", "DRAIN 1/2", "DOWN 1/2"] {
        let text = CAPTURED.replace(",DRAIN,10,", &format!(",{status},10,"));
        let facts = seen(&text, &farm()).expect("a real answer");
        assert_eq!(member(&facts, "retail", "fe-1").check, CheckState::Unproven, "{status}");
    }
}

/// Goal: quoted fields do not shift columns. Method: a check's message with comma, quotes and a
/// line end in it, as HAProxy encodes them, before the columns that are read.
#[test]
fn a_quoted_field_may_hold_anything() {
    let text = "a,\"said \"\"no\"\", \nthen left\",3\nb,,4\n\n";
    let mut rows = Rows::new(text, &[2, 1, 0]);
    assert_eq!(rows.next(), Some(["3", "said \"no\", \nthen left", "a"].map(Into::into)));
    assert_eq!(rows.next(), Some(["4", "", "b"].map(Into::into)));
    assert_eq!(rows.next(), None);
}

/// Goal: fields that nobody wants do not move the next row. Method: one that is short, one that is
/// long, and one whose unwanted field holds commas and a line end.
#[test]
fn unwanted_fields_end_with_their_row() {
    let text = "a\nb,2,3,4\nc,3,\"no,\nc,9\",5\nd,4,5";
    let mut rows = Rows::new(text, &[0, 1]);
    let firsts: Vec<String> =
        std::iter::from_fn(|| rows.next().map(|fields| fields.join(" "))).collect();
    assert_eq!(firsts, ["a ", "b 2", "c 3", "d 4"]);
}

/// Goal: an answer that is not HAProxy's is an error that says what is missing, never a reading.
/// Method: parts taken out, and prose where a table belongs.
#[test]
fn what_is_no_answer_is_an_error_by_name() {
    for (from, to, words) in [
        ("Start_time_sec", "Start", "no `Start_time_sec`"),
        ("\n1\n# be_id", "\n2\n# be_id", "format `2`, not `1`"),
        ("srv_admin_state", "srv_state", "no column `srv_admin_state`"),
        (",stot,", ",total,", "no column `stot`"),
        ("fe-1 127.0.0.1 2 8 ", "fe-1 127.0.0.1 2 x ", "srv_admin_state `x`"),
        ("fe-1 127.0.0.1 2 8 ", "fe-1 127.0.0.1 7 8 ", "srv_op_state 7"),
        ("\nretail,fe-2,", "\nretail,other,", "retail/fe-2 is in one of"),
    ] {
        let text = CAPTURED.replacen(from, to, 1);
        assert_ne!(text, CAPTURED, "{from} is not in the capture");
        let error = seen(&text, &farm()).expect_err(from).to_string();
        assert!(error.contains(words), "{from} -> {to}: {error}");
    }
    let error = seen("Permission denied\n\n", &farm()).expect_err("prose").to_string();
    assert!(error.contains("Permission denied"), "{error}");
}

/// Goal: what was learned of one answer is never taken for the next one's. Method: the same adapter
/// reads an answer, one in which two members have changed places, one that lacks the second, one with
/// a stranger before both, as after reloads with other configurations, and always the first again.
#[test]
fn rows_that_changed_places_are_read_by_their_names() {
    let swapped = CAPTURED.replace("fe-1", "fe-x").replace("fe-2", "fe-1").replace("fe-x", "fe-2");
    let (farm, mut shape) = (roster(&[("retail", "fe-1"), ("retail", "fe-2")]), Shape::new());
    let lines = |of: &dyn Fn(&str) -> String| CAPTURED.lines().map(of).collect::<String>();
    let is_of = |line: &str, name| line.split([' ', ',']).take(4).any(|field| field == name);
    let shorter = lines(&|line| match is_of(line, "fe-2") {
        true => String::new(),
        false => format!("{line}\n"),
    });
    let longer = lines(&|line| match is_of(line, "fe-1") && is_of(line, "retail") {
        true => format!("{}\n{line}\n", line.replace("fe-1", "stranger")),
        false => format!("{line}\n"),
    });
    for (answer, drained, members) in
        [(&*swapped, "fe-2", 2), (&*shorter, "fe-1", 1), (&*longer, "fe-1", 2)]
    {
        for (answer, drained, members) in [(CAPTURED, "fe-1", 2), (answer, drained, members)] {
            let facts = read(answer, &farm, &mut shape).expect("a real answer");
            assert_eq!(member(&facts, "retail", drained).status, "DRAIN");
            assert_eq!(facts.reading.members.len(), members);
        }
    }
}
