//! Why each default of the policy is what it is: printed in the plan beside the value.

/// Key and reason, in the order of `Policy`'s fields.
pub const REASONS: [(&str, &str); 30] = [
    ("balancer_poll_ms", "a reload is noticed within one health check cycle"),
    ("balancer_poll_draining_ms", "a drain's end is worth a reading a second, nothing else is"),
    ("flags_poll_ms", "a page each: the console serves people too"),
    ("jobs_poll_ms", "jobs take minutes"),
    ("stale_after_polls", "one lost answer is no news, three are"),
    ("quiet_window_ms", "longer than a keep-alive client's usual pause between requests"),
    ("warm_up_ms", "pages are compiled and caches filled by the first requests"),
    ("drain_ms_max", "IIS executes a request for up to 110 s"),
    ("drain_after_deadline", "a request is not cut unless a person says so"),
    ("upgrade_ms_max", "binaries and configuration, three times the usual"),
    ("service_center_ms_max", "Service Center and System Components, three times the usual"),
    ("publish_ms_max", "a large factory takes hours"),
    ("initialise_ms_max", "three rounds of the Configuration Tool's 180 s"),
    ("idle_ms_max", "catch-up deployment takes up to 30 minutes"),
    ("job_attempts_max", "installers are safe to run again; twice the same failure is no accident"),
    ("idle_reads", "threads are idle for moments between two deployments"),
    ("idle_window_ms", "the Deployment Service retries pending modules every 30 s"),
    ("test_warm_up", "modules load on first access"),
    ("test_passes", "one pass may be luck"),
    ("test_ms_max", "an application that fails for ten minutes is no longer starting"),
    ("switch_ms_max", "both versions serve meanwhile"),
    ("soak_ms", "known delayed failures take half an hour"),
    ("soak_test_every_ms", "a failure is met within a minute, and users are not crowded out"),
    ("soak_when_bad", "the old version still stands by"),
    (
        "soak_errors_permille_max",
        "a few errors are the usual; two in a hundred more are the upgrade",
    ),
    ("parallel_max", "one at a time: a fault of the upgrade itself is met once"),
    ("margin_percent", "room for a peak, or for one server lost"),
    ("gates", "the commit, and the end of fall-back"),
    ("scheduler", "stopping it is a decision about applications, which we do not know"),
    ("unknown_ms_max", "a console is republished in minutes"),
];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::farm::Policy;

    /// Goal: every key of the policy has its reason, in the same order. Method: compare with what
    /// serde writes; `rehearsal` is a table of its own.
    #[test]
    fn every_key_has_a_reason() {
        let text = toml::to_string(&Policy::default()).unwrap();
        let keys: Vec<&str> = text
            .lines()
            .take_while(|line| !line.starts_with("[rehearsal]"))
            .filter_map(|line| Some(line.split_once(" = ")?.0))
            .collect();
        assert_eq!(keys, REASONS.map(|(key, _)| key));
    }
}
