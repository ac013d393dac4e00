//! Reports whose items contradict themselves, beyond those of [`tests`](super::tests).

use super::{tests::refused, *};
use crate::report::{
    Fault,
    samples::{Sample, conditional, id, pass},
};

#[test]
fn who_could_not_tell_names_the_harness_and_nobody_else() {
    for fault in [None, Some(Fault::Candidate)] {
        let found = refused(conditional(), |report| {
            let untold = report.items.iter_mut().find(|item| item.id == id("7.2"));
            untold.unwrap().fault = fault;
        });
        assert!(
            matches!(&found, GateError::Item { item, .. } if *item == id("7.2")),
            "{found}"
        );
    }
}

#[test]
fn extended_checks_and_items_of_the_plan_are_not_mixed_up() {
    let among_items = refused(Sample::default().extended("X.1").report(), |report| {
        let check = report.extended.remove(0);
        report.items.push(check);
    });
    assert!(
        matches!(&among_items, GateError::Item { item, .. } if *item == id("X.1")),
        "{among_items}"
    );
    let beside = refused(pass(), |report| {
        let item = report.items.pop().unwrap();
        report.extended.push(item);
    });
    assert!(
        matches!(&beside, GateError::Item { item, .. } if *item == id("7.2")),
        "{beside}"
    );
}
