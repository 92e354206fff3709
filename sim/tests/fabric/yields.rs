//! The order in which tasks run is explored too, and belongs to the seed.
use std::cell::RefCell;
use std::collections::BTreeSet;
use std::rc::Rc;

use evenkeel_fakes::listen::Listen;
use evenkeel_sim::fabric::{At, Digest, Setup, run};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::support::{HOUR_MS, Pair, server_address, sleep_ms};

/// Eight connections are asked at one instant over links that are all alike: the order in which
/// the server's tasks hear of it, and the run's digest.
fn order(seed: u64, yields: bool) -> (Vec<u8>, Digest) {
    let finished = run(Setup { yields, ..Setup::new(seed, HOUR_MS) }, |fabric| async move {
        let pair = Pair::new(fabric);
        let mut socket = pair.far().bind(server_address()).await.unwrap();
        let heard = Rc::new(RefCell::new(Vec::new()));
        let mut asking = Vec::new();
        for number in 0..8 {
            let (near, far) =
                futures_util::future::join(pair.connect(), At::accept(&mut socket)).await;
            let (heard, mut far) = (heard.clone(), far.unwrap().0);
            pair.fabric.spawn(pair.server, async move {
                let _ = far.read_u8().await;
                heard.borrow_mut().push(number);
            });
            asking.push(near.unwrap());
        }
        sleep_ms(100).await;
        for near in &mut asking {
            near.write_all(b"?").await.unwrap();
        }
        sleep_ms(100).await;
        heard.take()
    });
    (finished.result.unwrap(), finished.digest)
}

/// Goal: seeds differ in the order of tasks where yields are on, and only there, and each seed
/// repeats. Method: twenty seeds, with and without, twice.
#[test]
fn seeds_explore_the_order_of_tasks() {
    let (mut with, mut without) = (BTreeSet::new(), BTreeSet::new());
    for seed in 0..20 {
        let (heard, digest) = order(seed, true);
        assert_eq!((&heard, digest), (&order(seed, true).0, order(seed, true).1), "seed {seed}");
        assert_eq!(
            heard.iter().copied().collect::<BTreeSet<_>>(),
            (0..8).collect(),
            "none is lost"
        );
        with.insert(heard);
        without.insert(order(seed, false).0);
    }
    assert_eq!(without, [(0..8).collect::<Vec<u8>>()].into());
    assert!(with.len() > 10, "{} orders in 20 seeds", with.len());
}
