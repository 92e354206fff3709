//! One seed, one run: whatever ran before, beside it or on which thread.
use std::cell::RefCell;
use std::io::{self, Write};
use std::rc::Rc;

use evenkeel_sim::fabric::{Finished, Latency, Setup, run};

use crate::support::{HOUR_MS, Pair, ask, sleep_ms, turn, within};

/// A trace that the test can read afterwards.
#[derive(Clone, Default)]
struct Shared(Rc<RefCell<Vec<u8>>>);

impl Write for Shared {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.borrow_mut().write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// A restless run: 50 requests over random latency with a lost response now and then, and a server
/// that crashes every few.
fn restless(seed: u64, trace: Option<Box<dyn Write>>) -> Finished<u32> {
    let links = Latency { base_ms: 1, jitter_ms: 40 };
    let setup = Setup { links, trace, ..Setup::new(seed, HOUR_MS) };
    run(setup, |fabric| async move {
        let pair = Pair::new(fabric);
        pair.serve_lines();
        let mut answered = 0;
        for round in 0..50 {
            if round % 7 == 3 {
                pair.fabric.crash(pair.server).await;
                pair.serve_lines();
                turn().await;
                pair.fabric.power_on(pair.server);
            }
            if round % 5 == 2 {
                pair.fabric.lose_response(pair.client, pair.server);
            }
            let exchange = async { ask(&mut pair.connect().await?, "question").await };
            if let Some(Ok(_)) = within(5_000, exchange).await {
                answered += 1;
            }
            pair.fabric.note(&format!("round {round} is over"));
        }
        answered
    })
}

/// Goal: the same seed gives the same run twice on one thread. Method: compare everything that a
/// run leaves, the trace byte for byte.
#[test]
fn the_same_seed_repeats_on_one_thread() {
    let (left, right) = (Shared::default(), Shared::default());
    let first = restless(11, Some(Box::new(left.clone())));
    let second = restless(11, Some(Box::new(right.clone())));
    assert_eq!(first.digest, second.digest);
    assert_eq!(
        (first.simulated_ms, first.packets, first.connections, first.events),
        (second.simulated_ms, second.packets, second.connections, second.events)
    );
    assert_eq!(first.result.unwrap(), second.result.unwrap());
    assert!(left.0.borrow().len() > 10_000);
    assert_eq!(left.0, right.0);
}

/// Goal: runs on several threads at once do not touch each other. Method: four threads, two seeds,
/// several runs each, against the digests of a lone run.
#[test]
fn runs_on_several_threads_are_independent() {
    let alone = [restless(1, None).digest, restless(2, None).digest];
    std::thread::scope(|scope| {
        for thread in 0..4 {
            scope.spawn(move || {
                for turn in 0..3 {
                    let seed = (thread + turn) % 2;
                    let digest = restless(seed as u64 + 1, None).digest;
                    assert_eq!(digest, alone[seed], "thread {thread}, turn {turn}");
                }
            });
        }
    });
}

/// Goal: the seed decides. Method: another seed, another digest; and writing the trace out or not
/// makes no difference to it.
#[test]
fn another_seed_is_another_run() {
    let digest = restless(11, None).digest;
    assert_ne!(digest, restless(12, None).digest);
    assert_eq!(digest, restless(11, Some(Box::new(io::sink()))).digest);
}

/// Goal: what packets carry counts, not only that they flow. Method: two runs alike but for one
/// letter.
#[test]
fn one_letter_is_another_run() {
    let asked = |word: &'static str| {
        let finished = run(Setup::new(1, HOUR_MS), |fabric| async move {
            let pair = Pair::new(fabric);
            pair.serve_lines();
            ask(&mut pair.connect().await.unwrap(), word).await.unwrap();
        });
        (finished.packets, finished.digest)
    };
    assert_eq!(asked("drain"), asked("drain"));
    assert_eq!(asked("drain").0, asked("train").0);
    assert_ne!(asked("drain").1, asked("train").1);
}

/// Goal: a host that others do not talk to changes nothing for them. Method: the latencies of a
/// transfer with and without a third host in the network, which has traffic of its own.
#[test]
fn draws_of_one_link_do_not_move_with_anothers() {
    let ended_ms = |with_third: bool| {
        let setup =
            Setup { links: Latency { base_ms: 1, jitter_ms: 40 }, ..Setup::new(3, HOUR_MS) };
        let finished = run(setup, |fabric| async move {
            let pair = Pair::new(fabric);
            if with_third {
                let third = pair.fabric.add_host("third", [10, 0, 0, 3].into());
                let at = pair.fabric.at(third);
                pair.fabric.spawn(third, async move {
                    use evenkeel_fakes::listen::Listen;
                    loop {
                        let _refused = at.connect("10.0.0.1:9".parse().unwrap()).await;
                        sleep_ms(3).await;
                    }
                });
            }
            pair.serve_lines();
            let mut stream = pair.connect().await.unwrap();
            for _ in 0..20 {
                ask(&mut stream, "question").await.unwrap();
            }
            pair.fabric.now_ms()
        });
        finished.result.unwrap()
    };
    assert_eq!(ended_ms(false), ended_ms(true));
}
