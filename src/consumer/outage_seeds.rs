//! Outages, moves of partitions, stops and restarts, in an order that a seed makes up, over a journal on disk: nobody misses anything.

mod shop;
mod wandering;

use std::thread;

use shop::{EACH, Hardship, Shop};

/// Of each test: in CI, and in a full run. They wait most of their time, side by side.
const SEEDS: (usize, usize) = (6, 120);
const AT_ONCE: usize = 12;

/// Every seed lived through, to be looked at.
fn each_seed(hardship: Hardship, look: impl Fn(&Shop)) {
    let seeds = if std::env::var_os("REDRIVE_TEST_FULL").is_some() { SEEDS.1 } else { SEEDS.0 };
    let seeds: Vec<u64> = (0..seeds).map(|_| rand::random()).collect();
    for some in seeds.chunks(AT_ONCE) {
        let lived = |seed: &u64| {
            let shop = Shop::new(*seed, hardship);
            thread::Builder::new().name(format!("shop {seed}")).spawn(move || shop.live()).unwrap()
        };
        let shops: Vec<_> = some.iter().map(lived).collect();
        for (seed, shop) in some.iter().zip(shops) {
            println!("seed {seed}");
            look(&shop.join().unwrap());
        }
    }
}

#[test]
fn whatever_happens_a_receiver_that_was_down_gets_all_that_it_missed() {
    each_seed(Hardship::Everything, |shop| {
        for took in [shop.billing(), shop.audit()] {
            for partition in took {
                let mut offsets = partition;
                offsets.sort_unstable();
                offsets.dedup();
                assert_eq!(offsets, (0..EACH).collect::<Vec<_>>());
            }
        }
        shop.has_nothing_left();
    });
}

#[test]
fn while_its_partitions_stay_it_gets_each_of_them_once_and_in_order_even_after_restarts() {
    each_seed(Hardship::OutagesAndStops, |shop| {
        for took in [shop.billing(), shop.audit()] {
            for partition in took {
                let first_wrong = partition.windows(2).find(|pair| pair[0] + 1 != pair[1]);
                assert_eq!((first_wrong, partition.len()), (None, usize::try_from(EACH).unwrap()), "seed {}", shop.seed);
            }
        }
        shop.has_nothing_left();
    });
}
