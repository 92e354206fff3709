//! Verbs against real `sh -c` commands, and answers that a template may give wrongly.
use super::process::Processes;
use super::*;

/// Templates that all run one script.
fn host(script: &str) -> Host<Processes> {
    let template: Vec<String> =
        ["sh", "-c", script, "{verb}", "{server}"].map(str::to_owned).to_vec();
    let templates = farm::Host {
        start: template.clone(),
        job: template.clone(),
        version: template.clone(),
        service: template.clone(),
        reboot: template,
        publish: false,
    };
    Host::new(Processes, &templates, "11.36.1.43500".parse().expect("a version"))
}

fn fe_1() -> ServerName {
    "fe-1".into()
}

/// Goal: every verb's answer becomes the reading it stands for. Method: real processes.
#[tokio::test]
async fn every_verb_reads_its_answer() {
    let service = host("printf 'running=yes\\nautomatic=no\\ninitialised=yes\\nstart=4711 a\\n'");
    let reading = service.service(&fe_1(), "10.0.0.1").await.expect("an answer");
    assert!(reading.running && !reading.automatic && reading.initialised);
    assert_eq!((&*reading.start, &reading.boot), ("4711 a", &None));
    let told = host("printf 'running=no\\nautomatic=no\\ninitialised=no\\nstart=-\\nboot=b 7\\n'");
    let reading = told.service(&fe_1(), "10.0.0.1").await.expect("an answer");
    assert_eq!(reading.boot.as_deref(), Some("b 7"));
    let version = host("echo version=11.36.1.43500\r").version(&fe_1(), "10.0.0.1").await;
    assert_eq!(version.expect("an answer").to_string(), "11.36.1.43500");
    for (answer, expected) in [
        ("status=never", JobReading::Never),
        ("status=running\\noutput=70 %%", JobReading::Running),
        ("status=interrupted", JobReading::Interrupted),
        (
            "status=exited\\nexit_code=3010\\noutput=a=b\\noutput=reboot needed",
            JobReading::Exited { code: 3010, output: "a=b\nreboot needed".into() },
        ),
    ] {
        let host = host(&format!("printf '{answer}\\n'"));
        assert_eq!(host.job(&fe_1(), "10.0.0.1", "j-1").await, Ok(expected));
    }
    host("echo accepted=yes").reboot(&fe_1(), "10.0.0.1").await.expect("accepted");
}

/// Goal: a command knows all about its verb, from its arguments and its environment. Method: a
/// script that fails unless every value is there.
#[tokio::test]
async fn a_command_gets_its_values_twice() {
    let script = "[ \"$EVENKEEL_VERB $EVENKEEL_SERVER $EVENKEEL_ADDRESS $EVENKEEL_JOB \
                  $EVENKEEL_KIND $EVENKEEL_VERSION\" = \
                  'start fe-1 10.0.0.1 j-1 front-end-upgrade 11.36.1.43500' ] \
                  && [ '{server} {address} {job} {kind} {version}' = \
                  'fe-1 10.0.0.1 j-1 front-end-upgrade 11.36.1.43500' ] \
                  && [ \"$0 $1\" = '{verb} fe-1' ] && echo accepted=yes";
    let started = host(script).start(&fe_1(), "10.0.0.1", JobKind::FrontEndUpgrade, "j-1").await;
    assert_eq!(started, Ok(()));
}

/// Goal: a value is never taken for a placeholder. Method: a job id that looks like one.
#[test]
fn placeholders_are_filled_in_one_pass() {
    let (server, template) = (fe_1(), ["{job}/{server} {{x}} {".to_owned()]);
    let target = Target { server: &server, address: "10.0.0.1" };
    let command = command("job", &template, target, &[("job", "{server}")]);
    assert_eq!(command.argv, ["{server}/fe-1 {{x}} {"]);
    assert_eq!(command.env["EVENKEEL_JOB"], "{server}");
}

/// Goal: whatever is not the verb's answer is an error that names the mistake. Method: one wrong
/// answer each.
#[tokio::test]
async fn a_wrong_answer_is_an_error_by_name() {
    for (answer, words) in [
        ("running=yes", "`automatic` is missing"),
        ("running=maybe", "`running` is `maybe`"),
        ("hello", "`hello` is no `key=value`"),
        ("running=yes\\nrunning=no", "`running` is given twice"),
        (
            "running=yes\\nautomatic=yes\\ninitialised=yes\\nstart=1\\nmood=good",
            "`mood` is no key of this verb",
        ),
    ] {
        let error = host(&format!("printf '{answer}\\n'")).service(&fe_1(), "10.0.0.1").await;
        let error = error.expect_err(answer);
        assert!(matches!(&error, HostError::Garbled(what) if what.contains(words)), "{error}");
    }
    for answer in ["status=done", "status=exited", "status=exited\\nexit_code=x"] {
        let reading = host(&format!("printf '{answer}\\n'")).job(&fe_1(), "10.0.0.1", "j").await;
        assert!(matches!(reading, Err(HostError::Garbled(_))), "{answer}: {reading:?}");
    }
    let refused = host("echo accepted=no").reboot(&fe_1(), "10.0.0.1").await;
    assert!(matches!(refused, Err(HostError::Garbled(_))), "{refused:?}");
}

/// Goal: failure, no start and silence are told apart. Method: an exit code with words, a program
/// that does not exist, a command that is killed at its deadline.
#[tokio::test]
async fn a_failure_a_missing_program_and_silence_differ() {
    let failed = host("echo 'no such host' >&2; exit 7").version(&fe_1(), "10.0.0.1").await;
    let expected = HostError::Failed { exit_code: Some(7), stderr: "no such host".into() };
    assert_eq!(failed, Err(expected));

    let mut missing = host("");
    missing.templates.version = vec!["/no/such/program".into()];
    let error = missing.version(&fe_1(), "10.0.0.1").await;
    assert!(matches!(error, Err(HostError::Unreachable(_))), "{error:?}");

    let silent = host("exec sleep 600").waiting(Duration::from_millis(50));
    let error = silent.version(&fe_1(), "10.0.0.1").await;
    assert!(matches!(error, Err(HostError::Lost(_))), "{error:?}");
}

/// Goal: what a command writes is bounded, and too much of it is no answer. Method: a valid answer
/// with more output than is kept, and an endless error.
#[tokio::test]
async fn too_much_output_is_no_answer() {
    let much = "echo status=running; yes output=x | head -c 200000";
    let error = host(much).job(&fe_1(), "10.0.0.1", "j").await;
    assert!(matches!(&error, Err(HostError::Garbled(what)) if what.contains("65536")), "{error:?}");
    let error = host("yes z | head -c 200000 >&2; exit 1").version(&fe_1(), "10.0.0.1").await;
    let Err(HostError::Failed { stderr, .. }) = error else { panic!("{error:?}") };
    assert_eq!(stderr.chars().count(), STDERR_CHARS_MAX);
}

/// Goal: a template that leaves its job running in the background answers all the same. Method: a
/// process that keeps the streams open long after the command has ended.
#[tokio::test]
async fn a_job_left_in_the_background_does_not_hold_the_answer_back() {
    let host = host("sleep 5 & echo accepted=yes").waiting(Duration::from_secs(3));
    let started = host.start(&fe_1(), "10.0.0.1", JobKind::Publish, "j-1").await;
    assert_eq!(started, Ok(()));
}
